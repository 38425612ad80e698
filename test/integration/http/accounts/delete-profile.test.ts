import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { limitCounts } from '../../../../src/db/schema.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import { test as base } from '../../../support/api-on-pool-test.ts';
import { addPerson, PASSWORD as STRANGERS_PASSWORD } from '../../../support/pool-people.ts';
import { addRole, portrait, userIdOf } from '../../../support/pool-user.ts';
import { registered } from '../../../support/registered.ts';
import type { Answer, ApiUnderTest } from '../api-under-test.ts';
import { AccountDoors, PASSWORD } from './account-doors.ts';

/** With `limited`: the same doors with real limits, which begin anew in each test. */
const test = base
  .extend('doors', { scope: 'file' }, ({ api, pool, users }) => {
    const { directory } = users;
    return new AccountDoors(api, pool, { directory });
  })
  .extend('limits', async ({ api }) => {
    await api.sql`DELETE FROM limit_counts`;
    return createLimits({ db: api.deps.db, table: limitCounts }, 10);
  })
  .extend('limited', ({ api, pool, users, limits }) => {
    const { directory } = users;
    return new AccountDoors(api, pool, { directory, limits });
  });
test.beforeEach(({ api }) => void (api.scripts.woken = []));
test.afterEach(({ pool }) => pool.clearFaults());

/** Where every request of these tests comes from. */
const ADDRESS = '192.0.2.1';

const remove = (
  doors: AccountDoors,
  token: string | null,
  json: unknown = { password: PASSWORD },
) => doors.call('DELETE', '/profile', json, token);
const changesOf = (api: ApiUnderTest, userId: string) =>
  api.sql`SELECT id, kind, requested_by, status, person_roles FROM changes WHERE user_id = ${userId}`;

function expectAccepted({ status, body, headers }: Answer): void {
  expect([status, body]).toEqual([
    202,
    { message: 'The account is being deleted.', change_id: expect.any(String) },
  ]);
  expect(headers.get('location')).toBe(`/changes/${body.change_id}`);
}

test('a person deletes the own account with the password, by a change of kind delete', async ({
  api,
  doors,
  steps,
}) => {
  const row = await registered(steps, { password: PASSWORD, roles: ['viewer'] });
  const token = await doors.accessToken(row.email);
  const answer = await remove(doors, token);
  expectAccepted(answer);
  expect([...(await changesOf(api, row.userId))]).toEqual([
    {
      id: answer.body.change_id,
      kind: 'delete',
      requested_by: row.userId,
      status: 'accepted',
      person_roles: ['viewer'],
    },
  ]);
  expect(api.scripts.woken).toEqual([{ userId: row.userId, why: 'interrupt' }]);
  const [event] = await api.sql`SELECT actor FROM audit_events
    WHERE registration_id = ${row.id} AND event = 'change.requested'`;
  expect(event).toEqual({ actor: row.userId });
});

test('the session that the check of the password opens is ended', async ({
  doors,
  steps,
  pool,
}) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await doors.accessToken(row.email);
  await pool.clearCalls();
  expectAccepted(await remove(doors, token));
  await doors.api.settled();
  const { InitiateAuth, RevokeToken } = await pool.calls();
  expect([InitiateAuth?.done, RevokeToken?.done]).toEqual([1, 1]);
});

test('repeated and simultaneous requests are one deletion', async ({ api, doors, steps }) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await doors.accessToken(row.email);
  const answers = await Promise.all([1, 2, 3].map(() => remove(doors, token)));
  for (const answer of answers) expectAccepted(answer);
  expect(new Set(answers.map(({ body }) => body.change_id)).size).toBe(1);
  expect(await changesOf(api, row.userId)).toHaveLength(1);
  // Once it was cancelled, the account can be deleted again.
  const [{ id } = { id: '' }] = await changesOf(api, row.userId);
  await api.change(String(id), { status: 'cancelled', finished_at: new Date() });
  const again = await remove(doors, token);
  expectAccepted(again);
  expect(again.body.change_id).not.toBe(id);
});

test('a wrong password, no password and no token delete nothing', async ({
  api,
  doors,
  steps,
  pool,
}) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await doors.accessToken(row.email);
  const before = await portrait(pool, row.email);
  const wrong = await remove(doors, token, { password: 'Wrong-Guess-1' });
  expect([wrong.status, wrong.body]).toEqual([400, { detail: 'Current password is incorrect' }]);
  for (const json of [{}, { password: 7 }, [], null]) {
    const answer = await remove(doors, token, json);
    expect([answer.status, Array.isArray(answer.body.detail)]).toEqual([422, true]);
  }
  const none = await remove(doors, null);
  expect([none.status, none.headers.get('content-type')]).toEqual([401, 'application/json']);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
  expect(await portrait(pool, row.email)).toBe(before);
  expect((await doors.login(row.email)).status).toBe(200);
});

