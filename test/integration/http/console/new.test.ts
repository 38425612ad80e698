import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { test, type ConsoleUnderTest, type Operator } from '../../../support/console-test.ts';
import { EventReader } from '../../../support/event-reader.ts';
import { createSignedUp } from '../signed-up.ts';

const address = () => `new-${randomUUID().slice(0, 8)}@example.com`;
const idOf = (location: string | null) =>
  /^\/console\/registrations\/([^/?]+)$/.exec(location ?? '')?.[1] ?? `none in ${location}`;

async function rowsOf({ api }: ConsoleUnderTest, email: string) {
  return await api.sql`SELECT * FROM registrations WHERE email = ${email}`;
}

/** The stream as the page's script reads it: what `data` means is HTML here. */
async function follow(site: ConsoleUnderTest, { browser }: Operator, id: string, seen?: string) {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return await site.app.request(`http://localhost/console/registrations/${id}/stream`, {
    headers: { cookie, ...(seen === undefined ? {} : { 'last-event-id': seen }) },
  });
}

async function register({ browser }: Operator): Promise<string> {
  const page = await browser.get('/console/new');
  const sent = await browser.submit(page, { email: address(), roles: 'viewer' });
  return idOf(sent.location);
}

test('somebody is registered by the form, as the API does it, in the name of the operator', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const email = address();
  const page = await browser.get('/console/new');
  expect(page.status).toBe(200);
  for (const text of ['Register somebody', 'viewer', 'Looks', 'researcher', 'Searches']) {
    expect(page.html).toContain(text);
  }
  const sent = await browser.submit(page, {
    email: ` ${email} `,
    firstName: 'Ada',
    lastName: '',
    username: 'ada.new',
    roles: ['viewer', 'researcher'],
    access: 'neither',
    'attributes.locale': 'en-GB',
  });
  expect(sent.status).toBe(303);
  const [row] = await rowsOf(site, email);
  expect(row).toMatchObject({
    id: idOf(sent.location),
    first_name: 'Ada',
    last_name: null,
    username: 'ada.new',
    roles: ['viewer', 'researcher'],
    attributes: { locale: 'en-GB' },
    invite: false,
  });
  const next = await browser.follow(sent);
  expect(next.html).toContain('The registration is accepted.');
  expect(next.html).toContain(`data-stream="/console/registrations/${idOf(sent.location)}/stream"`);
});

test('an invitation is what the form asks for at first, and an address in the link is filled in', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const email = address();
  const page = await browser.get(`/console/new?email=${encodeURIComponent(email)}`);
  await browser.submit(page, { roles: 'viewer' });
  expect(await rowsOf(site, email)).toMatchObject([{ invite: true, sealed_at: null }]);
});

test('a form that is sent twice registers once, and both answers lead to the same page', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const page = await browser.get('/console/new');
  const fields = { email: address(), roles: 'viewer' };
  const [one, other] = await Promise.all([
    browser.submit(page, fields),
    browser.submit(page, fields),
  ]);
  expect([one.status, other.status]).toEqual([303, 303]);
  expect(one.location).toBe(other.location);
  expect(await rowsOf(site, fields.email)).toHaveLength(1);
});

test('what is wrong stands at its field, with everything filled in but the password', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const password = 'Zugspitze-2962!';
  const sent = await browser.submit(await browser.get('/console/new'), {
    email: 'no-address',
    firstName: '"><b>Ada</b>',
    username: 'a b',
    access: 'password',
    password,
    'attributes.locale': 'x'.repeat(3000),
  });
  expect(sent.status).toBe(422);
  for (const name of ['email', 'username', 'attributes.locale']) {
    expect(sent.html).toContain(`id="${name}-error"`);
    expect(sent.html).toContain(`<a href="#${name}">${name}</a>`);
  }
  expect(sent.html).not.toContain('id="firstName-error"');
  expect(sent.html).toContain('value="no-address"');
  expect(sent.html).toContain('value="&quot;&gt;&lt;b&gt;Ada&lt;/b&gt;"');
  expect(sent.html).toMatch(/name="access" value="password" checked=""/);
  expect(sent.html).not.toContain(password);

  const email = address();
  const again = await browser.submit(sent, {
    email,
    username: 'ada.again',
    firstName: 'Ada',
    roles: 'viewer',
    'attributes.locale': '',
    password,
  });
  expect(again.status).toBe(303);
  const [row] = await rowsOf(site, email);
  expect(row?.['invite']).toBe(false);
  expect(row?.['sealed_at']).not.toBeNull();
});

test('a taken address is said at its field, with a link to why', async ({ administrator }) => {
  const { browser } = administrator;
  const fields = { email: address(), roles: 'viewer' };
  await browser.submit(await browser.get('/console/new'), fields);
  const sent = await browser.submit(await browser.get('/console/new'), fields);
  expect(sent.status).toBe(409);
  expect(sent.html).toContain('id="email-error"');
  expect(sent.html).toContain(`/console/addresses?email=${encodeURIComponent(fields.email)}`);
});

