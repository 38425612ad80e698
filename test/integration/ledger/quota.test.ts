import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, expect } from 'vitest';
import { openDatabase, type DatabasePool } from '../../../src/db/client.ts';
import { joinQuotaQueue, takeQuotaCall, type QuotaCaller } from '../../../src/ledger/quota.ts';
import { beginCompensation } from '../../../src/ledger/registrations/compensation.ts';
import { CANCELLED, FAILED, type Ledger } from './ledger-under-test.ts';
import { test } from '../../support/ledger-test.ts';

test.override('maxConnections', 5);

const PER_SECOND = 40;
const APART_MS = 1000 / PER_SECOND;
const BURST = 10;
const HOUR_MS = 3_600_000;

let otherProcess: DatabasePool;
let signups: readonly string[];
test.beforeAll(async ({ ledger }) => {
  otherProcess = openDatabase(ledger.url, 5);
  const accepted = Array.from({ length: 20 }, () => ledger.accepted({ door: 'signup' }));
  signups = (await Promise.all(accepted)).map(({ id }) => id);
});
test.beforeEach(async ({ ledger }) => {
  await ledger.db.execute(sql`DELETE FROM quota_slots`);
  await ledger.db.execute(sql`DELETE FROM quota_places`);
});
afterAll(async () => {
  await otherProcess.close();
});

type Waiting = QuotaCaller & { readonly registrationId: string; readonly step: string };

/** A newcomer whom nobody registered by public sign-up. */
function caller(over: Partial<Waiting> = {}): Waiting {
  const registrationId = randomUUID();
  const step = 'createUser';
  return { quota: 'update', perSecond: PER_SECOND, registrationId, step, since: null, ...over };
}

const signup = (index: number, over: Partial<Waiting> = {}): Waiting =>
  caller({ registrationId: signups[index] ?? '', ...over });

const db = (ledger: Ledger, index = 0) => (index % 2 === 0 ? ledger.db : otherProcess.db);

const take = (ledger: Ledger, from: QuotaCaller = caller(), withinMs = HOUR_MS, index = 0) =>
  takeQuotaCall(db(ledger, index), from, withinMs);

/** How long each of `count` newcomers has to wait; every other one is of another process. */
const takeMany = (ledger: Ledger, count: number, withinMs = HOUR_MS, over: Partial<Waiting> = {}) =>
  Promise.all(
    Array.from({ length: count }, (_, index) => take(ledger, caller(over), withinMs, index)),
  );

async function join(
  ledger: Ledger,
  from: Waiting = caller(),
  index = 0,
): Promise<Waiting & { waitMs: number }> {
  const { since, waitMs } = await joinQuotaQueue(db(ledger, index), from);
  return { ...from, since, waitMs };
}

async function joinInTurn(ledger: Ledger, callers: readonly Waiting[]) {
  const places = [];
  for (const one of callers) places.push(await join(ledger, one));
  return places;
}

const waiting = (ledger: Ledger, count: number, over: Partial<Waiting> = {}) =>
  joinInTurn(
    ledger,
    Array.from({ length: count }, () => caller(over)),
  );

/** When the next call of the two sides may be made, by PostgreSQL's clock. */
async function next(ledger: Ledger): Promise<{ others: number; signup: number; now: number }> {
  const [row] = await ledger.db.execute<{ others: number; signup: number; now: number }>(
    sql`SELECT extract(epoch FROM next_call_at)::float8 * 1000 AS others,
      extract(epoch FROM next_signup_call_at)::float8 * 1000 AS signup,
      extract(epoch FROM clock_timestamp())::float8 * 1000 AS now FROM quota_slots`,
  );
  if (!row) throw new Error('no call was taken');
  return row;
}

/** When the calls are made, in the order in which they were asked for, in calls since the first. */
async function callsOf(ledger: Ledger, callers: readonly Waiting[]): Promise<number[]> {
  const at: number[] = [];
  for (const one of callers) {
    const wait = await take(ledger, one);
    at.push((await next(ledger)).now + (wait ?? Number.NaN));
  }
  return at.map((ms) => Math.round((ms - (at[0] ?? 0)) / (1000 / (callers[0]?.perSecond ?? 1))));
}

