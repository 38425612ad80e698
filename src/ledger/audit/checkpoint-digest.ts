import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { auditCheckpoints } from '../../db/schema.ts';

export type Checkpoint = typeof auditCheckpoints.$inferSelect;

/** An event as its digest is computed: every column, as PostgreSQL writes it. */
export type CheckedEvent = Record<
  | 'id'
  | 'seq'
  | 'tx_id'
  | 'event'
  | 'registration_id'
  | 'user_id'
  | 'actor'
  | 'at'
  | 'key'
  | 'details',
  string | null
> & { readonly id: string; readonly seq: string; readonly tx_id: string };

/** Texts, so that no time zone, no JavaScript number and no driver changes what is hashed. */
export const EVENT_COLUMNS = sql`id::text, seq::text, tx_id::text, event, registration_id::text, user_id,
  actor, extract(epoch FROM at)::text AS at, key, details::text`;

/** The digest that the first checkpoint continues. */
export const NOTHING_BEFORE = '0'.repeat(64);

const FORMAT = 'registrar-audit-checkpoint/1';
const ID_BYTES = 16;
const ENTRY_BYTES = ID_BYTES + 32;

export interface CheckpointEntry {
  readonly id: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

export function digestOfEvent(event: CheckedEvent): string {
  const columns = [
    event.id,
    event.seq,
    event.tx_id,
    event.event,
    event.registration_id,
    event.user_id,
    event.actor,
    event.at,
    event.key,
    event.details,
  ];
  return createHash('sha256').update(JSON.stringify(columns)).digest('hex');
}

/** Covers every other column, and so the digest of the checkpoint before. */
export function digestOfCheckpoint(checkpoint: Omit<Checkpoint, 'digest'>): string {
  const head = [
    FORMAT,
    checkpoint.batch,
    checkpoint.count,
    checkpoint.afterTx,
    checkpoint.afterSeq?.toString() ?? null,
    checkpoint.throughTx,
    checkpoint.throughSeq.toString(),
    checkpoint.madeAt.getTime(),
    checkpoint.previousDigest,
  ];
  const hash = createHash('sha256').update(JSON.stringify(head));
  return hash.update('\n').update(checkpoint.entries).digest('hex');
}

export function packEntries(events: readonly CheckedEvent[]): Uint8Array {
  const hex = events.map((event) => event.id.replaceAll('-', '') + digestOfEvent(event));
  return Buffer.from(hex.join(''), 'hex');
}

/** An incomplete last entry is left out: the digest of such a checkpoint does not match anyway. */
export function unpackEntries(entries: Uint8Array): CheckpointEntry[] {
  const bytes = Buffer.from(entries);
  return Array.from({ length: Math.floor(bytes.length / ENTRY_BYTES) }, (_, index) => {
    const at = index * ENTRY_BYTES;
    const id = bytes.toString('hex', at, at + ID_BYTES);
    return {
      id: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      digest: bytes.toString('hex', at + ID_BYTES, at + ENTRY_BYTES),
    };
  });
}
