import { randomUUID } from 'node:crypto';
import {
  AdminRemoveUserFromGroupCommand,
  ListUsersInGroupCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { changes } from '../../../../src/db/schema.ts';
import type { ChangeStatus } from '../../../../src/domain/change.ts';
import { requestRetry } from '../../../../src/ledger/registrations/instructions.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import { test } from '../../../support/console-test.ts';
import type { ConsoleBrowser } from '../../../support/console-browser.ts';
import { addRole, addUser } from '../../../support/pool-user.ts';
import { registered } from '../../../support/registered.ts';
import type { ApiUnderTest } from '../api-under-test.ts';

const HOSTILE = `<script>alert("x")</script>'&amp;`;
const ESCAPED = '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;amp;';

const pathOf = ({ id }: Pick<Registration, 'id'>) => `/console/registrations/${id}`;
const search = (browser: ConsoleBrowser, q: string) =>
  browser.get(`/console/person?q=${encodeURIComponent(q)}`);
const address = (browser: ConsoleBrowser, email: string) =>
  browser.get(`/console/addresses?email=${encodeURIComponent(email)}`);

/** A change that nobody performs. */
async function openChange(
  { deps }: ApiUnderTest,
  { id, userId }: Registration,
  kind: 'delete' | 'roles',
  status: ChangeStatus,
  more: object = {},
): Promise<string> {
  const changeId = randomUUID();
  await deps.db.insert(changes).values({
    id: changeId,
    kind,
    status,
    userId: userId ?? '',
    registrationId: id,
    personRoles: ['viewer'],
    requestedBy: 'somebody',
    acceptedAt: new Date(),
    ...more,
  });
  return changeId;
}

test('a search finds a person by address, its beginning, username and every id', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const name = `find-${randomUUID().slice(0, 8)}`;
  const person = await registered(steps, { email: `${name}@example.com`, username: name });
  const other = await registered(steps, { email: `${name}@example.com.au` });
  const changeId = await openChange(api, person, 'roles', 'parked');
  const whole = await search(browser, ` ${name.toUpperCase()}@EXAMPLE.com `);
  expect(whole.html.indexOf(pathOf(person))).toBeLessThan(whole.html.indexOf(pathOf(other)));
  expect(whole.html.indexOf(pathOf(person))).toBeGreaterThan(0);
  for (const q of [name.slice(0, 9), `${name}@`, name.toUpperCase(), person.id, person.userId]) {
    expect([q, (await search(browser, q)).html]).toEqual([
      q,
      expect.stringContaining(`href="${pathOf(person)}"`),
    ]);
  }
  const change = await search(browser, changeId);
  expect(change.html).toContain(`href="/console/changes/${changeId}"`);
  const nobody = await search(browser, 'nobody-has-this');
  expect([nobody.status, nobody.html]).toEqual([
    200,
    expect.stringContaining('No registration that you may see fits'),
  ]);
  expect((await search(browser, '')).html).not.toContain('No registration');
});

test('an address that nobody has leads to the page that registers it', async ({
  administrator: { browser },
}) => {
  const email = `${randomUUID()}@example.com`;
  const { html } = await search(browser, email);
  expect(html).toContain('Nobody holds this address: it can be registered.');
  expect(html).toContain(`href="/console/new?email=${encodeURIComponent(email)}"`);
});

test('an address that an unfinished registration has leads to Retry and Cancel', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  await api.row(row.id, { status: 'roles_pending', finished_at: null });
  const { html } = await address(browser, row.email);
  expect(html).toContain('A registration of this address is not finished.');
  expect(html).toContain(`href="${pathOf(row)}"`);
  expect(html).toContain(`href="${pathOf(row)}/retry"`);
  expect(html).toContain(`href="${pathOf(row)}/cancel"`);
});

