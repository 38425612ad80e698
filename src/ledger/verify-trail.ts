import { asc, gt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { auditSeals } from '../db/schema.ts';
import { atEdge } from './database-error.ts';
import { lastBatchMade } from './seal.ts';
import {
  digestOfEvent,
  digestOfSeal,
  NOTHING_BEFORE,
  SEALABLE,
  unpackEntries,
  type Seal,
  type SealableEvent,
  type SealEntry,
} from './sealed-event.ts';

/** Where the trail is not what was sealed. */
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
  readonly sealed: number;
  readonly unsealed: number;
  readonly breaks: number;
  /** Kept elsewhere, it shows a chain that was rewritten as a whole. */
  readonly head: { readonly batch: number; readonly digest: string } | null;
}

/** Behind which events a range begins. */
interface Position {
  readonly tx: string;
  readonly seq: string;
}

const SEALS_AT_ONCE = 20;
const EVENTS_AT_ONCE = 1000;

/**
 * Compares the audit trail with its seals, batch by batch, holding a few batches in memory. Writers
 * and sealers may go on meanwhile.
 * @param found is told of each break, in the order of the batches
 * @throws DatabaseError
 */
export async function verifyAuditTrail(
  db: Database | Transaction,
  found: (broken: TrailBreak) => void,
): Promise<TrailSummary> {
  return await atEdge(async () => {
    let breaks = 0;
    let batches = 0;
    let sealed = 0;
    let before: Seal | null = null;
    const report = (broken: TrailBreak) => {
      breaks += 1;
      found(broken);
    };
    // Before the seals are read: what is made meanwhile must not look removed.
    const made = await lastBatchMade(db);
    for await (const seal of seals(db)) {
      const flaws = chainFlaws(seal, before);
      for (const reason of flaws.chain) {
        report({ kind: 'broken_chain', batch: seal.batch, reason });
      }
      if (flaws.altered) report({ kind: 'broken_chain', batch: seal.batch, reason: flaws.altered });
      await compare(db, seal, flaws.altered === null, report);
      batches += 1;
      sealed += seal.count;
      before = seal;
    }
    const lastBatch = before?.batch ?? 0;
    if (made > lastBatch) {
      report({ kind: 'broken_chain', batch: lastBatch + 1, reason: missing(lastBatch + 1, made) });
    }
    const unsealed = await checkTail(db, before, report);
    const head = before && { batch: before.batch, digest: before.digest };
    return { batches, sealed, unsealed, breaks, head };
  });
}

function chainFlaws(
  seal: Seal,
  before: Seal | null,
): { readonly chain: readonly string[]; readonly altered: string | null } {
  const expected = (before?.batch ?? 0) + 1;
  const chain: string[] = [];
  if (seal.batch > expected) chain.push(missing(expected, seal.batch - 1));
  else if (seal.batch < expected) chain.push('its number is none of ours');
  else if (seal.previousDigest !== (before?.digest ?? NOTHING_BEFORE)) {
    chain.push(before ? `it does not continue batch ${before.batch}` : 'it is not the first');
  } else if (
    seal.afterTx !== (before?.throughTx ?? null) ||
    seal.afterSeq !== (before?.throughSeq ?? null)
  ) {
    chain.push(`it does not begin where the batch before it ends`);
  }
  const altered = seal.digest === digestOfSeal(seal) ? null : 'the seal itself was changed';
  return { chain, altered };
}

function missing(from: number, to: number): string {
  return from === to ? `seal ${from} is missing` : `seals ${from} to ${to} are missing`;
}

async function* seals(db: Database | Transaction): AsyncGenerator<Seal> {
  let last: number | undefined;
  for (;;) {
    const page = await db
      .select()
      .from(auditSeals)
      .where(last === undefined ? undefined : gt(auditSeals.batch, last))
      .orderBy(asc(auditSeals.batch))
      .limit(SEALS_AT_ONCE);
    yield* page;
    last = page.at(-1)?.batch;
    if (last === undefined) return;
  }
}

/** @param sound the range that the seal names can be believed */
async function compare(
  db: Database | Transaction,
  seal: Seal,
  sound: boolean,
  report: (broken: TrailBreak) => void,
): Promise<void> {
  const { batch } = seal;
  const entries = unpackEntries(seal.entries);
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
  const sealed = new Set(entries.map(({ id }) => id));
  const through = sql`(tx_id, seq) <= (${seal.throughTx}::xid8, ${seal.throughSeq.toString()}::bigint)`;
  for await (const id of eventIds(db, startOf(seal), through)) {
    if (!sealed.has(id)) report({ kind: 'inserted', batch, eventId: id });
  }
}

function startOf({ afterTx, afterSeq }: Seal): Position | null {
  return afterTx === null || afterSeq === null ? null : { tx: afterTx, seq: afterSeq.toString() };
}

async function digestsOf(
  db: Database | Transaction,
  entries: readonly SealEntry[],
): Promise<Map<string, string>> {
  const ids = sql.param(entries.map(({ id }) => id));
  const events = await db.execute<SealableEvent>(
    sql`SELECT ${SEALABLE} FROM audit_events WHERE id = ANY(${ids}::text[]::uuid[])`,
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

/** What no seal covers yet. @returns how many events */
async function checkTail(
  db: Database | Transaction,
  last: Seal | null,
  report: (broken: TrailBreak) => void,
): Promise<number> {
  const end = last && { tx: last.throughTx, seq: last.throughSeq.toString() };
  const ahead = sql`tx_id >= pg_snapshot_xmax(pg_current_snapshot())`;
  if (last) {
    const [seen] = await db.execute<{ ahead: boolean }>(
      sql`SELECT ${last.throughTx}::xid8 > pg_snapshot_xmax(pg_current_snapshot()) AS ahead`,
    );
    const reason =
      'it seals transactions that this cluster has not reached: was it restored from a dump?';
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
