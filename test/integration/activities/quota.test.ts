import { sql } from 'drizzle-orm';
import { afterAll, expect } from 'vitest';
import {
  createQuotas,
  QuotaSpent,
  type AcquireQuota,
  type QuotaClass,
} from '../../../activities/quota.ts';
import type { Quota } from '../../../src/ledger/quota.ts';
import { openDatabase, type DatabasePool } from '../../../src/db/client.ts';
import { test } from '../../support/base-test.ts';

const UPDATES = 20;
const BURST = UPDATES / 4;
const CALLS = 200;

let pool: DatabasePool;
test.beforeAll(({ database }) => {
  pool = openDatabase(database.appUrl, 5);
});
afterAll(() => pool.close());

test('deletions and other updates together stay within the rate', async () => {
  const quotas = createQuotas(pool.db, { createRps: 0, updateRps: UPDATES });
  const acquireQuota = quotas.acquirer({
    registrationId: null,
    queuesAs: null,
    withinMs: 0,
    signal: new AbortController().signal,
  });
  let granted = 0;
  const begun = Date.now();
  for (const quota of ['update', 'compensation'] as const) {
    await Promise.all(
      Array.from({ length: CALLS }, async () => {
        try {
          await acquireQuota(quota);
          granted += 1;
        } catch (error) {
          if (!(error instanceof QuotaSpent)) throw error;
        }
      }),
    );
  }
  const most = BURST + Math.ceil(((Date.now() - begun) / 1000) * UPDATES);
  expect(granted).toBeLessThanOrEqual(most);
});

/** Calls until one is granted; the test's time-out bounds it. */
async function untilGranted(acquireQuota: AcquireQuota, quota: Quota): Promise<void> {
  for (;;) {
    try {
      return await acquireQuota(quota);
    } catch (error) {
      if (!(error instanceof QuotaSpent)) throw error;
    }
  }
}

test.for(['create', 'update'] as const)(
  'background work takes a fifth of a %s quota that persons use up, and no person waits for more',
  async (quota) => {
    await pool.db.execute(sql`DELETE FROM quota_slots`);
    const rates = { createRps: UPDATES, updateRps: UPDATES };
    const acquirerOf = (quotaClass: QuotaClass) => () =>
      createQuotas(pool.db, rates, quotaClass).acquirer({
        registrationId: null,
        queuesAs: null,
        withinMs: 4000,
        signal: new AbortController().signal,
      });
    const calls = { person: 0, background: 0 };
    let over = false;
    const loop = async (quotaClass: QuotaClass): Promise<void> => {
      while (!over) {
        await untilGranted(acquirerOf(quotaClass)(), quota);
        calls[quotaClass] += 1;
        if (calls.person >= 60) over = true;
      }
    };
    const persons = Array.from({ length: 10 }, () => loop('person'));
    const background = Array.from({ length: 6 }, () => loop('background'));
    await Promise.all([...persons, ...background]);
    expect(calls.background).toBeGreaterThan(0);
    expect(calls.background).toBeLessThanOrEqual(calls.person / 3);
  },
);

test('background work takes no place of its share while a call is free', async () => {
  await pool.db.execute(sql`DELETE FROM quota_slots`);
  const quotas = createQuotas(pool.db, { createRps: UPDATES, updateRps: UPDATES }, 'background');
  const { signal } = new AbortController();
  const none = { registrationId: null, queuesAs: null };
  await quotas.acquirer({ ...none, withinMs: 0, signal })('create');
  const slots = await pool.db.execute<{ quota: string }>(sql`SELECT quota FROM quota_slots`);
  expect(slots.map((slot) => slot.quota)).toEqual(['create']);
});
