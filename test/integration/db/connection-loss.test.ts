import { sql } from 'drizzle-orm';
import { expect, onTestFinished, vi } from 'vitest';
import { openDatabase } from '../../../src/db/client.ts';
import { accept } from '../../../src/ledger/registrations/accept.ts';
import { DatabaseError } from '../../../src/ledger/database-error.ts';
import { listRegistrations } from '../../../src/ledger/registrations/list.ts';
import { readRegistration } from '../../../src/ledger/registrations/read.ts';
import { times } from '../ledger/ledger-under-test.ts';
import { test } from '../../support/ledger-test.ts';

test.override('maxConnections', 1);

const cutEverybodyElse = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;

function open(url: string, maxConnections: number) {
  const pool = openDatabase(url, maxConnections);
  onTestFinished(() => pool.close(0));
  return pool.db;
}

test('each connection cut under load is a DatabaseError, leaves no partial row, and the pool recovers', async ({
  ledger,
}) => {
  const db = open(ledger.url, 5);
  const outcomes: PromiseSettledResult<unknown>[] = [];
  for (let round = 0; round < 15; round += 1) {
    const work = Array.from({ length: 20 }, () => accept(db, ledger.input()));
    const settled = Promise.allSettled(work);
    await Promise.race(work.slice(0, 5)).catch(() => undefined);
    await ledger.db.execute(cutEverybodyElse);
    outcomes.push(...(await settled));
  }
  const lost = outcomes.flatMap((o) => (o.status === 'rejected' ? [o.reason as unknown] : []));
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.filter((e) => !(e instanceof DatabaseError) || e.definitive)).toEqual([]);
  const visibleTo = { callerId: '', grants: '*' } as const;
  // A connection that was cut is handed out until the process has read its end.
  const pages = await vi.waitFor(
    () => times(20, () => listRegistrations(db, { visibleTo, limit: 1000 })),
    { timeout: 10_000 },
  );
  const kept = outcomes.length - lost.length;
  expect(Math.min(...pages.map(({ items }) => items.length))).toBeGreaterThanOrEqual(kept);
  const [events] = await ledger.db.execute<{ count: number }>(
    sql`SELECT count(*)::int AS count FROM audit_events`,
  );
  expect(events?.count).toBe(pages[0]?.items.length);
});

test('while the database is unreachable every query fails soon', async ({ ledger }) => {
  const url = new URL(ledger.url);
  url.port = '1';
  const db = open(url.href, 1);
  let slowestMs = 0;
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const asked = performance.now();
    await expect(readRegistration(db, ledger.input().id)).rejects.toMatchObject({
      sqlstate: 'ECONNREFUSED',
    });
    slowestMs = Math.max(slowestMs, performance.now() - asked);
  }
  expect(slowestMs).toBeLessThan(2000);
});
