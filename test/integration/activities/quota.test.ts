import { afterAll, expect } from 'vitest';
import { createQuotas, QuotaSpent } from '../../../activities/quota.ts';
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
