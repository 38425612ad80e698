import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import { createClientAddress } from '../../../../src/http/access/client-address.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import { type TestPool } from '../../../support/cognito.ts';
import { type ApiUnderTest } from '../api-under-test.ts';
import { createSignedUp, type SignedUp } from '../signed-up.ts';
import { test } from '../../../support/api-test.ts';

/** Limits of wrong passwords, with real counts and the sandbox's passwords; behind one proxy. */

const PASSWORD = 'Analytical1';
const PER_ADDRESS = 20;
const PER_ACCOUNT = 100;
const ATTACKER = '203.0.113.66';
const OWNER = '198.51.100.1';

let processes: ReturnType<ApiUnderTest['app']>[];
let victim: SignedUp;
let turn = 0;

test.beforeEach(async ({ api, pool }) => {
  await api.sql`DELETE FROM limit_counts`;
  // New ones, because a process remembers addresses that it refused.
  processes = [process(api, pool), process(api, pool)];
  victim = await createSignedUp(api, pool, PASSWORD);
  await pool.clearCalls();
});

/** An API process, with nothing but the database in common with another. */
function process(api: ApiUnderTest, pool: TestPool) {
  return api.app({
    doors: new Set(['session']),
    clientAddress: createClientAddress(1, api.deps.logger),
    limits: createLimits({ db: api.deps.db, table: limitCounts }, 10),
    sessions: createSessions(
      pool.client,
      { clientId: pool.clientId, clientSecret: null },
      api.deps.logger,
    ),
  });
}

/** @returns the status; the processes take turns */
async function login(
  api: ApiUnderTest,
  from: string,
  username: string,
  password = 'Wrong-Guess-1',
): Promise<number> {
  const app = processes[(turn += 1) % processes.length];
  const answer = await api.call('/auth/login', {
    method: 'POST',
    token: null,
    ...(app && { app }),
    json: { username, password },
    headers: { 'x-forwarded-for': from },
  });
  return answer.status;
}
const passwordChecks = async (pool: TestPool) => (await pool.calls())['InitiateAuth']?.calls ?? 0;
const count = (statuses: readonly number[], status: number) =>
  statuses.filter((one) => one === status).length;

test('of 1,000 parallel guesses from one address 20 are checked, and the owner can sign in from elsewhere', async ({
  api,
  pool,
}) => {
  const { email, username } = victim;
  const names = [email, username, ` ${email.toUpperCase()}`, username.toLowerCase()];
  const guesses = await Promise.all(
    // Each name at both processes.
    Array.from({ length: 1000 }, (_, n) =>
      login(api, ATTACKER, names[(n >> 1) % names.length] ?? ''),
    ),
  );
  expect(count(guesses, 401)).toBe(PER_ADDRESS);
  expect(count(guesses, 429)).toBe(1000 - PER_ADDRESS);
  expect(await passwordChecks(pool)).toBe(PER_ADDRESS);
  for (const name of names) expect(await login(api, OWNER, name, PASSWORD)).toBe(200);
});

test('guesses by e-mail and by username count for one account', async ({ api, pool }) => {
  for (let n = 0; n < PER_ADDRESS; n += 1) {
    expect(await login(api, ATTACKER, n % 2 ? victim.email : victim.username)).toBe(401);
  }
  expect(await login(api, ATTACKER, victim.username.toUpperCase(), PASSWORD)).toBe(429);
  expect(await login(api, ATTACKER, victim.email, PASSWORD)).toBe(429);
  // Another account is not affected.
  const other = await createSignedUp(api, pool, PASSWORD);
  expect(await login(api, ATTACKER, other.username, PASSWORD)).toBe(200);
});

test('unknown names are limited and answered like known ones', async ({ api }) => {
  const names = [victim.email, victim.username, `${randomUUID()}@example.com`, 'nobody-at-all'];
  for (const [at, name] of names.entries()) {
    await api.sql`DELETE FROM limit_counts`;
    const from = `203.0.113.${at}`;
    const guesses = await Promise.all(
      Array.from({ length: PER_ADDRESS + 5 }, () => login(api, from, name)),
    );
    expect([name, count(guesses, 401), count(guesses, 429)]).toEqual([name, PER_ADDRESS, 5]);
    const keys = await api.sql<{ key: string }[]>`SELECT key FROM limit_counts`;
    expect(keys.map(({ key }) => key.split(':')[0]).toSorted()).toEqual([
      'password-account',
      'password-address',
      'session-address',
    ]);
  }
});

test('only wrong passwords count against the limit', async ({ api }) => {
  for (let n = 0; n < PER_ADDRESS + 10; n += 1) {
    expect(await login(api, OWNER, victim.email, PASSWORD)).toBe(200);
  }
  for (let n = 0; n < PER_ADDRESS - 1; n += 1) {
    expect(await login(api, OWNER, victim.email)).toBe(401);
  }
  // Twice, so that each process says it.
  expect(await login(api, OWNER, victim.username, PASSWORD)).toBe(200);
  expect(await login(api, OWNER, victim.username, PASSWORD)).toBe(200);
  expect(await login(api, OWNER, victim.email)).toBe(401);
  expect(await login(api, OWNER, victim.email, PASSWORD)).toBe(429);
  const counts = await api.sql`
    SELECT points FROM limit_counts WHERE key LIKE 'password-account:%'`;
  expect([...counts]).toEqual([{ points: PER_ADDRESS }]);
});

test('a right temporary password does not count against the limit', async ({ api, pool }) => {
  const invited = await createSignedUp(api, pool, PASSWORD, false);
  for (let n = 0; n < PER_ADDRESS + 5; n += 1) {
    expect(await login(api, OWNER, invited.email, PASSWORD)).toBe(403);
  }
});

test('20 guesses of a /64, 40 of a /56 and 60 of a /48 are checked, and the owner can sign in', async ({
  api,
}) => {
  const guess = async (network: string) => {
    const guesses = Array.from({ length: 40 }, (_, n) =>
      login(api, `${network}::${n}`, victim.email),
    );
    return count(await Promise.all(guesses), 401);
  };
  const networks = ['2001:db8:9:1', '2001:db8:9:2', '2001:db8:9:3', '2001:db8:9:101'];
  const checked: number[] = [];
  for (const network of networks) checked.push(await guess(network));
  expect(checked).toEqual([20, 20, 0, 20]);
  expect(await guess('2001:db8:9:201')).toBe(0);
  expect(await login(api, '2001:db8:a:1::1', victim.email, PASSWORD)).toBe(200);
});

test('a botnet gets 100 checks of one account in a minute, and then the owner has to wait as well', async ({
  api,
  pool,
}) => {
  const guesses = await Promise.all(
    Array.from({ length: 150 }, (_, n) => login(api, `192.0.2.${n}`, victim.username)),
  );
  expect(count(guesses, 401)).toBe(PER_ACCOUNT);
  expect(await passwordChecks(pool)).toBe(PER_ACCOUNT);
  expect(await login(api, OWNER, victim.email, PASSWORD)).toBe(429);
  await api.sql`UPDATE limit_counts SET expire = now()`;
  expect(await login(api, OWNER, victim.email, PASSWORD)).toBe(200);
});
