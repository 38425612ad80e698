import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createClientAddress } from '../../../../src/http/access/client-address.ts';
import { createLimits, type Limits, RateLimited } from '../../../../src/http/access/limits.ts';
import { openDatabase } from '../../../../src/db/client.ts';
import { forgetOldCounts } from '../../../../src/db/limit-counts.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import { type ApiUnderTest } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const limitsOf = (api: ApiUnderTest, registerPerMinute: number) =>
  createLimits({ db: api.deps.db, table: limitCounts }, registerPerMinute);

const voided = async (call: Promise<unknown>) => void (await call);

/** How many of `times` calls at once pass. */
async function passing(times: number, call: () => Promise<void>): Promise<number> {
  const all = await Promise.allSettled(Array.from({ length: times }, call));
  const others = all.filter((one) => one.status === 'rejected').map(({ reason }) => reason);
  expect(others.filter((reason) => !(reason instanceof RateLimited))).toEqual([]);
  return all.filter(({ status }) => status === 'fulfilled').length;
}

test('API processes share the limits, also for concurrent requests', async ({ api }) => {
  const processes = [limitsOf(api, 10), limitsOf(api, 10), limitsOf(api, 10)];
  let next = 0;
  const passed = await passing(60, async () => {
    next += 1;
    await processes[next % 3]?.signUp('192.0.2.10', `shared-${next}@example.com`);
  });
  expect(passed).toBe(10);
  await processes[0]?.signUp('192.0.2.11', 'elsewhere@example.com');
});

test('an account’s sign-ups and wrong passwords are limited, whatever the client address', async ({
  api,
}) => {
  let from = 0;
  const next = (network: string) => `${network}.${(from += 1)}`;
  for (const name of ['ada@example.com', 'nobody', '']) {
    const tries = () => {
      const cased = from % 2 ? name.toUpperCase() : name;
      return voided(limitsOf(api, 1000).passwordCheck(next('198.51.100'), cased));
    };
    from = 0;
    expect(await passing(130, tries)).toBe(100);
  }
  expect(
    await passing(7, () => limitsOf(api, 5).signUp(next('203.0.113'), 'one@example.com')),
  ).toBe(5);
});

/** A sign-up from an address by an e-mail address that nobody else uses. */
const signUp = (limits: Limits, address: string) =>
  limits.signUp(address, `${randomUUID()}@example.com`);
const networkCounts = async (api: ApiUnderTest, like: string) =>
  (await api.sql<{ key: string }[]>`SELECT key FROM limit_counts WHERE key LIKE ${like}`).length;

test('40 parallel sign-ups from 40 /64s of one /48: 30 pass; 90 of one /56: 20 pass', async ({
  api,
}) => {
  const processes = [limitsOf(api, 10), limitsOf(api, 10)];
  let n = 0;
  const from = (network: (n: number) => string) => async () => {
    n += 1;
    await signUp(processes[n % 2] ?? limitsOf(api, 10), network(n));
  };
  const hex = (value: number) => value.toString(16);
  expect(
    await passing(
      40,
      from((at) => `2001:db8:48:${hex(at * 256)}::/64`),
    ),
  ).toBe(30);
  expect(
    await passing(
      90,
      from((at) => `2001:db8:56:${hex(at)}::/64`),
    ),
  ).toBe(20);
  await signUp(limitsOf(api, 10), '2001:db8:49::/64');
});

test('a request refused for its /64 does not count against its /56, nor one refused for its /56 against its /48', async ({
  api,
}) => {
  const limits = limitsOf(api, 10);
  const tries = (address: string) => passing(100, () => signUp(limits, address));
  expect(await tries('2001:db8:1:1::/64')).toBe(10);
  expect(await tries('2001:db8:1:2::/64')).toBe(10);
  expect(await tries('2001:db8:1:3::/64')).toBe(0);
  expect(await tries('2001:db8:1:103::/64')).toBe(10);
  expect(await tries('2001:db8:1:203::/64')).toBe(0);
});

test('session calls have the same limits per /64, /56 and /48', async ({ api }) => {
  const limits = limitsOf(api, 10);
  const passed: number[] = [];
  for (const network of [1, 2, 3, 101, 201]) {
    const address = `2001:db8:2:${network}::/64`;
    passed.push(await passing(310, () => limits.sessionCall(address)));
  }
  expect(passed).toEqual([300, 300, 0, 300, 0]);
});

test('a /48 over its limit adds no row for its other networks', async ({ api }) => {
  const limits = limitsOf(api, 2);
  for (const at of [0, 100, 200]) {
    expect(await passing(2, () => signUp(limits, `2001:db8:3:${at}::/64`))).toBe(2);
  }
  const before = await networkCounts(api, 'signup-address:2001:db8:3:%');
  const others = Array.from({ length: 50 }, (_, n) => `2001:db8:3:${3000 + n}::/64`);
  for (const address of others) {
    await expect(signUp(limits, address)).rejects.toThrow(RateLimited);
  }
  expect(await networkCounts(api, 'signup-address:2001:db8:3:%')).toBe(before);
});

test('one name gets 4 codes, 4 changes of its password and 10 checks of a code an hour, from any address', async ({
  api,
}) => {
  for (const [call, allowed] of [
    ['code_request', 4],
    ['password_change', 4],
    ['code_check', 10],
  ] as const) {
    let n = 0;
    const tries = () => {
      n += 1;
      const name = n % 2 ? 'known@example.com' : ' KNOWN@example.com'.trim();
      return voided(limitsOf(api, 10).accountCall(call, `198.51.102.${n}`, name));
    };
    expect([call, await passing(100, tries)]).toEqual([call, allowed]);
    await voided(limitsOf(api, 10).accountCall(call, '198.51.102.1', 'other'));
  }
  const [{ minutes } = {}] = await api.sql`
    SELECT extract(epoch FROM max(expire) - now()) / 60 AS minutes FROM limit_counts
    WHERE key LIKE 'code_check-name:%'`;
  expect(Math.round(Number(minutes))).toBe(60);
});

