import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../../../src/db/client.ts';
import { appendAuditEvent } from '../../../../src/ledger/audit/audit-trail.ts';
import { makeCheckpoint } from '../../../../src/ledger/audit/checkpoint.ts';
import { verifyAuditTrail, type TrailBreak } from '../../../../src/ledger/audit/verify-trail.ts';

/** One event, written by a transaction of its own or by the given one. */
export async function write(db: Database | Transaction): Promise<void> {
  await appendAuditEvent(db, {
    event: 'registration.parked',
    registrationId: randomUUID(),
    actor: 'system',
    details: { roles: ['viewer'], number: 1 },
  });
}

/** Many events at once, `perTransaction` of them in each transaction. */
export async function writeMany(db: Database, count: number, perTransaction = count) {
  for (let written = 0; written < count; written += perTransaction) {
    await db.execute(sql`INSERT INTO audit_events (id, event, registration_id, actor)
      SELECT gen_random_uuid(), 'registration.parked', gen_random_uuid(), 'system'
      FROM generate_series(1, ${perTransaction}::int)`);
  }
}

/** Makes one checkpoint. @returns how many events it covers */
export async function checkpoint(db: Database, limit: number): Promise<number> {
  return (await makeCheckpoint(db, limit))?.count ?? 0;
}

/** Other test files keep transactions open on the same server, which delays checkpoints as well. */
export async function checkpointAll(db: Database, limit: number): Promise<number> {
  await settled(db);
  for (let covered = 0; ;) {
    const count = await checkpoint(db, limit);
    covered += count;
    if (count < limit) return covered;
  }
}

/** No transaction that is as old as the newest event runs any more. */
async function settled(db: Database): Promise<void> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const young = await db.execute(sql`SELECT 1 FROM audit_events
      WHERE tx_id >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1`);
    if (young.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('a transaction stays open');
}

export async function verify(db: Database | Transaction) {
  const found: TrailBreak[] = [];
  return { ...(await verifyAuditTrail(db, (broken) => found.push(broken))), found };
}

/** What verification says after statements that no trigger saw; all of it is taken back. */
export async function afterTampering(db: Database, ...statements: string[]) {
  let said: Awaited<ReturnType<typeof verify>> | undefined;
  const takenBack = new Error('taken back');
  await db
    .transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL session_replication_role = replica`);
      for (const statement of statements) {
        const { count } = await tx.execute(sql.raw(statement));
        if (count === 0) throw new Error(`touches nothing: ${statement}`);
      }
      said = await verify(tx);
      throw takenBack;
    })
    .catch((error: unknown) => {
      if (error !== takenBack) throw error;
    });
  if (!said) throw new Error('not verified');
  return said;
}
