// Only what makes the pages pleasanter: each of them works without this file.

/** Milliseconds between two looks at a change: each look asks Cognito for the person. */
const SHORTEST = 1500;
const LONGEST = 30_000;

/** Says what has changed to those who do not see it. */
const teller = document.createElement('p');
teller.className = 'visually-hidden';
teller.setAttribute('role', 'status');
document.body.append(teller);

follow(document.querySelector('#live[data-stream]'));

/** Replaces the part by what the server renders, until the registration is closed. A page that nobody
 * looks at does not hold a stream: an operator has few, and a browser few connections. */
function follow(live) {
  if (!live) return;
  let part = live;
  let source;
  const show = () => {
    const isLive = source.readyState !== EventSource.CLOSED;
    for (const one of part.querySelectorAll('.follows')) one.hidden = !isLive;
    for (const one of part.querySelectorAll('.lost')) one.hidden = isLive;
  };
  const replace = ({ data }) => {
    const next = parse(data).querySelector('#live');
    if (!next) return;
    const { status } = part.dataset;
    const focused = part.contains(document.activeElement) ? document.activeElement.href : null;
    part.replaceWith(next);
    part = next;
    if (focused) [...part.querySelectorAll('a')].find((a) => a.href === focused)?.focus();
    if (!part.dataset.stream) source.close();
    show();
    if (part.dataset.status === status) return;
    teller.textContent = part.dataset.says;
    void refresh();
  };
  const turn = () => {
    source?.close();
    if (document.hidden || !part.dataset.stream) return;
    source = new EventSource(part.dataset.stream);
    source.addEventListener('open', show);
    source.addEventListener('error', show);
    source.addEventListener('receipt', replace);
  };
  document.addEventListener('visibilitychange', turn);
  turn();
}

/** Reads the page again for the parts that depend on the status: timeline, actions. */
async function refresh() {
  const parts = document.querySelectorAll('[data-follows][id]');
  if (parts.length === 0) return;
  const page = await read(location.href, { 'X-Background': 'true' });
  for (const part of parts) {
    const next = page?.getElementById(part.id);
    if (next && !part.contains(document.activeElement)) part.replaceWith(next);
  }
}

void watch();

/** A change is not streamed: the page is read again until it has ended or parked. */
async function watch() {
  const part = () => document.querySelector('[data-unfinished]');
  let pause = SHORTEST;
  while (part()) {
    const { id, dataset } = part();
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (document.hidden) continue;
    pause = Math.min(pause * 1.5, LONGEST);
    await refresh();
    const { says } = document.getElementById(id)?.dataset ?? {};
    if (says === dataset.says) continue;
    teller.textContent = says ?? '';
    pause = SHORTEST;
  }
}

/** null where the answer is no page of the console: signed out, offline. */
async function read(href, headers = {}) {
  const answer = await fetch(href, { headers }).catch(() => null);
  return answer?.ok && !answer.redirected ? parse(await answer.text()) : null;
}

function parse(text) {
  return new DOMParser().parseFromString(text, 'text/html');
}

// A confirmation opens above the page that asks for it.
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[data-confirm]');
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  void confirmAbove(link.href);
});

async function confirmAbove(href) {
  const asked = (await read(href))?.querySelector('main');
  if (!asked) {
    location.assign(href);
    return;
  }
  const dialog = document.createElement('dialog');
  const heading = asked.querySelector('h1');
  heading.id = 'confirm';
  dialog.setAttribute('aria-labelledby', heading.id);
  dialog.append(...asked.childNodes);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (click) => {
    if (!click.target.closest('[data-back]')) return;
    click.preventDefault();
    dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// A form is sent once, however often its button is pressed.
document.addEventListener('submit', (event) => {
  const { target } = event;
  if (target.method !== 'post') return;
  if (target.getAttribute('aria-busy') === 'true') event.preventDefault();
  target.setAttribute('aria-busy', 'true');
});
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[aria-busy]'))
    form.removeAttribute('aria-busy');
});