test('a manager, who may not ask for it, gets no link to why an address is taken', async ({
  manager: { browser },
}) => {
  const fields = { email: address(), roles: 'viewer' };
  await browser.submit(await browser.get('/console/new'), fields);
  const sent = await browser.submit(await browser.get('/console/new'), fields);
  expect(sent.status).toBe(409);
  expect(sent.html).toContain('id="email-error"');
  expect(sent.html).not.toContain('/console/addresses');
});

test('whether a sign-up that nobody proved is replaced is asked where there is one, and then done', async ({
  site,
  administrator,
}) => {
  const { browser } = administrator;
  const { email } = await createSignedUp(site.api, site.pool, 'password-1', true, false);
  const page = await browser.get('/console/new');
  expect(page.html).not.toContain('replaceUnverified');
  const refused = await browser.submit(page, { email, roles: 'viewer' });
  expect(refused.status).toBe(409);
  expect(refused.html).toContain('name="replaceUnverified"');
  const sent = await browser.submit(refused, { replaceUnverified: 'true' });
  expect(sent.status).toBe(303);
  const accepted = (await rowsOf(site, email)).find(({ id }) => id === idOf(sent.location));
  expect(accepted).toMatchObject({ roles: ['viewer'], door: 'canonical' });
});

test('an operator is offered the roles that the operator may give, and no others', async ({
  manager,
}) => {
  const page = await manager.browser.get('/console/new');
  expect(page.html).toContain('value="researcher"');
  expect(page.html).not.toContain('value="admin"');
  const fields = { email: address(), roles: 'admin' };
  const sent = await manager.browser.submit(page, fields);
  expect(sent.status).toBe(403);
  expect(sent.html).toContain('id="roles-error"');
});

test('a deployment without sealing keys for passwords does not ask for one', async ({ site }) => {
  const none = site.with({ sealing: null });
  const { browser } = await none.operator('admin');
  const page = await browser.get('/console/new');
  expect(page.html).toContain('name="access"');
  expect(page.html).not.toContain('type="password"');
});

test('the stream shows each state of a registration as the page does, and ends with the last', async ({
  site,
  administrator,
}) => {
  const id = await register(administrator);
  const response = await follow(site, administrator, id);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  const events = new EventReader(response.body, (text) => text);
  const first = await events.event();
  expect(first?.event).toBe('receipt');
  expect(first?.data).toContain('data-status="accepted"');
  const hostile = '<img src=x onerror=alert(1)>';
  await site.api.row(id, {
    status: 'roles_pending',
    parked_at: new Date(),
    failure: { code: 'registration_failed', cause: 'unknown_error', detail: hostile },
  });
  const second = await events.event();
  expect(second?.data).toContain('data-status="roles_pending"');
  expect(second?.data).not.toContain('<img');
  await site.api.row(id, { status: 'completed', user_id: randomUUID(), finished_at: new Date() });
  const last = await events.event();
  expect(last?.data).toContain('data-status="completed"');
  expect(last?.data).not.toContain('data-stream');
  expect(await events.event()).toBeNull();
  // The browser comes back, since it does not know why the stream ended.
  const again = await follow(site, administrator, id, last?.id);
  expect(again.status).toBe(204);
});

test('a stream begins after the event that the browser has seen', async ({
  site,
  administrator,
}) => {
  const id = await register(administrator);
  const first = new EventReader((await follow(site, administrator, id)).body, (text) => text);
  const seen = await first.event();
  await first.cancel();
  const response = await follow(site, administrator, id, seen?.id);
  const events = new EventReader(response.body, (text) => text);
  await site.api.row(id, { status: 'running' });
  expect((await events.event())?.data).toContain('data-status="running"');
  await events.cancel();
});

test('nobody follows a registration that they may not see, or without a session', async ({
  site,
  administrator,
  manager,
}) => {
  const page = await administrator.browser.get('/console/new');
  const sent = await administrator.browser.submit(page, { email: address(), roles: 'admin' });
  const id = idOf(sent.location);
  expect((await follow(site, manager, id)).status).toBe(404);
  const stranger = await site.person();
  const refused = await follow(site, stranger, id);
  expect(refused.headers.get('content-type') ?? '').not.toContain('event-stream');
});

test('a password that would not be used is refused at its field', async ({
  site,
  administrator: { browser },
}) => {
  const email = address();
  const page = await browser.get('/console/new');
  const form = { email, roles: 'viewer' };
  const unused = await browser.submit(page, { ...form, access: 'invite', password: 'Analytical1' });
  expect(unused.status).toBe(422);
  expect(unused.html).toContain('id="password-error">You typed a password');
  const missing = await browser.submit(unused, { ...form, access: 'password', password: '' });
  expect(missing.html).toContain('id="password-error">Type the password.');
  expect(await rowsOf(site, email)).toEqual([]);
});