test('somebody who is not signed in any more deletes nothing', async ({ api, doors, steps }) => {
  const row = await registered(steps, { password: PASSWORD });
  const { access_token: token, refresh_token } = (await doors.login(row.email)).body;
  expect((await doors.post('/auth/logout', { refresh_token }, token)).status).toBe(204);
  expect((await remove(doors, token)).status).toBe(401);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
});

test('the last administrator cannot delete the own account', async ({
  api,
  doors,
  steps,
  pool,
}) => {
  const row = await registered(steps, { password: PASSWORD, roles: ['admin'] });
  const token = await doors.accessToken(row.email);
  const refused = await remove(doors, token);
  expect([refused.status, refused.body]).toEqual([
    409,
    {
      code: 'last_administrator',
      detail: 'This change would remove the last user who can assign every role.',
    },
  ]);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
  const other = await registered(steps);
  await addRole(pool, other.email, 'admin');
  expectAccepted(await remove(doors, token));
});

test('an account that Registrar did not register, or has not finished, is not deleted', async ({
  api,
  doors,
  steps,
  pool,
}) => {
  const email = await addPerson(pool, randomUUID());
  const before = await portrait(pool, email);
  const token = await doors.accessToken(email, STRANGERS_PASSWORD);
  const foreign = await remove(doors, token, { password: STRANGERS_PASSWORD });
  expect([foreign.status, foreign.body.code]).toEqual([409, 'not_ours']);
  expect(await portrait(pool, email)).toBe(before);
  const row = await registered(steps, { password: PASSWORD });
  const own = await doors.accessToken(row.email);
  // The user that the row names in the pool is a stranger.
  await api.row(row.id, { cognito_username: await userIdOf(pool, email) });
  const named = await remove(doors, own);
  expect([named.status, named.body.code]).toEqual([409, 'not_ours']);
  await api.row(row.id, { status: 'roles_pending', finished_at: null });
  const unfinished = await remove(doors, own);
  expect([unfinished.status, unfinished.body.code]).toEqual([404, 'user_not_found']);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
});

test('guesses of the password are limited together with those at change-password', async ({
  api,
  limited,
  steps,
}) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await limited.accessToken(row.email);
  const guess = { current_password: 'Wrong-Guess-1', new_password: 'Difference-22' };
  for (let guesses = 0; guesses < 2; guesses += 1) {
    const changed = await limited.post('/auth/change-password', guess, token);
    expect(changed.status).toBe(400);
    expect((await remove(limited, token, { password: 'Wrong-Guess-1' })).status).toBe(400);
  }
  const over = await remove(limited, token);
  expect([over.status, over.body.code]).toEqual([429, 'rate_limited']);
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await limited.post('/auth/change-password', guess, token)).status).toBe(429);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
});

test('guesses of the password are limited together with those at login, and a right one is none', async ({
  api,
  limits,
  limited,
  steps,
}) => {
  const [row, other] = [
    await registered(steps, { password: PASSWORD }),
    await registered(steps, { password: PASSWORD }),
  ];
  const token = await limited.accessToken(row.email);
  const guess = (email: string) => limited.login(email, 'Wrong-Guess-1');
  for (let guesses = 0; guesses < 19; guesses += 1) await limits.passwordCheck(ADDRESS, row.email);
  expectAccepted(await remove(limited, token));
  expect((await guess(row.email)).status).toBe(401);
  const over = await remove(limited, token);
  expect([over.status, over.body.code]).toEqual([429, 'rate_limited']);
  const others = await limited.accessToken(other.email);
  for (let guesses = 0; guesses < 19; guesses += 1) {
    await limits.passwordCheck(ADDRESS, other.email);
  }
  expect((await remove(limited, others, { password: 'Wrong-Guess-1' })).status).toBe(400);
  expect((await guess(other.email)).status).toBe(429);
  expect(await changesOf(api, other.userId)).toHaveLength(0);
});

test('requests of one address are limited together with those of the other account routes', async ({
  api,
  limits,
  limited,
  steps,
}) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await limited.accessToken(row.email);
  await Promise.allSettled(Array.from({ length: 300 }, () => limits.sessionCall(ADDRESS)));
  const over = await remove(limited, token);
  expect([over.status, over.body.code]).toEqual([429, 'rate_limited']);
  expect(await changesOf(api, row.userId)).toHaveLength(0);
});

test('while Cognito does not answer nothing is accepted: 503 with detail', async ({
  api,
  doors,
  steps,
  pool,
}) => {
  const row = await registered(steps, { password: PASSWORD });
  const token = await doors.accessToken(row.email);
  for (const operation of ['InitiateAuth', 'AdminGetUser', 'AdminListGroupsForUser']) {
    await pool.setFaults([{ operation, fault: { kind: 'server' } }]);
    const answer = await remove(doors, token);
    expect([operation, answer.status, answer.body.code]).toEqual([operation, 503, 'unavailable']);
  }
  expect(await changesOf(api, row.userId)).toHaveLength(0);
});