test('an address that a registered person has leads to Delete', async ({
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  const { html } = await address(browser, row.email);
  expect(html).toContain('Registrar registered a person with this address.');
  expect(html).toContain(`href="/console/users/${row.userId}/delete"`);
});

test('an address that an unproved sign-up has leads to its replacement', async ({
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps, {
    door: 'signup',
    roles: [],
    emailVerified: false,
    keyScope: 'signup',
  });
  const { html } = await address(browser, row.email);
  expect(html).toContain(
    'Somebody signed up with this address and never proved that it is theirs.',
  );
  const sent = encodeURIComponent(row.email);
  expect(html).toContain(`href="/console/new?email=${sent}&amp;replaceUnverified=1"`);
  const person = await browser.get(pathOf(row));
  expect(person.html).not.toContain(`/console/users/${row.userId}/roles`);
  const roles = await browser.get(`/console/users/${row.userId}/roles`);
  expect([roles.status, roles.html]).toEqual([
    409,
    expect.stringContaining('signed up and has not proved the address'),
  ]);
});

test('an address that somebody else created in the pool is left alone', async ({
  pool,
  administrator: { browser },
}) => {
  const email = `${randomUUID()}@example.com`;
  await addUser(pool, email);
  const { html } = await address(browser, email);
  expect(html).toContain('whom Registrar did not register');
  expect(html).toContain('not registered by Registrar');
  expect(html).not.toContain('/console/new?email=');
  expect(html).not.toMatch(/\/console\/users\/[^"]*\/delete/);
});

test('an address whose person is being deleted leads to the deletion', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  const changeId = await openChange(api, row, 'delete', 'parked');
  const { html } = await address(browser, row.email);
  expect(html).toContain('The person is being deleted, and the deletion is parked.');
  expect(html).toContain(`href="/console/changes/${changeId}"`);
  const change = await browser.get(`/console/changes/${changeId}`);
  expect(change.html).toContain(`href="/console/changes/${changeId}/retry"`);
  expect(change.html).not.toContain(`href="/console/changes/${changeId}/cancel"`);
});

test('an address whose cleanup keeps failing leads to its Retry', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  await api.row(row.id, { status: 'cleanup_required', finished_at: null });
  const { html } = await address(browser, row.email);
  expect(html).toContain('undoing it keeps failing');
  expect(html).toContain(`href="${pathOf(row)}/retry"`);
});

test('a create without a reply says from when its address is free', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  await api.row(row.id, {
    status: 'compensating',
    finished_at: null,
    create_outcome: null,
    create_attempted_at: new Date(),
  });
  const { html } = await address(browser, row.email);
  expect(html).toContain('Free from');
});

test('text of people and callers is never markup', async ({
  api,
  steps,
  administrator: { browser },
}) => {
  const person = await registered(steps, {
    firstName: HOSTILE,
    lastName: HOSTILE,
    attributes: { locale: HOSTILE },
    requestedBy: HOSTILE,
  });
  const changeId = await openChange(api, person, 'roles', 'parked', {
    roles: [HOSTILE],
    requestedBy: HOSTILE,
    failure: { code: HOSTILE, cause: HOSTILE, detail: HOSTILE },
  });
  const parked = await registered(steps, { username: `u-${randomUUID().slice(0, 8)}` });
  await api.row(parked.id, {
    status: 'roles_pending',
    finished_at: null,
    username: HOSTILE,
    roles: [HOSTILE],
    failure: JSON.stringify({ code: HOSTILE, cause: HOSTILE, detail: HOSTILE }),
  });
  await requestRetry(api.deps.db, parked.id, { actor: HOSTILE, reason: HOSTILE });
  await api.row(parked.id, { status: 'roles_pending' });
  await api.deps.db.execute(sql`UPDATE outbox_deliveries SET last_error = ${HOSTILE}`);
  const paths = [
    pathOf(person),
    pathOf(parked),
    `${pathOf(parked)}/retry`,
    `${pathOf(parked)}/roles`,
    `${pathOf(parked)}/cancel`,
    `/console/changes/${changeId}`,
    `/console/changes/${changeId}/retry`,
    `/console/users/${person.userId}/delete`,
    `/console/person?q=${encodeURIComponent(HOSTILE)}`,
    `/console/person?q=${encodeURIComponent(parked.email)}`,
    `/console/addresses?email=${encodeURIComponent(HOSTILE)}`,
    `/console/addresses?email=${encodeURIComponent(`"<b>"@example.com`)}`,
    `/console/registrations/${encodeURIComponent(HOSTILE)}`,
    `/console/users/${encodeURIComponent(HOSTILE)}/delete`,
    `/console/changes/${encodeURIComponent(HOSTILE)}`,
  ];
  for (const path of paths) {
    const { html, status } = await browser.get(path);
    expect([path, status < 500]).toEqual([path, true]);
    expect([path, /<script>|<b>/.exec(html)]).toEqual([path, null]);
  }
  const { html } = await browser.get(pathOf(parked));
  expect(html.split(ESCAPED).length).toBeGreaterThan(3);
});