async function turnsIn(ledger: Ledger, condition = sql`true`): Promise<number[]> {
  const rows = await ledger.db.execute<{ at: number }>(
    sql`SELECT extract(epoch FROM turn_at)::float8 * 1000 AS at FROM quota_places
      WHERE ${condition} ORDER BY turn_at`,
  );
  return rows.map(({ at }) => at);
}

const placesOf = (ledger: Ledger, registrationId: string) =>
  turnsIn(ledger, sql`registration_id = ${registrationId}::uuid`);

/** As if so much time had passed for the places. */
const age = (ledger: Ledger, milliseconds: number) =>
  ledger.db.execute(
    sql`UPDATE quota_places SET turn_at = turn_at - make_interval(secs => ${milliseconds / 1000}::float8)`,
  );

test('calls of many processes are granted as a burst and then evenly', async ({ ledger }) => {
  const before = Date.now();
  const waits = (await takeMany(ledger, 400)).map(Number);
  expect(waits.filter((wait) => wait === 0).length).toBeGreaterThanOrEqual(BURST);
  // All but a burst lie ahead, a fortieth of a second each, however long the taking took.
  const { others } = await next(ledger);
  expect(others).toBeGreaterThanOrEqual(before + (400 - BURST) * APART_MS - 1);
  await takeMany(ledger, 7);
  expect((await next(ledger)).others - others).toBeCloseTo(7 * APART_MS, 1);
});

test('a call further away than the caller would wait is not taken', async ({ ledger }) => {
  await takeMany(ledger, 400);
  const { others } = await next(ledger);
  expect(await takeMany(ledger, 20, 0)).toEqual(Array.from({ length: 20 }, () => null));
  expect((await next(ledger)).others).toBe(others);
});

test('a newcomer comes after the places in the queue, and the first place is served', async ({
  ledger,
}) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  const places = await waiting(ledger, 40, slow);
  const turns = await turnsIn(ledger);
  expect(turns).toHaveLength(40);
  for (const [index, at] of turns.slice(1).entries()) {
    expect(at - (turns[index] ?? 0)).toBeGreaterThanOrEqual(998);
  }
  expect(await take(ledger, caller(slow), 1000)).toBeNull();
  expect(await take(ledger, places[0], 1000)).not.toBeNull();
});

test('places that are taken at the same moment get different times', async ({ ledger }) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  await Promise.all(Array.from({ length: 20 }, (_, index) => join(ledger, caller(slow), index)));
  const turns = await turnsIn(ledger);
  expect(turns).toHaveLength(20);
  for (const [index, at] of turns.slice(1).entries()) {
    expect(at - (turns[index] ?? 0)).toBeGreaterThanOrEqual(998);
  }
});

test('a place is removed by the call that uses it, and the others stay', async ({ ledger }) => {
  await takeMany(ledger, BURST);
  const [first, second] = await waiting(ledger, 2);
  expect(await take(ledger, first)).not.toBeNull();
  expect(await placesOf(ledger, first?.registrationId ?? '')).toEqual([]);
  expect(await placesOf(ledger, second?.registrationId ?? '')).toHaveLength(1);
  // Not by a call that it does not get.
  await takeMany(ledger, 400);
  expect(await take(ledger, second, 0)).toBeNull();
  expect(await placesOf(ledger, second?.registrationId ?? '')).toHaveLength(1);
});

