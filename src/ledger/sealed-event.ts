import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { auditSeals } from '../db/schema.ts';

export type Seal = typeof auditSeals.$inferSelect;

/** An event as it is sealed: every column, as PostgreSQL writes it. */
export type SealableEvent = Record<
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
export const SEALABLE = sql`id::text, seq::text, tx_id::text, event, registration_id::text, user_id,
  actor, extract(epoch FROM at)::text AS at, key, details::text`;

/** The digest that the first seal continues. */
export const NOTHING_BEFORE = '0'.repeat(64);

const FORMAT = 'registrar-audit-seal/1';
const ID_BYTES = 16;
const ENTRY_BYTES = ID_BYTES + 32;

export interface SealEntry {
  readonly id: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

export function digestOfEvent(event: SealableEvent): string {
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

/** Over everything else that the seal says, the digest of the seal before included. */
export function digestOfSeal(seal: Omit<Seal, 'digest'>): string {
  const head = [
    FORMAT,
    seal.batch,
    seal.count,
    seal.afterTx,
    seal.afterSeq?.toString() ?? null,
    seal.throughTx,
    seal.throughSeq.toString(),
    seal.sealedAt.getTime(),
    seal.previousDigest,
  ];
  const hash = createHash('sha256').update(JSON.stringify(head));
  return hash.update('\n').update(seal.entries).digest('hex');
}

export function packEntries(events: readonly SealableEvent[]): Uint8Array {
  const hex = events.map((event) => event.id.replaceAll('-', '') + digestOfEvent(event));
  return Buffer.from(hex.join(''), 'hex');
}

/** An incomplete last entry is left out: the digest of such a seal does not fit anyway. */
export function unpackEntries(entries: Uint8Array): SealEntry[] {
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
