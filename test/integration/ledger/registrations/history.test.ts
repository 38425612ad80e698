import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { readHistory } from '../../../../src/ledger/registrations/history.ts';
import { test } from '../../../support/ledger-test.ts';

const HOUR_MS = 3_600_000;

test('the history of an empty ledger has every hour and day, and no failure code', async ({
  emptyLedger,
}) => {
  const day = await readHistory(emptyLedger.db, 'day');
  expect(day.failureCodes).toEqual([]);
  expect(day.intervals).toHaveLength(24);
  const nothing = { completed: 0, ended: 0, open: 0 };
  expect(day.intervals).toMatchObject(Array.from({ length: 24 }, () => nothing));
  const fortnight = await readHistory(emptyLedger.db, 'fortnight');
  expect(fortnight.intervals).toHaveLength(14);
  for (const { intervals } of [day, fortnight]) {
    const starts = intervals.map(({ startsAt }) => startsAt.getTime());
    const length = (starts[1] ?? 0) - (starts[0] ?? 0);
    expect(starts).toEqual(starts.map((_, index) => (starts[0] ?? 0) + index * length));
    expect((starts[0] ?? 1) % length).toBe(0);
    expect(Date.now() - (starts.at(-1) ?? 0)).toBeLessThan(length + 60_000);
  }
});

test('the history counts registrations by when they were accepted and what became of them', async ({
  emptyLedger: ledger,
}) => {
  const [{ now } = { now: '' }] = await ledger.db.execute<{ now: string }>(
    sql`SELECT date_trunc('day', now(), 'UTC')::text AS now`,
  );
  const today = new Date(now).getTime();
  for (const [status, acceptedAt] of [
    ['completed', today],
    ['failed', today],
    ['cancelled', today],
    ['running', today],
    ['roles_pending', today],
    ['cleanup_required', today],
    // The last moment of the day before, and one before the span.
    ['completed', today - 1],
    ['failed', today - 14 * 24 * HOUR_MS],
  ] as const) {
    const { id } = await ledger.at(status);
    await ledger.set(id, { acceptedAt: new Date(acceptedAt) });
  }
  const { intervals, failureCodes } = await readHistory(ledger.db, 'fortnight');
  expect(intervals.at(-1)).toEqual({
    startsAt: new Date(today),
    completed: 1,
    ended: 2,
    open: 3,
  });
  expect(intervals.at(-2)).toMatchObject({ completed: 1, ended: 0, open: 0 });
  expect(intervals.reduce((sum, { ended }) => sum + ended, 0)).toBe(2);
  expect(failureCodes).toEqual([
    { code: 'registration_failed', count: 3 },
    { code: 'identity_provider_unavailable', count: 1 },
  ]);
});