test('500 places whose registrations are compensated delay no newcomer', async ({ ledger }) => {
  const slow = { perSecond: 16 };
  const registrations = await ledger.db.execute<{ id: string }>(sql`INSERT INTO registrations
      (id, status, email, email_verified, invite, roles, requested_by, door, key_scope,
       request_hash, accepted_at)
    SELECT gen_random_uuid(), 'running', n || '@example.com', true, true, '{}', 'tester',
      'canonical', 'tester', '', now() FROM generate_series(1, 500) n RETURNING id`);
  await take(ledger, caller(slow));
  await ledger.db.execute(sql`INSERT INTO quota_places
      (registration_id, step, quota, signup, since, turn_at)
    SELECT id, 'createUser', 'update', false, now(),
      now() + (row_number() OVER () - 5) * interval '1 second' / 16
    FROM registrations WHERE email ~ '^[0-9]+@'`);
  expect((await join(ledger, caller(slow))).waitMs).toBeGreaterThan(28_000);
  const cause = { ...FAILED, closesAs: 'cancelled' } as const;
  await Promise.all(
    registrations.map(({ id }) => beginCompensation(ledger.db, id, cause, CANCELLED, {})),
  );
  expect(await turnsIn(ledger)).toHaveLength(1);
  expect((await join(ledger, caller(slow))).waitMs).toBeLessThan(1000);
  expect(await take(ledger, caller(slow), 1000)).toBeLessThan(1000);
});

test('a newcomer takes the calls that removed places leave free, and delays no place', async ({
  ledger,
}) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  const places = await waiting(ledger, 30, slow);
  const kept = [places[2], places[29]];
  for (const place of places) if (!kept.includes(place)) await remove(ledger, place);
  const turns = await turnsIn(ledger);
  const { waitMs } = await join(ledger, caller(slow));
  expect(waitMs).toBeLessThan(1001);
  const filled = await joinInTurn(ledger, [caller(slow), caller(slow)]);
  // The second call before the place that was kept, and the first one behind it.
  expect(filled[0]?.waitMs).toBeLessThan(2001);
  expect(filled[1]?.waitMs).toBeGreaterThan(2500);
  expect(filled[1]?.waitMs).toBeLessThan(4001);
  expect(await turnsIn(ledger)).toEqual(expect.arrayContaining(turns));
});

test('a place counts until 2 s after its time, and the next place taken removes it', async ({
  ledger,
}) => {
  const slow = { perSecond: 2 };
  await take(ledger, caller(slow));
  const [only, ...later] = await waiting(ledger, 3, slow);
  for (const place of later) await remove(ledger, place);
  await age(ledger, (only?.waitMs ?? 0) + 1500);
  expect(await take(ledger, caller(slow), 700)).toBeNull();
  await age(ledger, 600);
  expect(await take(ledger, caller(slow), 700)).not.toBeNull();
  expect(await placesOf(ledger, only?.registrationId ?? '')).toHaveLength(1);
  await join(ledger, caller(slow));
  expect(await placesOf(ledger, only?.registrationId ?? '')).toEqual([]);
});

test('a caller that returns after its overdue place was removed goes before later callers', async ({
  ledger,
}) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  const [late] = await waiting(ledger, 1, slow);
  await age(ledger, HOUR_MS);
  const others = await waiting(ledger, 5, slow);
  expect(await placesOf(ledger, late?.registrationId ?? '')).toEqual([]);
  expect(await take(ledger, others[4], 1500)).toBeNull();
  expect(await take(ledger, late, 1500)).not.toBeNull();
});

test('a place that is taken twice stays one place and keeps its order', async ({ ledger }) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  const first = await join(ledger, caller(slow));
  await waiting(ledger, 3, slow);
  const again = await join(ledger, { ...first, since: null });
  expect(again.since).toBeCloseTo(first.since ?? 0, 2);
  expect(await turnsIn(ledger)).toHaveLength(4);
});

test('calls that were missed long ago are not granted all at once', async ({ ledger }) => {
  await waiting(ledger, 200);
  const before = Date.now();
  await age(ledger, HOUR_MS);
  const waits = await takeMany(ledger, 200, 1000, { since: before - HOUR_MS });
  const taken = waits.filter((wait) => wait !== null).length;
  expect(taken).toBeLessThanOrEqual(BURST + ((Date.now() - before) / 1000 + 1) * PER_SECOND);
  expect(taken).toBeGreaterThanOrEqual(BURST);
  expect((await next(ledger)).others).toBeGreaterThanOrEqual(
    before + (taken - BURST) * APART_MS - 1,
  );
});

