import { randomUUID } from 'node:crypto';
import {
  AdminDisableUserCommand,
  AdminGetUserCommand,
  AdminUpdateUserAttributesCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { accountQuota, createQuotas } from '../../../../activities/quota.ts';
import { READS_PER_SECOND } from '../../../../src/ledger/quota-rates.ts';
import { createCognito } from '../../../../src/cognito/adapter.ts';
import { createDirectory } from '../../../../src/cognito/directory.ts';
import type { TestPool } from '../../../support/cognito.ts';
import { addRole, addUser, portrait, removeRole, removeUser } from '../../../support/pool-user.ts';
import { manager, registered } from '../../../support/registered.ts';
import { test } from '../../../support/api-on-pool-test.ts';
import { problem } from '../api-under-test.ts';

test.afterEach(async ({ pool }) => {
  await pool.clearFaults();
});

async function setAttribute(
  { client, userPoolId }: TestPool,
  Username: string,
  Name: string,
  Value: string,
): Promise<void> {
  await client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: userPoolId,
      Username,
      UserAttributes: [{ Name, Value }],
    }),
  );
}

test('a user is read from the pool as it is now, with username and registration of the ledger', async ({
  users,
  steps,
  pool,
}) => {
  const row = await registered(steps, {
    username: 'Ada.Lovelace',
    firstName: 'Ada',
    lastName: 'Byron',
    roles: ['viewer'],
  });
  const at = { UserPoolId: pool.userPoolId, Username: row.email };
  await addRole(pool, row.email, 'researcher');
  await setAttribute(pool, row.email, 'family_name', 'Lovelace');
  await pool.client.send(new AdminDisableUserCommand(at));
  const { UserCreateDate } = await pool.client.send(new AdminGetUserCommand(at));

  const expected = {
    userId: row.userId,
    email: row.email,
    emailVerified: true,
    username: 'Ada.Lovelace',
    firstName: 'Ada',
    lastName: 'Lovelace',
    roles: ['researcher', 'viewer'],
    enabled: false,
    status: 'FORCE_CHANGE_PASSWORD',
    registrationId: row.id,
    createdAt: UserCreateDate?.toISOString(),
  };
  const read = await users.call(`/users/${row.userId}`);
  expect([read.status, read.body]).toEqual([200, expected]);
  const upper = await users.call(`/users/${row.userId?.toUpperCase()}`);
  expect(upper.body).toEqual(expected);
  for (const query of [
    `email=${encodeURIComponent(row.email.toUpperCase())}`,
    'username=ada.lovelace',
  ]) {
    const found = await users.call(`/users?${query}`);
    expect([query, found.status, found.body]).toEqual([query, 200, { items: [expected] }]);
  }
});

test('an address that differs from the registration counts as unverified', async ({
  users,
  steps,
  pool,
}) => {
  const row = await registered(steps);
  await setAttribute(pool, row.cognitoUsername ?? '', 'email', 'other@example.com');
  await setAttribute(pool, row.cognitoUsername ?? '', 'email_verified', 'true');
  const { body } = await users.call(`/users/${row.userId}`);
  expect(body).toMatchObject({ email: 'other@example.com', emailVerified: false });
});

test('the roles in the pool now decide who sees a user', async ({ api, users, steps, pool }) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const path = `/users/${row.userId}`;
  const token = manager(api);
  expect((await users.call(path, { token })).status).toBe(200);

  await addRole(pool, row.email, 'admin');
  const hidden = await users.call(path, { token });
  expect([hidden.status, hidden.body]).toEqual([
    404,
    problem(hidden, 'user_not_found', 404, 'User not found'),
  ]);
  expect((await users.call(`/users?email=${row.email}`, { token })).body).toEqual({ items: [] });
  expect((await users.call(path)).status).toBe(200);
});

test('a user without roles is visible to the requester and to holders of * only', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const requester = randomUUID();
  const row = await registered(steps, { roles: ['viewer'], requestedBy: requester });
  await removeRole(pool, row.email, 'viewer');
  const path = `/users/${row.userId}`;
  expect((await users.call(path, { token: manager(api, requester) })).body).toMatchObject({
    roles: [],
  });
  expect((await users.call(path, { token: manager(api) })).status).toBe(404);
  expect((await users.call(path)).status).toBe(200);
});