test('a form that is refused shows the problem, with what was filled in', async ({
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  const path = `/console/users/${row.userId}/roles`;
  const page = await browser.get(path);
  const sent = await browser.submit(page, { roles: ['admin', 'nothing'], reason: HOSTILE });
  expect(sent.status).toBe(422);
  expect(sent.html).toContain('The user pool does not have one of these roles.');
  expect(sent.html).toContain('id="roles-error">The user pool does not have this role.');
  expect(sent.html).toContain(ESCAPED);
  expect(sent.html).toMatch(/<input[^>]*value="admin"[^>]*checked/);
  expect(sent.html).not.toMatch(/<input[^>]*value="viewer"[^>]*checked/);
});

test('the last administrator is not taken away, and the page says why', async ({
  pool,
  steps,
  administrator: { browser },
}) => {
  const row = await registered(steps, { roles: ['admin'] });
  const page = await browser.get(`/console/users/${row.userId}/disable`);
  const { client, userPoolId: UserPoolId } = pool;
  const of = new ListUsersInGroupCommand({ UserPoolId, GroupName: 'admin' });
  for (const { Username } of (await client.send(of)).Users ?? []) {
    if (Username === row.cognitoUsername) continue;
    const from = { UserPoolId, Username, GroupName: 'admin' };
    await client.send(new AdminRemoveUserFromGroupCommand(from));
  }
  const sent = await browser.submit(page, { reason: 'leaves' });
  expect(sent.status).toBe(409);
  expect(sent.html).toContain('would remove the last user who can assign every role');
  expect(sent.html).toContain('leaves');
});

test('a manager sees and does what the grants allow, and nothing else', async ({
  steps,
  administrator,
  manager: { browser },
}) => {
  const theirs = await registered(steps, { roles: ['viewer'] });
  const hidden = await registered(steps, { roles: ['admin'] });
  const seen = await browser.get(pathOf(theirs));
  expect(seen.status).toBe(200);
  expect(seen.html).toContain(`href="/console/users/${theirs.userId}/disable"`);
  const roles = await browser.get(`/console/users/${theirs.userId}/roles`);
  expect(roles.html).toContain('value="researcher"');
  expect(roles.html).not.toContain('value="admin"');
  for (const path of [
    pathOf(hidden),
    `${pathOf(hidden)}/cancel`,
    `/console/users/${hidden.userId}/delete`,
  ]) {
    expect([path, (await browser.get(path)).status]).toEqual([path, 404]);
  }
  for (const q of [hidden.email, hidden.id, hidden.userId]) {
    expect((await search(browser, q)).html).toContain('No registration that you may see fits');
  }
  // A form that another operator's page showed.
  const form = await administrator.browser.get(`/console/users/${hidden.userId}/disable`);
  expect(form.status).toBe(200);
  const sent = await browser.submit(
    { ...roles, html: roles.html.replaceAll(theirs.userId, hidden.userId) },
    { roles: ['viewer'] },
  );
  expect(sent.status).toBe(404);
  expect((await address(browser, hidden.email)).status).toBe(403);
});

test('what a destination answers is for operators who see everything', async ({
  api,
  steps,
  administrator,
  manager,
}) => {
  const person = await registered(steps, { roles: ['viewer'] });
  await api.sql`INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at)
    SELECT id, 'webhook', now() FROM outbox WHERE registration_id = ${person.id}
    ON CONFLICT DO NOTHING`;
  await api.sql`UPDATE outbox_deliveries SET last_error = 'HTTP 503 of hook.internal'
    WHERE outbox_id IN (SELECT id FROM outbox WHERE registration_id = ${person.id})`;
  const pages = [administrator, manager].map(({ browser }) => browser.get(pathOf(person)));
  const [all, some] = (await Promise.all(pages)).map(({ html }) => html);
  expect(all).toContain('HTTP 503 of hook.internal');
  expect(some).toContain('webhook');
  expect(some).not.toContain('hook.internal');
});

test('a person whose roles are not all within the grants has no account on a page', async ({
  steps,
  pool,
  manager: { browser },
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  await addRole(pool, row.email, 'admin');
  const { html } = await browser.get(pathOf(row));
  expect(html).toContain('There is no account in the pool that you may see');
  expect(html).not.toContain(`/console/users/${row.userId}/`);
});

test('what cannot be read says so, and the rest of the page is there', async ({
  steps,
  site,
  administrator: { browser },
}) => {
  const row = await registered(steps);
  await site.pool.setFaults([{ operation: 'AdminGetUser', fault: { kind: 'server' } }]);
  const { status, html } = await browser.get(pathOf(row));
  await site.pool.clearFaults();
  expect(status).toBe(200);
  expect(html).toContain('A required dependency is unavailable.');
  expect(html).toContain('registration.requested');
});