test('public sign-up alone takes every call', async ({ ledger }) => {
  const slow = { perSecond: 1 };
  expect(
    await callsOf(
      ledger,
      [0, 1, 2, 3].map((index) => signup(index, slow)),
    ),
  ).toEqual([0, 1, 2, 3]);
});

test('while others wait, public sign-up gets every second call', async ({ ledger }) => {
  const slow = { perSecond: 1 };
  await take(ledger, caller(slow));
  const people = await waiting(ledger, 6, slow);
  const ups = await joinInTurn(
    ledger,
    [0, 1, 2, 3, 4, 5].map((index) => signup(index, slow)),
  );
  const firstUps = await callsOf(ledger, [...ups.slice(0, 3), ...people.slice(0, 3)]);
  expect(firstUps).toEqual([0, 2, 4, 1, 3, 5]);
  const firstPeople = await callsOf(ledger, [...people.slice(3), ...ups.slice(3)]);
  expect(firstPeople).toEqual([0, 2, 4, -1, 1, 3]);
});

test('a newcomer waits for one of 15 sign-ups in the queue, and later sign-ups for it', async ({
  ledger,
}) => {
  const slow = { perSecond: 1 };
  await take(ledger, signup(19, slow));
  const ups = await joinInTurn(
    ledger,
    Array.from({ length: 15 }, (_, index) => signup(index, slow)),
  );
  expect(ups[14]?.waitMs).toBeGreaterThan(13_000);
  const administrator = await join(ledger, caller(slow));
  expect(administrator.waitMs).toBeLessThan(2001);
  const second = await join(ledger, caller(slow));
  expect(second.waitMs).toBeGreaterThan(2001);
  expect(second.waitMs).toBeLessThan(4001);
  const lastSignup = await join(ledger, signup(15, slow));
  expect(lastSignup.waitMs).toBeGreaterThan(16_000);
});

test('both kinds of callers together stay within the rate', async ({ ledger }) => {
  await join(ledger, signup(0));
  await waiting(ledger, 2);
  const before = (await next(ledger).catch(() => ({ now: Date.now() }))).now;
  const waits = await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      take(
        ledger,
        index % 3 === 0 ? caller() : signup(index % 20, { step: String(index) }),
        1000,
        index,
      ),
    ),
  );
  const seconds = ((await next(ledger)).now - before) / 1000 + 1;
  const taken = waits.filter((wait) => wait !== null).length;
  expect(taken).toBeLessThanOrEqual(Math.ceil(BURST + 1 + seconds * PER_SECOND));
  expect(taken).toBeGreaterThan(PER_SECOND / 2);
});

test('quotas are independent, and rates below one call a second are possible', async ({
  ledger,
}) => {
  await takeMany(ledger, 400);
  expect(await takeMany(ledger, 1, 0, { quota: 'create' })).toEqual([0]);
  const slow = { quota: 'compensation', perSecond: 0.25 } as const;
  expect(await takeMany(ledger, 1, HOUR_MS, slow)).toEqual([0]);
  const [wait] = await takeMany(ledger, 1, HOUR_MS, slow);
  expect(wait).toBeGreaterThan(2000);
  expect(wait).toBeLessThanOrEqual(4000);
});

/** Uses a place without taking a call. */
async function remove(ledger: Ledger, place: Waiting | undefined): Promise<void> {
  await ledger.db.execute(
    sql`DELETE FROM quota_places WHERE registration_id = ${place?.registrationId ?? ''}::uuid`,
  );
}

test('only the commit of the quota does without the flush to the disk, not the next one on its connection', async ({
  ledger,
}) => {
  const one = openDatabase(ledger.url, 1);
  try {
    await one.db.execute(sql`SET synchronous_commit = on`);
    expect(await takeQuotaCall(one.db, caller(), HOUR_MS)).toBe(0);
    const [after] = await one.db.execute<{ synchronous_commit: string }>(
      sql`SHOW synchronous_commit`,
    );
    expect(after?.synchronous_commit).toBe('on');
  } finally {
    await one.close();
  }
});
