import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClientAddress } from '../../src/access/client-address.ts';
import { createLimits, RateLimited } from '../../src/access/limits.ts';
import { openDatabase } from '../../src/db/client.ts';
import { forgetOldCounts } from '../../src/db/limit-counts.ts';
import { limitCounts } from '../../src/db/schema.ts';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.end());

const limitsOf = (registerPerMinute: number) =>
  createLimits({ db: api.deps.db, table: limitCounts }, registerPerMinute);

/** How many of `times` calls at once pass. */
async function passing(times: number, call: () => Promise<void>): Promise<number> {
  const all = await Promise.allSettled(Array.from({ length: times }, call));
  const others = all.filter((one) => one.status === 'rejected').map(({ reason }) => reason);
  expect(others.filter((reason) => !(reason instanceof RateLimited))).toEqual([]);
  return all.filter(({ status }) => status === 'fulfilled').length;
}

test('processes share the counts, also when asked at once', async () => {
  const processes = [limitsOf(10), limitsOf(10), limitsOf(10)];
  let next = 0;
  const passed = await passing(60, async () => {
    next += 1;
    await processes[next % 3]?.signUp('192.0.2.10', `shared-${next}@example.com`);
  });
  expect(passed).toBe(10);
  await processes[0]?.signUp('192.0.2.11', 'elsewhere@example.com');
});

test('an account is limited from whatever address, and a username like an address', async () => {
  const limits = limitsOf(1000);
  for (const name of ['ada@example.com', 'nobody', '']) {
    let from = 0;
    const tries = () => {
      from += 1;
      const cased = from % 2 ? name.toUpperCase() : name;
      return limits.signIn(`198.51.100.${from}`, cased);
    };
    expect(await passing(50, tries)).toBe(20);
  }
  let sent = 0;
  expect(
    await passing(7, () => limitsOf(5).signUp(`203.0.113.${(sent += 1)}`, 'one@example.com')),
  ).toBe(5);
});

test('a username has one count, in whatever case it is sent', async () => {
  const spellings = ['administrator', 'ADMINISTRATOR', 'Administrator', 'aDMINISTRATOR'];
  let from = 0;
  const tries = () => {
    from += 1;
    return limitsOf(1000).signIn(`198.51.101.${from}`, spellings[from % 4] ?? '');
  };
  expect(await passing(50, tries)).toBe(20);
});

test('the counts hold no address of a person, and go when their minute is over', async () => {
  await limitsOf(5).signUp('192.0.2.20', 'erasable@example.com');
  await limitsOf(5).signIn('192.0.2.20', 'erasable-name');
  const keys = await api.sql`SELECT key FROM limit_counts`;
  expect(JSON.stringify(keys)).not.toContain('erasable');
  await api.sql`UPDATE limit_counts SET expire = now() - interval '2 minutes'`;
  await limitsOf(5).refresh('192.0.2.21');
  await forgetOldCounts(api.deps.db);
  expect([...(await api.sql`SELECT key FROM limit_counts`)]).toEqual([
    { key: 'session-address:192.0.2.21' },
  ]);
});

test('a minute later the same address may ask again', async () => {
  const address = '192.0.2.30';
  const ask = (limits: ReturnType<typeof limitsOf>) => limits.signUp(address, `${Math.random()}`);
  expect(await passing(3, () => ask(limitsOf(2)))).toBe(2);
  await api.sql`UPDATE limit_counts SET expire = now() WHERE key = ${`signup-address:${address}`}`;
  // What a process remembers of those it turned away is no longer than their minute.
  expect(await passing(3, () => ask(limitsOf(2)))).toBe(2);
});

test('the store away, or not migrated: each process counts in memory', async () => {
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const away = createLimits({ db: nowhere.db, table: limitCounts }, 4);
  expect(await passing(9, () => away.signUp('192.0.2.40', 'away@example.com'))).toBe(4);
  await nowhere.close(0);
});

test('a store that does not answer counts as away, in a bounded time', async () => {
  await api.sql.begin(async (hold) => {
    await hold`LOCK TABLE limit_counts IN ACCESS EXCLUSIVE MODE`;
    const limits = limitsOf(4);
    const from = performance.now();
    expect(await passing(9, () => limits.signUp('192.0.2.50', 'hung@example.com'))).toBe(4);
    expect(performance.now() - from).toBeLessThan(10_000);
  });
});

test('429 with Retry-After in the door’s form; other addresses go on', async () => {
  const app = api.app({
    doors: new Set(['session']),
    clientAddress: createClientAddress(1, api.deps.logger),
    limits: limitsOf(10),
    sessions: { ...api.deps.sessions, signIn: async () => ({ kind: 'refused' }) },
  });
  const login = (username: string, from: string) =>
    api.call('/auth/login', {
      method: 'POST',
      token: null,
      app,
      json: { username, password: 'x' },
      headers: { 'x-forwarded-for': from },
    });
  const tries = await Promise.all(
    Array.from({ length: 21 }, () => login('Grace@example.com ', '203.0.113.50')),
  );
  expect(tries.filter(({ status }) => status === 401)).toHaveLength(20);
  const limited = tries.find(({ status }) => status === 429);
  expect(limited?.body).toEqual({
    detail: 'Too many requests. Please wait.',
    code: 'rate_limited',
  });
  const seconds = Number(limited?.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60);
  expect((await login('grace@example.com', '203.0.113.51')).status).toBe(429);
  expect((await login('hopper@example.com', '203.0.113.50')).status).toBe(401);
});
