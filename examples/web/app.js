/** The views of the page: each is a section of index.html, and the address names the one that shows. */
import * as api from './api.js';

/** Name and password of somebody who must prove the address before there are tokens. */
let pair = null;
/** The challenge under way: `{username, challenge, session, …}`. */
let challenge = null;
/** Of who is signed in. */
let person = null;
/** Whose mail to look for. */
let address = '';

const message = document.querySelector('#message');
const view = (name) => document.querySelector(`[data-view="${name}"]`);
const formOf = (name) => view(name).querySelector('form');

// What each form does. A form is sent by JavaScript only.

onSubmit(formOf('sign-in'), async ({ username, password }) => {
  address = username;
  await signedIn(() => api.signIn(username, password), username);
});

onSubmit(formOf('sign-up'), async (fields) => {
  const answered = await api.signUp(fields);
  address = fields.email;
  if (api.isSignedIn()) {
    person = answered;
    show('verify');
    await sendCode();
  } else {
    // The server wants the address proved first, and has sent the code.
    pair = { username: fields.email, password: fields.password };
    show('verify');
  }
});

onSubmit(formOf('verify'), async ({ code }) => {
  if (pair) {
    const { username } = pair;
    await signedIn(() => api.verifyEmail(code, pair), username);
  } else {
    person = await api.verifyEmail(code, null);
    show('profile');
  }
  say('Your address is confirmed.');
});

onSubmit(formOf('new-password'), async ({ new_password }) => {
  await answer({ new_password });
  say('Your password is saved.');
});
onSubmit(formOf('sign-in-code'), async ({ code }) => answer({ code }));
onSubmit(formOf('select-factor'), async ({ factor }) => answer({ code: factor }));

onSubmit(document.querySelector('#names'), async (names) => {
  person = await api.changeNames(names);
  fill();
  say('Your name is saved.');
});

onSubmit(document.querySelector('#change-password'), async (fields) => {
  await signedIn(() => api.changePassword(fields), person.email);
  say('Your password is changed. Other devices are signed out.');
});

onSubmit(formOf('forgot'), async ({ username }) => {
  address = username;
  await api.forgotPassword(username);
  formOf('reset').elements.username.value = username;
  show('reset');
  say('If there is such an account, a mail is on its way.');
});

onSubmit(formOf('reset'), async (fields) => {
  await api.resetPassword(fields);
  formOf('sign-in').elements.username.value = fields.username;
  show('sign-in');
  say('Your new password is set. Sign in with it.');
});

onClick('#send-code', async () => {
  await sendCode();
  say('A new code is on its way.');
});

onClick('#prove-address', async () => {
  show('verify');
  await sendCode();
});

onClick('#sign-out', async () => {
  await api.signOut();
  person = null;
  address = '';
  show('sign-in');
  say('You are signed out.');
});

// Signing in, with what the server may ask for in between.

/** Runs a call that answers as a sign-in: with tokens, or with a challenge. */
async function signedIn(run, username) {
  try {
    person = await run();
    address = person.email;
    show('profile');
  } catch (error) {
    if (!error.challenge) throw error;
    challenge = { ...error.challenge, username };
    show(viewOfChallenge(challenge));
  }
}

function answer(fields) {
  const { username, challenge: name, session } = challenge;
  return signedIn(
    () => api.answerChallenge({ username, challenge: name, session, ...fields }),
    username,
  );
}

function viewOfChallenge({ challenge: name }) {
  if (name === 'NEW_PASSWORD_REQUIRED') return 'new-password';
  return name === 'SELECT_MFA_TYPE' ? 'select-factor' : 'sign-in-code';
}

const FACTORS = {
  SOFTWARE_TOKEN_MFA: 'Authenticator app',
  SMS_MFA: 'Text message',
  EMAIL_OTP: 'E-mail',
};

function textOfChallenge({ challenge: name, destination, secret }) {
  if (name === 'MFA_SETUP') {
    return `Add this key to your authenticator app, then enter the code that it shows: ${secret}`;
  }
  if (name === 'SOFTWARE_TOKEN_MFA') return 'Enter the code that your authenticator app shows.';
  return destination ? `We sent a code to ${destination}.` : 'We sent you a code.';
}

const sendCode = () => api.requestCode(pair);

// Showing.

/** Views of somebody who is signed in, or halfway: a reload forgets both. */
const NEEDS = {
  profile: () => api.isSignedIn(),
  verify: () => api.isSignedIn() || pair !== null,
  'new-password': () => challenge !== null,
  'sign-in-code': () => challenge !== null,
  'select-factor': () => challenge !== null,
};

