import { sql } from 'drizzle-orm';
import type { Ledger } from './ledger-under-test.ts';

type Reads = Record<'scans' | 'rows', number>;

/** How often a whole table was read meanwhile, and how many rows and index entries were read in all. */
export async function readsOf(
  ledger: Ledger,
  work: () => Promise<unknown>,
  tables: readonly string[] = ['registrations', 'outbox', 'outbox_deliveries', 'audit_events'],
): Promise<Reads> {
  const count = async (): Promise<Reads> => {
    await ledger.db.execute(sql`SELECT pg_stat_force_next_flush()`);
    const [read] = await ledger.db.execute<Reads>(sql`SELECT sum(seq_scan)::int AS scans,
        sum(seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes AS i
          WHERE i.relid = t.relid))::int AS rows
      FROM pg_stat_user_tables AS t
      WHERE relname = ANY(${sql.param([...tables])}::text[])`);
    return read ?? { scans: 0, rows: 0 };
  };
  const before = await count();
  await work();
  const after = await count();
  return { scans: after.scans - before.scans, rows: after.rows - before.rows };
}

export async function wholeReads(ledger: Ledger, work: () => Promise<unknown>): Promise<number> {
  return (await readsOf(ledger, work)).scans;
}
