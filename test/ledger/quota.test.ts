import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { queue, takeCall, type CallWanted } from '../../src/ledger/quota.ts';
import { createTestDatabase, type TestDatabase } from '../stack/database.ts';

const PER_SECOND = 40;
const APART_MS = 1000 / PER_SECOND;
const BURST = 10;
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let processes: DatabasePool[];
beforeAll(async () => {
  database = await createTestDatabase();
  await migrate(database.ownerUrl);
  processes = [openDatabase(database.appUrl, 5), openDatabase(database.appUrl, 5)];
});
beforeEach(async () => {
  await db().execute(sql`DELETE FROM quota_slots`);
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.close()));
  await database.drop();
});

function db(index = 0): DatabasePool['db'] {
  const process = processes[index % 2];
  if (!process) throw new Error('no process');
  return process.db;
}

/** How long each of `count` callers is to wait; every other one is of another process. */
const take = (count: number, over: Partial<CallWanted> = {}) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      takeCall(db(index), {
        quota: 'update',
        perSecond: PER_SECOND,
        turnAt: null,
        withinMs: HOUR_MS,
        ...over,
      }),
    ),
  );
/** When the next call may be made. */
async function nextCallAt(): Promise<number> {
  const [row] = await db().execute<{ at: number }>(
    sql`SELECT extract(epoch FROM next_call_at)::float8 * 1000 AS at FROM quota_slots`,
  );
  return row?.at ?? 0;
}

test('calls of many processes: a burst, and then evenly apart', async () => {
  const before = Date.now();
  const waits = (await take(400)).map(Number);
  expect(waits.filter((wait) => wait === 0).length).toBeGreaterThanOrEqual(BURST);
  // All but a burst lie ahead, a fortieth of a second each, however long the taking took.
  expect(await nextCallAt()).toBeGreaterThanOrEqual(before + (400 - BURST) * APART_MS - 1);
  const at = await nextCallAt();
  await take(7);
  expect((await nextCallAt()) - at).toBeCloseTo(7 * APART_MS, 1);
});

test('a call further away than one would wait is not taken', async () => {
  await take(400);
  const at = await nextCallAt();
  expect(await take(20, { withinMs: 0 })).toEqual(Array.from({ length: 20 }, () => null));
  expect(await nextCallAt()).toBe(at);
});

test('a newcomer stands behind the queue, and whoever’s turn has come does not', async () => {
  await take(BURST);
  const places: Awaited<ReturnType<typeof queue>>[] = [];
  for (let index = 0; index < 400; index += 1) {
    places.push(await queue(db(index), 'update', PER_SECOND));
  }
  const apart = places.slice(1).map(({ at }, index) => at - (places[index]?.at ?? 0));
  for (const ms of apart) expect(ms).toBeGreaterThanOrEqual(APART_MS - 0.01);
  expect(await take(1, { withinMs: 1000 })).toEqual([null]);
  const [first] = places;
  expect(await take(1, { turnAt: first?.at ?? 0, withinMs: 1000 })).not.toEqual([null]);
});

test('turns that are long past do not come all at once', async () => {
  const before = Date.now();
  const past = Date.now() - HOUR_MS;
  const waits = await take(200, { turnAt: past, withinMs: 1000 });
  const taken = waits.filter((wait) => wait !== null).length;
  expect(taken).toBeLessThanOrEqual(BURST + ((Date.now() - before) / 1000 + 1) * PER_SECOND);
  expect(taken).toBeGreaterThanOrEqual(BURST);
  expect(await nextCallAt()).toBeGreaterThanOrEqual(before + (taken - BURST) * APART_MS - 1);
});

test('quotas know nothing of each other, and less than one call a second is possible', async () => {
  await take(400);
  expect(await take(1, { quota: 'create', withinMs: 0 })).toEqual([0]);
  const slow = { quota: 'compensation', perSecond: 0.25 } as const;
  expect(await take(1, slow)).toEqual([0]);
  const [wait] = await take(1, slow);
  expect(wait).toBeGreaterThan(2000);
  expect(wait).toBeLessThanOrEqual(4000);
});