test('one address gets 40 codes an hour, whatever the names', async ({ api }) => {
  const limits = limitsOf(api, 10);
  const tries = () => voided(limits.accountCall('code_request', '203.0.113.77', randomUUID()));
  expect(await passing(60, tries)).toBe(40);
});

test('a correct code does not count', async ({ api }) => {
  const limits = limitsOf(api, 10);
  for (let n = 0; n < 30; n += 1) {
    await (
      await limits.accountCall('code_check', '203.0.113.78', 'owner')
    )();
  }
  const tries = () => voided(limits.accountCall('code_check', '203.0.113.78', 'owner'));
  expect(await passing(20, tries)).toBe(10);
});

test('a username has one counter, in any case of its letters', async ({ api }) => {
  const spellings = ['administrator', 'ADMINISTRATOR', 'Administrator', 'aDMINISTRATOR'];
  let from = 0;
  const tries = () => {
    from += 1;
    return voided(limitsOf(api, 1000).passwordCheck('198.51.101.1', spellings[from % 4] ?? ''));
  };
  expect(await passing(50, tries)).toBe(20);
});

test('the counters hold no address of a person and are deleted after their minute', async ({
  api,
}) => {
  await limitsOf(api, 5).signUp('192.0.2.20', 'erasable@example.com');
  await limitsOf(api, 5).passwordCheck('192.0.2.20', 'erasable-name');
  const keys = await api.sql`SELECT key FROM limit_counts`;
  expect(JSON.stringify(keys)).not.toContain('erasable');
  await api.sql`UPDATE limit_counts SET expire = now() - interval '2 minutes'`;
  await limitsOf(api, 5).sessionCall('192.0.2.21');
  await forgetOldCounts(api.deps.db);
  expect([...(await api.sql`SELECT key FROM limit_counts`)]).toEqual([
    { key: 'session-address:192.0.2.21' },
  ]);
});

test('old counters are deleted in batches, and one that is locked does not delay the others', async ({
  api,
}) => {
  await api.sql`CREATE TABLE removed (batch bigint)`;
  await api.sql`CREATE FUNCTION note_removed() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO removed SELECT count(*) FROM gone; RETURN NULL; END' SECURITY DEFINER`;
  await api.sql`CREATE TRIGGER note_removed AFTER DELETE ON limit_counts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_removed()`;
  await api.sql`INSERT INTO limit_counts SELECT 'attack:' || n, 1, now() - interval '2 minutes'
    FROM generate_series(1, 12000) AS n`;
  await api.sql.begin(async (hold) => {
    await hold`SELECT 1 FROM limit_counts WHERE key = 'attack:7' FOR UPDATE`;
    await forgetOldCounts(api.deps.db);
  });
  const left = await api.sql`SELECT key FROM limit_counts WHERE key LIKE 'attack:%'`;
  expect([...left]).toEqual([{ key: 'attack:7' }]);
  const [{ largest } = {}] = await api.sql`SELECT max(batch)::int AS largest FROM removed`;
  expect(largest).toBe(5000);
  await api.sql`DROP TRIGGER note_removed ON limit_counts`;
});

test('a refused address may try again after a minute', async ({ api }) => {
  const address = '192.0.2.30';
  const ask = (limits: ReturnType<typeof limitsOf>) => limits.signUp(address, `${Math.random()}`);
  expect(await passing(3, () => ask(limitsOf(api, 2)))).toBe(2);
  await api.sql`UPDATE limit_counts SET expire = now() WHERE key = ${`signup-address:${address}`}`;
  // What a process remembers of those it turned away is no longer than their minute.
  expect(await passing(3, () => ask(limitsOf(api, 2)))).toBe(2);
});

test('each process counts in memory while the store is unreachable or not migrated', async () => {
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const away = createLimits({ db: nowhere.db, table: limitCounts }, 4);
  expect(await passing(9, () => away.signUp('192.0.2.40', 'away@example.com'))).toBe(4);
  await nowhere.close(0);
});

test('a store that does not answer counts as unreachable within a bounded time', async ({
  api,
}) => {
  let asked = 0;
  const db = new Proxy(api.deps.db, {
    get(target, name) {
      if (name === 'insert') asked += 1;
      return Reflect.get(target, name, target);
    },
  });
  await api.sql.begin(async (hold) => {
    await hold`LOCK TABLE limit_counts IN ACCESS EXCLUSIVE MODE`;
    const limits = createLimits({ db, table: limitCounts }, 4);
    const from = performance.now();
    expect(await passing(9, () => limits.signUp('192.0.2.50', 'hung@example.com'))).toBe(4);
    expect(performance.now() - from).toBeLessThan(10_000);
    // One statement waits for all of them, and their other counts do not ask a store that is away.
    expect(asked).toBe(1);
    const address = '2001:db8:5:1::/64';
    expect(await passing(25, () => voided(limits.passwordCheck(address, 'hung')))).toBe(20);
    expect(asked).toBe(2);
  });
});

test('a limited request gets 429 with Retry-After in the door’s form, and other addresses and accounts pass', async ({
  api,
}) => {
  const app = api.app({
    doors: new Set(['session']),
    clientAddress: createClientAddress(1, api.deps.logger),
    limits: limitsOf(api, 10),
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
  expect((await login('grace@example.com', '203.0.113.51')).status).toBe(401);
  expect((await login('hopper@example.com', '203.0.113.50')).status).toBe(401);
});
