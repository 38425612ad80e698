import { randomUUID } from 'node:crypto';
import { inArray, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import { auditEvents, changes, IS_ERASABLE, outbox, registrations } from '../db/schema.ts';
import { OPERATOR_ACTOR, SYSTEM_ACTOR } from '../domain/audit-event.ts';
import { deleteConsoleSessionsOf } from './console-sessions.ts';
import { atEdge } from './database-error.ts';
import { eventIdOf } from './registrations/transitions.ts';

/*
 * What the ledger forgets of a person. Ids, states, times, role names and the audit trail stay: they
 * name nobody once the pool has no such user. A constraint refuses to erase a row that still lives.
 */

/** Why personal data was erased: the account was deleted, the time is up, or an operator asked for it. */
export type ErasedBy = 'deletion' | 'retention' | 'operator';

/** Earlier registrations of an address that one transaction erases at most, since it has to end within
 * a statement's time. The others are left to the retention. */
const EARLIER_ROWS = 2000;

/** What of a registration says who the person is. */
const PERSONAL = {
  email: null,
  username: null,
  firstName: null,
  lastName: null,
  attributes: {},
  keyScope: null,
  idempotencyKey: null,
  requestHash: null,
  instructionReason: null,
  invitationReason: null,
  sealedPassword: null,
};
/** The same of a later change. */
const PERSONAL_IN_CHANGE = {
  keyScope: null,
  idempotencyKey: null,
  requestHash: null,
  reason: null,
  instructionReason: null,
};

/**
 * Erases a person whose account is gone, in the transaction that records that: the row, which must not
 * live any more, the person's changes, and what waits to be told or mailed about the person. Where nobody
 * holds the address now, its other closed registrations too. Repeatable; a `user.deleted` in the outbox stays.
 */
export async function erasePerson(
  tx: Transaction,
  { registrationId, userId }: { readonly registrationId: string; readonly userId: string | null },
): Promise<void> {
  const [own] = await lockRows(tx, sql`id = ${registrationId}::uuid`, 1);
  if (!own) throw new Error(`no row for registration ${registrationId}`);
  const earlier = own.email === null ? [] : await lockRows(tx, earlierOf(own), EARLIER_ROWS);
  await eraseRows(tx, [{ ...own, userId: userId ?? own.userId }, ...earlier]);
  await recordErased(tx, earlier, 'deletion');
}

/**
 * Erases failed and cancelled registrations, those that finished first before the others, and says so
 * in the trail. Rows that another transaction holds are left out.
 * @returns their ids: fewer than the limit once no more are left
 */
export async function eraseUncompleted(
  tx: Transaction,
  which: SQL,
  limit: number,
  by: Exclude<ErasedBy, 'deletion'>,
): Promise<string[]> {
  const rows = await lockRows(tx, sql`${which} AND ${IS_ERASABLE}`, limit, true);
  await eraseRows(tx, rows);
  await recordErased(tx, rows, by);
  return rows.map(({ id }) => id);
}

/** Erases registrations that failed or were cancelled so long ago that nobody asks about them any more.
 * @returns how many: fewer than the limit once no more are left */
export async function eraseExpired(db: Database, days: number, limit: number): Promise<number> {
  const isExpired = sql`finished_at < now() - make_interval(days => ${days})`;
  const ids = await atEdge(() =>
    db.transaction((tx) => eraseUncompleted(tx, isExpired, limit, 'retention')),
  );
  return ids.length;
}

interface RowToErase {
  readonly id: string;
  readonly email: string | null;
  readonly username: string | null;
  readonly userId: string | null;
  readonly cognitoUsername: string | null;
}

/** Of the same address, which nobody holds now. */
function earlierOf({ id, email }: RowToErase): SQL {
  return sql`email = ${email} AND NOT living AND id <> ${id}::uuid AND NOT ${isHeld(sql`${email}`)}`;
}

function isHeld(email: SQL): SQL {
  return sql`EXISTS (SELECT FROM registrations AS holder
    WHERE holder.email = ${email} AND holder.living AND holder.replaced_by IS NULL)`;
}

async function lockRows(
  tx: Transaction,
  which: SQL,
  limit: number,
  skipLocked = false,
): Promise<RowToErase[]> {
  return await tx
    .select({
      id: registrations.id,
      email: registrations.email,
      username: registrations.username,
      userId: registrations.userId,
      cognitoUsername: registrations.cognitoUsername,
    })
    .from(registrations)
    .where(which)
    .orderBy(registrations.finishedAt)
    .limit(limit)
    .for('update', skipLocked ? { skipLocked } : {});
}

async function eraseRows(tx: Transaction, rows: readonly RowToErase[]): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ id }) => id);
  await tx.update(registrations).set(PERSONAL).where(inArray(registrations.id, ids));
  const userIds = rows.flatMap(({ userId }) => userId ?? []);
  if (userIds.length > 0) {
    await tx.update(changes).set(PERSONAL_IN_CHANGE).where(inArray(changes.userId, userIds));
    await deleteConsoleSessionsOf(tx, userIds);
  }
  await dropOutboxRows(tx, ids);
  await dropPromises(tx, rows);
}

// Nobody is told of somebody who is deleted, but that. A relay that is at work on such a row then
// records nothing of it.
async function dropOutboxRows(tx: Transaction, ids: readonly string[]): Promise<void> {
  // `user.created` by its id: an index by registration would cost every registration an entry.
  const created = ids.map((id) => eventIdOf(id, 'user.created'));
  await tx.delete(outbox).where(
    sql`${inArray(outbox.id, created)} OR (${inArray(outbox.registrationId, [...ids])}
      AND kind <> 'user.created' AND kind <> 'user.deleted')`,
  );
}

// What was promised about an account by a name that nobody has any more.
async function dropPromises(tx: Transaction, rows: readonly RowToErase[]): Promise<void> {
  const names = rows.flatMap(({ email, username, cognitoUsername, userId }) =>
    [email, username, cognitoUsername, userId].flatMap((name) => name?.toLowerCase() ?? []),
  );
  if (names.length === 0) return;
  await tx.execute(sql`DELETE FROM outbox WHERE account_name IS NOT NULL
    AND lower(account_name COLLATE "C") = ANY(ARRAY(
      SELECT name FROM unnest(${sql.param([...new Set(names)])}::text[]) AS name
      WHERE NOT ${isHeld(sql`name`)} AND NOT EXISTS (SELECT FROM registrations AS holder
        WHERE lower(holder.username COLLATE "C") = name AND holder.living
          AND holder.username IS NOT NULL)))`);
}

async function recordErased(
  tx: Transaction,
  rows: readonly RowToErase[],
  by: ErasedBy,
): Promise<void> {
  if (rows.length === 0) return;
  const actor = by === 'operator' ? OPERATOR_ACTOR : SYSTEM_ACTOR;
  const event = { event: 'personal_data.erased', actor, details: { by } } as const;
  await tx
    .insert(auditEvents)
    .values(
      rows.map(({ id, userId }) => ({ ...event, id: randomUUID(), registrationId: id, userId })),
    )
    .onConflictDoNothing();
}
