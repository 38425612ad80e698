import { and, desc, eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import { publicFailure } from '../../domain/failure.ts';
import { caseless } from '../../domain/username.ts';
import { acceptedRow, NOW, requestedEvent, type AcceptInput } from './accept.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { everHadEmail, findLiving, hasEmail, hasUsername } from './living.ts';

/** What a caller who must not learn who exists gets: an id, whatever became of it. */
export type UndisclosedAcceptance =
  | { readonly kind: 'accepted'; readonly id: string; readonly starts: boolean }
  | { readonly kind: 'replayed'; readonly id: string }
  | { readonly kind: 'key_reused' };

/**
 * As `accept`, with the same statements whether somebody holds the address or the username or nobody
 * does: where somebody does, the row is `failed` at once and keeps no seal. A row answers to its idempotency
 * key whatever became of it, or a repeated request would tell: some fail only where an address is
 * free, others where it is the pool that holds it. So does a key that is forgotten: rows that failed are
 * erased, and completed ones are not, so all of them answer for the retention only.
 * @param keyDays how long a row answers to its key; null: without end
 * @throws DatabaseError
 */
export async function acceptWithoutDisclosure(
  db: Database,
  input: AcceptInput,
  keyDays: number | null = null,
): Promise<UndisclosedAcceptance> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const accepted = await atEdge(() => db.transaction((tx) => acceptOnce(tx, input, keyDays)));
    if (accepted) return accepted;
  }
  throw new Error('accept: the conflicting row disappeared in each of five attempts');
}

/** null where another door, which takes no turns, was quicker: nothing is written then. */
async function acceptOnce(
  tx: Transaction,
  input: AcceptInput,
  keyDays: number | null,
): Promise<UndisclosedAcceptance | null> {
  await takeTurns(tx, input);
  if (input.idempotencyKey !== null) {
    const held = await findWithoutDisclosure(tx, input, input.idempotencyKey, keyDays);
    if (held && held.requestHash !== input.requestHash) return { kind: 'key_reused' };
    if (held) return { kind: 'replayed', id: held.id };
  }
  const byEmail = await findLiving(tx, hasEmail(input.email));
  const byUsername = await findLiving(tx, hasUsername(input.username ?? ''));
  const row = acceptedRow(input);
  const failure = byEmail ? 'email_taken' : byUsername ? 'username_taken' : null;
  const failed = failure && {
    status: 'failed' as const,
    closesAs: 'failed' as const,
    failure: publicFailure(failure),
    finishedAt: NOW,
    sealedAt: null,
    sealedPassword: null,
    steps: {},
    // The sweep appends it: one more statement here would take its time.
    unrecordedEvents: ['registration.failed' as const],
  };
  // A conflict is no error: PostgreSQL would log its values.
  const inserted = await tx
    .insert(registrations)
    .values({ ...row, ...failed })
    .onConflictDoNothing()
    .returning({ id: registrations.id });
  if (inserted.length === 0) return null;
  await appendAuditEvent(tx, requestedEvent(input));
  return { kind: 'accepted', id: input.id, starts: failure === null };
}

// Requests that race for one address or username wait for each other, taken or free alike.
async function takeTurns(tx: Transaction, { email, username }: AcceptInput): Promise<void> {
  const names = [`email ${email}`, `username ${caseless(username ?? email)}`];
  for (const name of names) {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
  }
}

// By the address, which is in the key's scope: the index of keys knows no failed rows.
async function findWithoutDisclosure(
  tx: Transaction,
  { email, keyScope }: AcceptInput,
  idempotencyKey: string,
  keyDays: number | null,
): Promise<{ id: string; requestHash: string | null } | undefined> {
  const [row] = await tx
    .select({ id: registrations.id, requestHash: registrations.requestHash })
    .from(registrations)
    .where(
      and(
        everHadEmail(email),
        eq(registrations.keyScope, keyScope),
        eq(registrations.idempotencyKey, idempotencyKey),
        keyDays === null
          ? undefined
          : sql`accepted_at > clock_timestamp() - make_interval(days => ${keyDays})`,
      ),
    )
    .orderBy(desc(registrations.acceptedAt))
    .limit(1);
  return row;
}
