import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { ConsoleAnswer, Fields } from '../../../support/console-browser.ts';
import { test, type ConsoleUnderTest, type Operator } from '../../../support/console-test.ts';

const newEmail = () => `${randomUUID()}@example.com`;
const fieldsOf = (email: string, more: Fields = {}): Fields => ({
  email,
  roles: ['viewer'],
  ...more,
});

async function registered(site: ConsoleUnderTest, email: string): Promise<number> {
  return (await site.api.sql`SELECT FROM registrations WHERE email = ${email}`).length;
}

const valueOf = ({ html }: ConsoleAnswer, name: string): string =>
  new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(html)?.[1] ?? '';

test('every answer has the headers of a page that loads nothing from elsewhere', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const nobody = site.browser();
  const answers: Record<string, ConsoleAnswer> = {
    page: form,
    'sign-in page': await nobody.get('/console/sign-in'),
    redirect: await nobody.get('/console'),
    'no such page': await browser.get('/console/nothing/here'),
    'other method': await browser.post('/console/system', new URLSearchParams()),
    'other site': await browser.submit(
      form,
      {},
      { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } },
    ),
    'bad form': await browser.post('/console/new', 'x', { 'content-type': 'text/csv' }),
  };
  const policy =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
  for (const [name, { headers }] of Object.entries(answers)) {
    expect([name, headers.get('content-security-policy')]).toEqual([name, policy]);
    expect([name, headers.get('x-content-type-options')]).toEqual([name, 'nosniff']);
    expect([name, headers.get('cache-control')]).toEqual([name, 'no-store']);
    expect([name, headers.get('referrer-policy')]).toEqual([name, 'same-origin']);
    expect([name, headers.get('x-request-id')]).toEqual([name, expect.any(String)]);
  }
  const { page, redirect, ...errors } = answers;
  expect([page?.status, redirect?.status]).toEqual([200, 303]);
  const statuses = Object.values(errors).map(({ status }) => status);
  expect(statuses).toEqual([200, 404, 405, 403, 415]);
  for (const { html } of Object.values(errors)) expect(html).toMatch(/^<!doctype html>.*<h1/s);
  expect(answers['other method']?.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
});

