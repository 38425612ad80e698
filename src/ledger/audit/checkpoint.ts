import { desc, sql } from 'drizzle-orm';
import { LOCKS } from '../../db/advisory-lock.ts';
import type { Database, Transaction } from '../../db/client.ts';
import { auditCheckpoints } from '../../db/schema.ts';
import { atEdge } from '../database-error.ts';
import {
  digestOfCheckpoint,
  NOTHING_BEFORE,
  packEntries,
  EVENT_COLUMNS,
  type Checkpoint,
  type CheckedEvent,
} from './checkpoint-digest.ts';

/**
 * Adds a checkpoint that covers the next batch of the audit trail: events of transactions older than
 * every one that still runs, so that nobody can honestly add an event to the batch later.
 * @param limit of events in the batch
 * @returns null when no event is left, or while another process makes a checkpoint
 * @throws DatabaseError
 */
export async function makeCheckpoint(
  db: Database,
  limit: number,
): Promise<Pick<Checkpoint, 'batch' | 'count' | 'digest'> | null> {
  return await atEdge(async () => {
    const checkpoint = await db.transaction((tx) => insertNext(tx, limit));
    if (!checkpoint) return null;
    // A sequence ignores rollbacks: only after the commit does it never say more than the table.
    await db.execute(sql`SELECT setval('audit_checkpoints_made', greatest(last_value, ${checkpoint.batch}::int))
      FROM audit_checkpoints_made`);
    return checkpoint;
  });
}

/** The last batch that is known to have been committed, whatever the table says. */
export async function lastBatchMade(db: Database | Transaction): Promise<number> {
  const [made] = await db.execute<{ batch: number }>(
    sql`SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS batch FROM audit_checkpoints_made`,
  );
  return made?.batch ?? 0;
}

async function insertNext(tx: Transaction, limit: number): Promise<Checkpoint | null> {
  const [lock] = await tx.execute<{ ours: boolean }>(
    sql`SELECT pg_try_advisory_xact_lock(${LOCKS.checkpoint}) AS ours`,
  );
  if (!lock?.ours) return null;
  const [before] = await tx
    .select({
      batch: auditCheckpoints.batch,
      throughTx: auditCheckpoints.throughTx,
      throughSeq: auditCheckpoints.throughSeq,
      digest: auditCheckpoints.digest,
    })
    .from(auditCheckpoints)
    .orderBy(desc(auditCheckpoints.batch))
    .limit(1);
  // One statement, so that horizon and events are of one snapshot; one more than the batch holds, to
  // know whether it reaches the horizon.
  const found = await tx.execute<CheckedEvent & { horizon: string }>(sql`
    SELECT ${EVENT_COLUMNS}, pg_snapshot_xmin(pg_current_snapshot())::text AS horizon
    FROM audit_events
    WHERE tx_id < pg_snapshot_xmin(pg_current_snapshot())
      AND ${before ? sql`(tx_id, seq) > (${before.throughTx}::xid8, ${before.throughSeq.toString()}::bigint)` : sql`true`}
    ORDER BY audit_events.tx_id, audit_events.seq LIMIT ${limit + 1}`);
  const events = found.slice(0, limit);
  const last = events.at(-1);
  if (!last) return null;
  const whole = found.length <= limit;
  const checkpoint = {
    // Where checkpoints were removed from the end, their numbers stay missing for ever.
    batch: Math.max(before?.batch ?? 0, await lastBatchMade(tx)) + 1,
    count: events.length,
    afterTx: before?.throughTx ?? null,
    afterSeq: before?.throughSeq ?? null,
    throughTx: whole ? last.horizon : last.tx_id,
    throughSeq: whole ? 0n : BigInt(last.seq),
    entries: packEntries(events),
    madeAt: new Date(),
    previousDigest: before?.digest ?? NOTHING_BEFORE,
  };
  const made = { ...checkpoint, digest: digestOfCheckpoint(checkpoint) };
  await tx.insert(auditCheckpoints).values(made);
  return made;
}
