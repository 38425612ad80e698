import { asc, gt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { auditCheckpoints } from '../../db/schema.ts';
import { atEdge } from '../database-error.ts';
import { lastBatchMade } from './checkpoint.ts';
import {
  digestOfEvent,
  digestOfCheckpoint,
  NOTHING_BEFORE,
  EVENT_COLUMNS,
  unpackEntries,
  type Checkpoint,
  type CheckedEvent,
  type CheckpointEntry,
} from './checkpoint-digest.ts';

/** Where the trail differs from its checkpoints. */
export type TrailBreak =
  | {
      readonly kind: 'changed' | 'missing' | 'inserted';
      /** null: outside of every batch */
      readonly batch: number | null;
      readonly eventId: string;
    }
  | { readonly kind: 'broken_chain'; readonly batch: number; readonly reason: string };

export interface TrailSummary {
  readonly batches: number;
  readonly covered: number;
  readonly uncovered: number;
  readonly breaks: number;
  readonly head: { readonly batch: number; readonly digest: string } | null;
  /** The batch whose checkpoint has the digest that was asked for; null where no checkpoint has it. */
  readonly known: number | null;
}

/** Behind which events a range begins. */
interface Position {
  readonly tx: string;
  readonly seq: string;
}

const CHECKPOINTS_AT_ONCE = 20;
const EVENTS_AT_ONCE = 1000;

/**
 * Compares the audit trail with its checkpoints, batch by batch, holding a few batches in memory.
 * Events and checkpoints may be added meanwhile.
 * @param found is told of each break, in the order of the batches
 * @param digest of a checkpoint, kept where nobody can change it: a chain that was rewritten or cut off
 * below this checkpoint does not hold it
 * @throws DatabaseError
 */
export async function verifyAuditTrail(
  db: Database | Transaction,
  found: (broken: TrailBreak) => void,
  digest: string | null = null,
): Promise<TrailSummary> {
  return await atEdge(async () => {
    let breaks = 0;
    let batches = 0;
    let covered = 0;
    let before: Checkpoint | null = null;
    let known: number | null = null;
    const report = (broken: TrailBreak) => {
      breaks += 1;
      found(broken);
    };
    // Before the checkpoints are read: one made meanwhile must not look removed.
    const made = await lastBatchMade(db);
    for await (const checkpoint of checkpoints(db)) {
      const flaws = chainFlaws(checkpoint, before);
      for (const reason of flaws.chain) {
        report({ kind: 'broken_chain', batch: checkpoint.batch, reason });
      }
      if (flaws.altered)
        report({ kind: 'broken_chain', batch: checkpoint.batch, reason: flaws.altered });
      await compare(db, checkpoint, flaws.altered === null, report);
      batches += 1;
      covered += checkpoint.count;
      if (flaws.altered === null && checkpoint.digest === digest) known = checkpoint.batch;
      before = checkpoint;
    }
    const lastBatch = before?.batch ?? 0;
    if (made > lastBatch) {
      report({ kind: 'broken_chain', batch: lastBatch + 1, reason: missing(lastBatch + 1, made) });
    }
    const uncovered = await checkTail(db, before, report);
    const head = before && { batch: before.batch, digest: before.digest };
    return { batches, covered, uncovered, breaks, head, known };
  });
}

function chainFlaws(
  checkpoint: Checkpoint,
  before: Checkpoint | null,
): { readonly chain: readonly string[]; readonly altered: string | null } {
  const expected = (before?.batch ?? 0) + 1;
  const chain: string[] = [];
  if (checkpoint.batch > expected) chain.push(missing(expected, checkpoint.batch - 1));
  else if (checkpoint.batch < expected) chain.push('its number is invalid');
  else if (checkpoint.previousDigest !== (before?.digest ?? NOTHING_BEFORE)) {
    chain.push(before ? `it does not continue batch ${before.batch}` : 'it is not the first batch');
  } else if (
    checkpoint.afterTx !== (before?.throughTx ?? null) ||
    checkpoint.afterSeq !== (before?.throughSeq ?? null)
  ) {
    chain.push(`it does not begin where the previous batch ends`);
  }
  const altered =
    checkpoint.digest === digestOfCheckpoint(checkpoint)
      ? null
      : 'the checkpoint itself was changed';
  return { chain, altered };
}

function missing(from: number, to: number): string {
  return from === to ? `checkpoint ${from} is missing` : `checkpoints ${from} to ${to} are missing`;
}

async function* checkpoints(db: Database | Transaction): AsyncGenerator<Checkpoint> {
  let last: number | undefined;
  for (;;) {
    const page = await db
      .select()
      .from(auditCheckpoints)
      .where(last === undefined ? undefined : gt(auditCheckpoints.batch, last))
      .orderBy(asc(auditCheckpoints.batch))
      .limit(CHECKPOINTS_AT_ONCE);
    yield* page;
    last = page.at(-1)?.batch;
    if (last === undefined) return;
  }
}

/** @param sound whether the range that the checkpoint names can be trusted */
async function compare(
  db: Database | Transaction,
  checkpoint: Checkpoint,
  sound: boolean,
  report: (broken: TrailBreak) => void,
): Promise<void> {
  const { batch } = checkpoint;
  const entries = unpackEntries(checkpoint.entries);
  for (let at = 0; at < entries.length; at += EVENTS_AT_ONCE) {
    const part = entries.slice(at, at + EVENTS_AT_ONCE);
    const digests = await digestsOf(db, part);
    for (const { id, digest } of part) {
      const now = digests.get(id);
      if (now === undefined) report({ kind: 'missing', batch, eventId: id });
      else if (now !== digest) report({ kind: 'changed', batch, eventId: id });
    }
  }
  if (!sound) return;
  const covered = new Set(entries.map(({ id }) => id));
  const through = sql`(tx_id, seq) <= (${checkpoint.throughTx}::xid8, ${checkpoint.throughSeq.toString()}::bigint)`;
  for await (const id of eventIds(db, startOf(checkpoint), through)) {
    if (!covered.has(id)) report({ kind: 'inserted', batch, eventId: id });
  }
}

function startOf({ afterTx, afterSeq }: Checkpoint): Position | null {
  return afterTx === null || afterSeq === null ? null : { tx: afterTx, seq: afterSeq.toString() };
}

async function digestsOf(
  db: Database | Transaction,
  entries: readonly CheckpointEntry[],
): Promise<Map<string, string>> {
  const ids = sql.param(entries.map(({ id }) => id));
  const events = await db.execute<CheckedEvent>(
    sql`SELECT ${EVENT_COLUMNS} FROM audit_events WHERE id = ANY(${ids}::text[]::uuid[])`,
  );
  return new Map(events.map((event) => [event.id, digestOfEvent(event)]));
}

async function* eventIds(
  db: Database | Transaction,
  after: Position | null,
  condition: ReturnType<typeof sql>,
): AsyncGenerator<string> {
  for (let behind = after; ;) {
    const page: readonly { id: string; tx: string; seq: string }[] = await db.execute<{
      id: string;
      tx: string;
      seq: string;
    }>(sql`SELECT id::text, tx_id::text AS tx, seq::text AS seq FROM audit_events
      WHERE ${condition} AND ${isBehind(behind)}
      ORDER BY audit_events.tx_id, audit_events.seq LIMIT ${EVENTS_AT_ONCE}`);
    for (const { id } of page) yield id;
    behind = page.at(-1) ?? null;
    if (behind === null) return;
  }
}

function isBehind(position: Position | null): ReturnType<typeof sql> {
  return position ? sql`(tx_id, seq) > (${position.tx}::xid8, ${position.seq}::bigint)` : sql`true`;
}

/** What no checkpoint covers yet. @returns how many events */
async function checkTail(
  db: Database | Transaction,
  last: Checkpoint | null,
  report: (broken: TrailBreak) => void,
): Promise<number> {
  const end = last && { tx: last.throughTx, seq: last.throughSeq.toString() };
  const ahead = sql`tx_id >= pg_snapshot_xmax(pg_current_snapshot())`;
  if (last) {
    const [seen] = await db.execute<{ ahead: boolean }>(
      sql`SELECT ${last.throughTx}::xid8 > pg_snapshot_xmax(pg_current_snapshot()) AS ahead`,
    );
    const reason =
      'it covers transactions that this database cluster has not reached: was the database restored from a dump?';
    if (seen?.ahead) report({ kind: 'broken_chain', batch: last.batch, reason });
  }
  // No transaction has that number yet: somebody wrote it by hand.
  for await (const eventId of eventIds(db, end, ahead)) {
    report({ kind: 'inserted', batch: null, eventId });
  }
  const [tail] = await db.execute<{ count: string }>(
    sql`SELECT count(*) AS count FROM audit_events WHERE ${isBehind(end)}`,
  );
  return Number(tail?.count ?? 0);
}