test('a form without the token of its session, or from another site, does nothing', async ({
  site,
  administrator,
  manager,
}) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const theirs = valueOf(await manager.browser.get('/console/new'), 'csrfToken');
  expect(theirs).not.toBe('');
  const email = newEmail();
  const attempts: [Fields, Record<string, string>, number?][] = [
    [{ csrfToken: [] }, {}],
    [{ csrfToken: '' }, {}],
    [{ csrfToken: theirs }, {}],
    [{ csrfToken: `${valueOf(form, 'csrfToken')}x` }, {}],
    [{ csrfToken: [valueOf(form, 'csrfToken'), theirs] }, {}, 422],
    [{}, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    [{}, { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    [{}, { origin: 'http://sub.localhost', 'sec-fetch-site': 'same-site' }],
    [{}, { origin: '', 'sec-fetch-site': '' }],
  ];
  for (const [fields, headers, status = 403] of attempts) {
    const answer = await browser.submit(form, { ...fieldsOf(email), ...fields }, { headers });
    expect([fields, headers, answer.status]).toEqual([fields, headers, status]);
    expect(await registered(site, email)).toBe(0);
  }
  expect((await browser.submit(form, fieldsOf(email))).status).toBe(303);
  expect(await registered(site, email)).toBe(1);
});

test('nobody is signed out by a form of another site', async ({ administrator }) => {
  const { browser } = administrator;
  const page = await browser.get('/console');
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  const sent = [
    await browser.submit(page, {}, { action: '/console/sign-out', headers }),
    await browser.submit(page, { csrfToken: '' }, { action: '/console/sign-out' }),
  ];
  expect(sent.map(({ status }) => status)).toEqual([403, 403]);
  expect((await browser.get('/console')).status).toBe(200);
});

test('two sendings of one form register once and lead to the same page', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const email = newEmail();
  const answers = await Promise.all([
    browser.submit(form, fieldsOf(email)),
    browser.submit(form, fieldsOf(email)),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([303, 303]);
  expect(new Set(answers.map(({ location }) => location)).size).toBe(1);
  expect(await registered(site, email)).toBe(1);
  // A form that is opened anew is another request.
  const again = await browser.submit(await browser.get('/console/new'), fieldsOf(email));
  expect(again.status).toBe(409);
});

test('a refused form is shown again, as it was sent, with what was wrong', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const refused = await browser.submit(form, fieldsOf('no address', { firstName: 'Ada "A" <b>' }));
  expect(refused.status).toBe(422);
  expect(refused.html).toContain('Must be a valid e-mail address.');
  expect(valueOf(refused, 'email')).toBe('no address');
  expect(refused.html).toContain('value="Ada &quot;A&quot; &lt;b&gt;"');
  // Nothing was done, so that the form is another request.
  expect(valueOf(refused, 'idempotencyKey')).not.toBe(valueOf(form, 'idempotencyKey'));
  const email = newEmail();
  expect((await browser.submit(refused, { email })).status).toBe(303);
  expect(await registered(site, email)).toBe(1);
});

test('a form whose outcome is unknown is sent again with the same key', async ({ site }) => {
  const { email: operator, password } = await site.person('admin');
  const { roles } = site.deps;
  let isAway = false;
  const unknown: typeof roles.unknown = async (names) => {
    if (isAway) throw new Error('scripted');
    return await roles.unknown(names);
  };
  const browser = site.with({ roles: { ...roles, unknown } }).browser();
  await browser.signIn(operator, password);
  const form = await browser.get('/console/new');
  const email = newEmail();
  isAway = true;
  const failed = await browser.submit(form, fieldsOf(email));
  expect(failed.status).toBe(500);
  expect(valueOf(failed, 'idempotencyKey')).toBe(valueOf(form, 'idempotencyKey'));
  expect(failed.html).toContain(failed.headers.get('x-request-id'));
  isAway = false;
  expect((await browser.submit(failed)).status).toBe(303);
  expect(await registered(site, email)).toBe(1);
});

test('a notice is shown once, on the page that it is meant for', async ({ administrator }) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const done = await browser.submit(form, fieldsOf(newEmail()));
  const notice = 'The registration is accepted.';
  expect(done.location).not.toContain('accepted');
  expect((await browser.get('/console')).html).not.toContain(notice);
  expect((await browser.follow(done)).html).toContain(notice);
  expect((await browser.follow(done)).html).not.toContain(notice);
});

test('what was done is shown even if its notice cannot be kept', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const { sql } = site.api;
  const form = await browser.get('/console/new');
  await sql`CREATE FUNCTION refuse_notice() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`;
  await sql`CREATE TRIGGER refuse_notice BEFORE UPDATE OF sealed_notice ON console_sessions
    FOR EACH ROW EXECUTE FUNCTION refuse_notice()`;
  const done = await browser.submit(form, fieldsOf(newEmail()));
  await sql`DROP FUNCTION refuse_notice CASCADE`;
  expect([done.status, done.location]).toEqual([
    303,
    expect.stringMatching(/^\/console\/registrations\//),
  ]);
});

test('markup in names, reasons and addresses is shown as text', async ({ administrator }) => {
  const { browser } = administrator;
  const script = `<script>alert("x")</script><img src=x onerror='alert(1)'>`.slice(0, 50);
  const form = await browser.get('/console/new');
  const done = await browser.submit(
    form,
    fieldsOf(newEmail(), { firstName: script, lastName: `"'>${script}`.slice(0, 50) }),
  );
  const id = /[0-9a-f-]{36}/.exec(done.location ?? '')?.[0] ?? '';
  const page = await browser.follow(done);
  const cancel = await browser.get(`/console/registrations/${id}/cancel`);
  const cancelled = await browser.submit(cancel, { reason: `</textarea>${script}` });
  const after = await browser.get(`/console/registrations/${id}`);
  const pages = [
    page,
    cancel,
    cancelled,
    after,
    await browser.get(`/console/person?q=${encodeURIComponent(`"${script}`)}`),
    await browser.get(`/console/addresses?email=${encodeURIComponent(`"${script}`)}`),
    await browser.get(`/console/registrations/${encodeURIComponent(script)}`),
    await browser.get(`/console/registrations?status=${encodeURIComponent(`"${script}`)}`),
    await browser.submit(form, fieldsOf(`"${script}`, { username: script, roles: [script] })),
  ];
  expect(after.html).toContain('&lt;/textarea&gt;&lt;script&gt;');
  for (const { html, url } of pages) {
    expect([url, /<script>|<img src=x|<\/textarea><script/i.test(html)]).toEqual([url, false]);
  }
});

test('a huge, malformed or incomplete form gets a page that says so', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const form = await browser.get('/console/new');
  const urlencoded = 'application/x-www-form-urlencoded';
  const email = newEmail();
  const token = `csrfToken=${valueOf(form, 'csrfToken')}`;
  const sent = `${token}&email=${email}&roles=viewer`;
  const key = `idempotencyKey=${randomUUID()}`;
  const attempts: [string, string, number][] = [
    [`${sent}&${key}&reason=${'x'.repeat(70_000)}`, urlencoded, 413],
    [JSON.stringify({ email }), 'application/json', 415],
    ['--x\r\n', 'multipart/form-data; boundary=x', 415],
    [sent, 'text/plain', 415],
    [sent, urlencoded, 422],
    [`${sent}&idempotencyKey=nonsense`, urlencoded, 422],
    [`${sent}&${key}&${key}`, urlencoded, 422],
    [`${sent}&${key}&email=${newEmail()}`, urlencoded, 422],
    ['%', urlencoded, 403],
    ['', urlencoded, 403],
  ];
  for (const [body, type, status] of attempts) {
    const answer = await browser.post('/console/new', body, { 'content-type': type });
    expect([body.slice(0, 80), type, answer.status]).toEqual([body.slice(0, 80), type, status]);
    expect(answer.html).toMatch(/^<!doctype html>.*<h1/s);
  }
  expect(await registered(site, email)).toBe(0);
});

test('a link that cannot be right gets a page that says so, and is no internal error', async ({
  administrator: { browser },
}) => {
  const links: [string, number][] = [
    ['/console/registrations?cursor=nonsense', 400],
    ['/console/registrations?status=nonsense', 422],
    ['/console/addresses?email=..', 422],
    ['/console/addresses', 422],
    ['/console/registrations/%252e%252e', 404],
    ['/console/registrations/..%2Fusers', 404],
    [`/console/registrations/${randomUUID()}%3Fa=b%23`, 404],
    ['/console/person?q=%00', 200],
    ['/console/attention/retry?kind=change&status=Sign+in+at+evil.example', 422],
    ['/console/attention/retry?kind=change&status=parked&failureCode=evil.example', 422],
    ['/console/system/redeliver?destination=evil.example', 422],
  ];
  for (const [link, status] of links) {
    const answer = await browser.get(link);
    expect([link, answer.status]).toEqual([link, status]);
    expect(answer.html).toMatch(/^<!doctype html>.*<h1/s);
    expect(answer.html).not.toContain('evil.example');
  }
});

test('a person whose roles may do nothing sees that, on every page, and can sign out', async ({
  site,
}) => {
  const { browser } = await site.operator('viewer');
  for (const path of ['/console', '/console/new', '/console/system', '/console/person?q=a']) {
    const page = await browser.get(path);
    expect([path, page.status]).toEqual([path, 403]);
    expect(page.html).toContain('You may not do anything here');
  }
  const out = await browser.submit(
    await browser.get('/console'),
    {},
    { action: '/console/sign-out' },
  );
  expect(out.location).toBe('/console/sign-in?reason=signed_out');
});

test('a form of somebody who signed out meanwhile says that nothing was done', async ({
  site,
  manager: { browser },
}) => {
  const form = await browser.get('/console/new');
  await browser.submit(form, {}, { action: '/console/sign-out' });
  const email = newEmail();
  const sent = await browser.submit(form, fieldsOf(email));
  expect(sent.location).toContain('/console/sign-in?reason=not_done');
  expect((await browser.follow(sent)).html).toContain('nothing was done');
  expect(await registered(site, email)).toBe(0);
});

test('a manager may give no role beyond their own grants', async ({ site, manager }) => {
  const { browser } = manager;
  const form = await browser.get('/console/new');
  const email = newEmail();
  const answer = await browser.submit(form, fieldsOf(email, { roles: ['admin'] }));
  expect([answer.status, await registered(site, email)]).toEqual([403, 0]);
  const own = await browser.submit(form, fieldsOf(email));
  expect([own.status, await registered(site, email)]).toEqual([303, 1]);
});

test('an internal error is a page with the id of its log line, and of those of its calls', async ({
  site,
  administrator,
}) => {
  const { browser, email } = administrator;
  const { logged } = site.api.scripts;
  logged.length = 0;
  const page = await browser.get('/console/new');
  const id = page.headers.get('x-request-id');
  const routes = logged
    .map(({ fields }) => fields as { requestId?: string; route?: string; status?: number })
    .filter(({ requestId }) => requestId === id)
    .map(({ route }) => route);
  expect(routes).toEqual(['/roles', '/console/new']);
  const broken = site.with({
    console: {
      sealing: {
        ...site.deps.console?.sealing,
        seal: () => new Uint8Array(),
        open: () => {
          throw new TypeError(email);
        },
      },
    },
  });
  const other = broken.browser();
  for (const [name, value] of browser.cookies) other.cookies.set(name, value);
  const failed = await other.get('/console');
  const failedId = failed.headers.get('x-request-id') ?? '';
  expect([failed.status, failed.html.includes(failedId)]).toEqual([500, true]);
  expect(failed.html).not.toContain(email);
  const lines = logged.filter(({ level }) => level === 'error');
  expect(lines.map(({ fields }) => fields)).toEqual([
    expect.objectContaining({ requestId: failedId, error: 'TypeError' }),
  ]);
});

test('the console is in no document, and its requests are counted by their patterns', async ({
  site,
  administrator,
}: {
  site: ConsoleUnderTest;
  administrator: Operator;
}) => {
  await administrator.browser.get(`/console/registrations/${randomUUID()}`);
  await administrator.browser.get(`/console/nothing/${randomUUID()}`);
  const { app } = site;
  const document = await site.api.call('/openapi.json', { app, token: null });
  expect(document.text).not.toContain('/console');
  const { text } = await site.api.call('/metrics', { app, token: null });
  const routes = [...text.matchAll(/route="(\/console[^"]*)"/g)].map(([, route]) => route);
  expect(new Set(routes)).toContain('/console/registrations/:id');
  expect(routes.filter((route) => /[0-9a-f]{8}-/.test(route ?? ''))).toEqual([]);
});

test('without CONSOLE there is nothing below /console', async ({ site }) => {
  const off = site.with({ console: null }).browser();
  const paths = ['/console', '/console/', '/console/sign-in', '/console/system'];
  const answers = await Promise.all(paths.map((path) => off.get(path)));
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  expect(answers[0]?.headers.get('content-type')).toBe('application/problem+json');
});
