import { AdminDisableUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { test } from '../../../support/api-on-pool-test.ts';
import { addRole, addUser, portrait, removeRole, removeUser } from '../../../support/pool-user.ts';
import { registered } from '../../../support/registered.ts';
import type { TestPool } from '../../../support/cognito.ts';
import type { Steps } from '../../../support/steps.ts';
import { type Answer, type ApiUnderTest, problem } from '../api-under-test.ts';

type Call = ApiUnderTest['call'];
type Taking = (call: Call, userId: string, more?: object) => Promise<Answer>;
const without: Taking = (call, userId, more = {}) =>
  call(`/users/${userId}/roles`, { method: 'PUT', json: { roles: ['viewer'] }, ...more });
const TAKING: [string, Taking][] = [
  [
    'disabling',
    (call, userId, more) => call(`/users/${userId}/disable`, { method: 'POST', ...more }),
  ],
  ['deleting', (call, userId, more) => call(`/users/${userId}`, { method: 'DELETE', ...more })],
  ['other roles', without],
];

const people: string[] = [];
/** Nobody of an earlier test is an administrator any more. */
test.afterEach(async ({ api, pool }) => {
  await pool.clearFaults();
  await api.sql`DELETE FROM changes`;
  for (const email of people.splice(0)) await removeUser(pool, email).catch(() => undefined);
});

async function administrator(steps: Steps, requestedBy = 'tester') {
  const row = await registered(steps, { roles: ['admin'], requestedBy });
  people.push(row.email);
  return row;
}
async function disabledUser(pool: TestPool, email: string): Promise<void> {
  await pool.client.send(
    new AdminDisableUserCommand({ UserPoolId: pool.userPoolId, Username: email }),
  );
}
const expectRefused = (answer: Answer) =>
  expect([answer.status, answer.body]).toEqual([
    409,
    problem(answer, 'last_administrator', 409, 'Last administrator'),
  ]);

test.for(TAKING)(
  '%s the last administrator is refused, and nothing is accepted',
  async ([_what, take], { api, users, steps, pool }) => {
    const last = await administrator(steps);
    const before = await portrait(pool, last.email);
    // A client may have the grant `*` as well: it is nobody who could sign in.
    expectRefused(await take(users.call, last.userId));
    expect(await api.sql`SELECT 1 FROM changes`).toHaveLength(0);
    expect(await portrait(pool, last.email)).toBe(before);
    // What leaves the grant where it is is accepted.
    const keeps = await users.call(`/users/${last.userId}/roles`, {
      method: 'PUT',
      json: { roles: ['admin', 'viewer'] },
    });
    expect(keeps.status).toBe(202);
    expect((await users.call(`/users/${last.userId}/sign-out`, { method: 'POST' })).status).toBe(
      202,
    );
    expect((await users.call(`/users/${last.userId}/enable`, { method: 'POST' })).status).toBe(202);
  },
);

test('with a second administrator one may go, and the second may not follow while that is open', async ({
  api,
  users,
  steps,
}) => {
  for (const [, take] of TAKING) {
    const [one, two] = [await administrator(steps), await administrator(steps)];
    const first = await take(users.call, one.userId);
    expect(first.status).toBe(202);
    for (const [, again] of TAKING) expectRefused(await again(users.call, two.userId));
    // The same person may be changed once more: that takes nobody else away.
    expect((await users.call(`/users/${one.userId}/disable`, { method: 'POST' })).status).toBe(202);
    await api.sql`UPDATE changes SET status = 'cancelled', finished_at = now()`;
    expect((await take(users.call, two.userId)).status).toBe(202);
    await api.sql`DELETE FROM changes`;
    for (const { userId } of [one, two])
      await api.sql`DELETE FROM changes WHERE user_id = ${userId}`;
    await removeRole(steps.pool, one.email, 'admin');
    await removeRole(steps.pool, two.email, 'admin');
  }
});

test('a disabled administrator does not count, and a stranger in the group does', async ({
  users,
  steps,
  pool,
}) => {
  const [last, off] = [await administrator(steps), await administrator(steps)];
  await disabledUser(pool, off.email);
  expectRefused(await without(users.call, last.userId));
  const stranger = `${last.id}-stranger@example.com`;
  await addUser(pool, stranger, { role: 'admin' });
  people.push(stranger);
  expect((await without(users.call, last.userId)).status).toBe(202);
});

test('a group with the grant * by another name counts as well', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const last = await administrator(steps);
  const grants = [
    ...api.deps.grants,
    { subject: { kind: 'group', name: 'researcher' }, roles: '*' },
  ] as const;
  const app = api.app({ directory: users.directory, grants });
  const put = (roles: string[]) =>
    users.call(`/users/${last.userId}/roles`, { method: 'PUT', json: { roles }, app });
  expectRefused(await put(['viewer']));
  expect((await put(['researcher'])).status).toBe(202);
  const other = await registered(steps, { roles: ['viewer'] });
  people.push(other.email);
  await addRole(pool, other.email, 'researcher');
  expect((await put(['viewer'])).status).toBe(202);
});

test('two administrators who remove each other at once: one is refused, again and again', async ({
  api,
  users,
  steps,
}) => {
  for (const [, take] of TAKING) {
    const [one, two] = [await administrator(steps), await administrator(steps)];
    const as = (userId: string) => ({
      token: api.issuer.token({ sub: userId, 'cognito:groups': ['admin'] }),
    });
    const answers = await Promise.all([
      take(users.call, one.userId, as(two.userId)),
      take(users.call, two.userId, as(one.userId)),
    ]);
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([202, 409]);
    expect(await api.sql`SELECT 1 FROM changes WHERE open`).toHaveLength(1);
    await api.sql`DELETE FROM changes`;
    await removeRole(steps.pool, one.email, 'admin');
    await removeRole(steps.pool, two.email, 'admin');
  }
});

test('while the members cannot be read nothing is accepted: 503', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const [one] = [await administrator(steps), await administrator(steps)];
  await pool.setFaults([{ operation: 'ListUsersInGroup', fault: { kind: 'server' } }]);
  const answer = await users.call(`/users/${one.userId}/disable`, { method: 'POST' });
  expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
  expect(await api.sql`SELECT 1 FROM changes`).toHaveLength(0);
  expect((await users.call(`/users/${one.userId}/enable`, { method: 'POST' })).status).toBe(202);
});