test('a stranger in the pool is not_ours to holders of * and not found for others, and untouched', async ({
  api,
  users,
  pool,
}) => {
  const email = `${randomUUID()}@example.com`;
  await addUser(pool, email, { role: 'viewer' });
  const at = { UserPoolId: pool.userPoolId, Username: email };
  const { Username: userId } = await pool.client.send(new AdminGetUserCommand(at));
  const before = await portrait(pool, email);
  const refused = await users.call(`/users/${userId}`);
  expect([refused.status, refused.body.code]).toEqual([409, 'not_ours']);
  const hidden = await users.call(`/users/${userId}`, { token: manager(api) });
  expect([hidden.status, hidden.body.code]).toEqual([404, 'user_not_found']);
  expect((await users.call(`/users?email=${email}`)).body).toEqual({ items: [] });
  expect((await users.call(`/addresses/${email}`)).status).toBe(200);
  expect(await portrait(pool, email)).toBe(before);
});

test('a user whose mark was overwritten is not ours, and neither is one with a copied mark', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const row = await registered(steps);
  const email = `${randomUUID()}@example.com`;
  await addUser(pool, email, { mark: row.id });
  const at = { UserPoolId: pool.userPoolId, Username: email };
  const { Username: copied } = await pool.client.send(new AdminGetUserCommand(at));
  await setAttribute(pool, row.email, 'custom:registration_id', randomUUID());
  for (const userId of [row.userId, copied]) {
    expect((await users.call(`/users/${userId}`)).body.code).toBe('not_ours');
    const hidden = await users.call(`/users/${userId}`, { token: manager(api) });
    expect(hidden.body.code).toBe('user_not_found');
  }
});

test('unknown, unfinished, undone and deleted users are not found, also for holders of *', async ({
  users,
  steps,
  api,
  pool,
}) => {
  const unfinished = await registered(steps);
  await api.row(unfinished.id, { status: 'roles_pending', finished_at: null });
  const undone = await registered(steps);
  await api.row(undone.id, { status: 'failed' });
  const deleted = await registered(steps);
  await api.row(deleted.id, { user_deleted_at: new Date() });
  const vanished = await registered(steps);
  await removeUser(pool, vanished.email);
  const rows = [unfinished, undone, deleted, vanished];
  const ids = [randomUUID(), 'nobody', '%00', ...rows.map(({ userId }) => userId)];
  for (const id of ids) {
    const { status, body } = await users.call(`/users/${id}`);
    expect([id, status, body.code]).toEqual([id, 404, 'user_not_found']);
  }
  for (const { email } of rows) {
    expect((await users.call(`/users?email=${email}`)).body).toEqual({ items: [] });
  }
});

test.for(['', 'email=a@example.com&username=ada', 'email=nobody', 'name=ada'])(
  'a search by "%s" is refused',
  async (query, { users }) => {
    const { status, body } = await users.call(`/users?${query}`);
    expect([status, body.code]).toEqual([422, 'invalid_request']);
  },
);

test('a caller without grants may not read users, and the pool is not asked', async ({
  api,
  users,
  pool,
}) => {
  await pool.clearCalls();
  const token = api.issuer.token({ 'cognito:groups': ['visitor'] });
  for (const path of [`/users/${randomUUID()}`, '/users?username=ada']) {
    expect((await users.call(path, { token })).status).toBe(403);
    expect((await users.call(path, { token: null })).status).toBe(401);
  }
  expect(await pool.calls()).toEqual({});
});

test('Cognito does not answer: 503 with Retry-After', async ({ users, steps, pool }) => {
  const row = await registered(steps);
  await pool.setFaults([{ operation: 'AdminListGroupsForUser', fault: { kind: 'server' } }]);
  const { status, body, headers } = await users.call(`/users/${row.userId}`);
  expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '5']);
});

test('reads are paced for the whole deployment, and what is too much is refused with 503', async ({
  api,
  steps,
  pool,
}) => {
  const row = await registered(steps);
  const provider = createCognito(pool.client, pool.userPoolId);
  // As two processes: they share the row in PostgreSQL.
  const apps = [1, 2].map(() => {
    const quotas = createQuotas(steps.db, { createRps: 0, updateRps: 0 });
    const directory = createDirectory(provider, (signal) => accountQuota(quotas)(signal)('read'));
    return api.app({ directory });
  });
  await pool.clearCalls();
  const begun = Date.now();
  const answers = await Promise.all(
    apps.flatMap((app) =>
      Array.from({ length: 2 * READS_PER_SECOND }, () => api.call(`/users/${row.userId}`, { app })),
    ),
  );
  const seconds = (Date.now() - begun) / 1000;
  const calls = await pool.calls();
  const made = (name: string) => calls[name]?.calls ?? 0;
  const most = READS_PER_SECOND * (seconds + 0.25) + 1;
  expect(made('AdminGetUser') + made('AdminListGroupsForUser')).toBeLessThanOrEqual(most);
  const statuses = new Set(answers.map(({ status }) => status));
  expect(statuses).toEqual(new Set([200, 503]));
  const refused = answers.find(({ status }) => status === 503);
  expect([refused?.body.code, refused?.headers.get('retry-after')]).toEqual(['unavailable', '5']);
});