function show(name) {
  if (location.hash !== `#${name}`) history.pushState(null, '', `#${name}`);
  render();
}

// A link, or the buttons of the browser.
addEventListener('hashchange', () => render());
render({ isFirst: true });

function render({ isFirst = false } = {}) {
  const asked = location.hash.slice(1);
  const exists = /^[a-z-]+$/.test(asked) && view(asked) !== null && (NEEDS[asked]?.() ?? true);
  const name = exists ? asked : api.isSignedIn() ? 'profile' : 'sign-in';
  if (name !== asked) history.replaceState(null, '', `#${name}`);
  forget(name);
  say('');
  for (const section of document.querySelectorAll('[data-view]')) {
    section.hidden = section.dataset.view !== name;
  }
  fill();
  const heading = view(name).querySelector('h1');
  document.title = `${heading.textContent} · Registrar example`;
  // Who hears the page learns that it has changed; who uses the keyboard goes on from here.
  if (!isFirst) heading.focus();
}

/** Keeps a password and a challenge only while their views show. */
function forget(name) {
  if (name !== 'verify') pair = null;
  if (!['new-password', 'sign-in-code', 'select-factor'].includes(name)) challenge = null;
}

/** Puts what is known into the views. */
function fill() {
  const texts = {
    address,
    email: person?.email ?? '',
    username: person?.username ?? '–',
    verified: person?.is_verified ? 'confirmed' : 'not confirmed',
    challenge: challenge ? textOfChallenge(challenge) : '',
  };
  for (const [name, text] of Object.entries(texts)) {
    for (const place of document.querySelectorAll(`[data-show="${name}"]`)) {
      place.textContent = text;
    }
  }
  for (const place of document.querySelectorAll('[data-signed-in]')) {
    place.hidden = !api.isSignedIn();
  }
  document.querySelector('#unverified').hidden = person === null || person.is_verified;
  // A username is no address of mail.
  const to = address.includes('@') ? `?to=${encodeURIComponent(address)}` : '';
  document.querySelector('#mailbox').href = `mailbox${to}`;

  const names = document.querySelector('#names').elements;
  names.first_name.value = person?.first_name ?? '';
  names.last_name.value = person?.last_name ?? '';
  // Hidden, for password managers: it tells them whose password this is.
  for (const input of document.querySelectorAll('[data-whose]')) input.value = address;
  document
    .querySelector('#factors')
    .replaceChildren(...(challenge?.options ?? []).map(factorChoice));
}

function factorChoice(factor, index) {
  const input = Object.assign(document.createElement('input'), {
    type: 'radio',
    name: 'factor',
    value: factor,
    required: true,
    checked: index === 0,
  });
  const label = document.createElement('label');
  label.append(input, ` ${FACTORS[factor] ?? factor}`);
  return label;
}

// Forms and messages.

function onSubmit(form, run) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    if (
      'confirm_password' in fields &&
      fields.confirm_password !== (fields.new_password ?? fields.password)
    ) {
      fail(form, 'confirm_password', 'The passwords do not match.');
      return;
    }
    void during(form, async () => {
      await run(fields);
      // A password stays in no field that is out of sight.
      for (const input of form.querySelectorAll('[type="password"], [name="code"]')) {
        input.value = '';
      }
    });
  });
}

function onClick(selector, run) {
  const button = document.querySelector(selector);
  button.addEventListener('click', () => void during(button.closest('section'), run));
}

/** Runs a call; until it ends, its buttons do nothing, and what it refuses is shown. */
async function during(place, run) {
  if (place.getAttribute('aria-busy') === 'true') return;
  const wasSignedIn = api.isSignedIn();
  place.setAttribute('aria-busy', 'true');
  for (const input of place.querySelectorAll('[aria-invalid]')) {
    input.removeAttribute('aria-invalid');
    input.removeAttribute('aria-errormessage');
  }
  say('');
  try {
    await run();
  } catch (error) {
    if (wasSignedIn && !api.isSignedIn()) {
      person = null;
      show('sign-in');
      say('Your session has ended. Please sign in again.', true);
    } else {
      const field = error.fields?.find((one) => place.querySelector(`[name="${one.field}"]`));
      fail(place, field?.field, error.message);
    }
  } finally {
    place.removeAttribute('aria-busy');
  }
}

function fail(place, field, text) {
  say(text, true);
  const input = field && place.querySelector(`[name="${field}"]`);
  if (!input) return;
  input.setAttribute('aria-invalid', 'true');
  input.setAttribute('aria-errormessage', message.id);
  input.focus();
}

function say(text, isError = false) {
  message.textContent = text;
  message.classList.toggle('error', isError);
}
