import { and, eq, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { erasePerson } from '../erasure.ts';
import { appendUserEvent } from '../outbox/append-user-event.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { ROW, selectRow, toRegistration } from './row.ts';
import { GOES_FORWARD, readRow, updateRow } from './transitions.ts';

/*
 * How a registration replaces an unverified sign-up; src/domain/registration.ts names the stages. Each
 * stage is recorded before Cognito is called, so that whoever continues knows what may have happened.
 * Rows are locked in one order: the new registration, then the one that it replaces.
 */

/** Takes the address of an unverified sign-up from its row, in the transaction that accepts the new one.
 * @returns false where the row has changed since, or has an open change: nothing was written */
export async function passAddressOn(tx: Transaction, from: string, to: string): Promise<boolean> {
  // Locked first: the next statement sees a change that was accepted while this one waited.
  await selectRow(tx, from, 'update');
  const rows = await tx
    .update(registrations)
    .set({ replacedBy: to })
    .where(
      and(
        eq(registrations.id, from),
        sql`status = 'completed' AND door = 'signup' AND NOT email_verified
          AND user_deleted_at IS NULL AND released_at IS NULL AND replaced_by IS NULL
          AND NOT EXISTS (SELECT FROM changes AS c WHERE c.user_id = ${registrations.userId} AND c.open)`,
      ),
    )
    .returning({ id: registrations.id });
  return rows.length > 0;
}

/** Gives the address back to the row that it was taken from. */
export async function giveAddressBack(
  tx: Transaction,
  { id, replaces, replacement }: Pick<Registration, 'id' | 'replaces' | 'replacement'>,
): Promise<void> {
  if (replaces === null || replacement === 'deleted') return;
  await tx
    .update(registrations)
    .set({ replacedBy: null })
    .where(and(eq(registrations.id, replaces), eq(registrations.replacedBy, id)));
}

/**
 * Records that the replaced account is about to be disabled, by a registration that goes forward.
 * @param wasEnabled as it was read; the first reading counts
 * @returns null where the registration no longer goes forward
 */
export async function recordDisabling(
  db: Database,
  id: string,
  wasEnabled: boolean,
): Promise<Registration | null> {
  return await updateRow(
    db,
    id,
    {
      replacement: 'disabling',
      replacedWasEnabled: sql`coalesce(replaced_was_enabled, ${wasEnabled})`,
      replacementOpenAt: sql`clock_timestamp()`,
    },
    sql`${GOES_FORWARD} AND replacement IN ('requested', 'disabling')`,
  );
}

/** Records that the write was answered. One that was open before stays open.
 * @param before the row before the write was recorded, and `disabling` the row after that */
export async function recordReplacementAnswered(
  db: Database,
  before: Registration,
  disabling: Registration,
): Promise<void> {
  const { replacementOpenAt } = before;
  await updateRow(db, before.id, { replacementOpenAt }, isOpenSince(disabling.replacementOpenAt));
}

function isOpenSince(at: Date | null): SQL {
  return sql`replacement_open_at IS NOT DISTINCT FROM ${at?.toISOString() ?? null}::timestamptz`;
}

/**
 * Decides, of an account that was read as unproved, that it goes: it is deleted then whatever becomes of
 * the registration.
 * @returns `proved` where the ledger knows better; `overtaken` where the registration was decided since
 */
export async function decideDeletion(
  db: Database,
  { id, replaces }: Registration,
): Promise<'deleting' | 'proved' | 'overtaken'> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      await selectRow(tx, id, 'update');
      const old = await selectRow(tx, replaces ?? '', 'update');
      if (old.emailVerified) return 'proved';
      const rows = await tx
        .update(registrations)
        .set({ replacement: 'deleting' })
        .where(
          and(
            eq(registrations.id, id),
            sql`${GOES_FORWARD} AND replacement IN ('requested', 'disabling', 'deleting')`,
          ),
        )
        .returning({ id: registrations.id });
      if (rows.length === 0) return 'overtaken';
      await endTokensOf(tx, old);
      return 'deleting';
    }),
  );
}

/** Records that the replaced account is gone: both rows, the trail, and the event for others. */
export async function recordReplacedDeleted(
  db: Database,
  { id, replaces, requestedBy }: Registration,
): Promise<Registration> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      const [moved] = await tx
        .update(registrations)
        .set({ replacement: 'deleted', replacementOpenAt: null })
        .where(and(eq(registrations.id, id), sql`replacement IN ('disabling', 'deleting')`))
        .returning({ id: registrations.id });
      if (!moved || replaces === null) return;
      const [old] = await tx
        .update(registrations)
        .set({ userDeletedAt: sql`coalesce(user_deleted_at, clock_timestamp())` })
        .where(eq(registrations.id, replaces))
        .returning(ROW);
      if (!old) return;
      await appendAuditEvent(tx, {
        event: 'user.deleted',
        registrationId: old.id,
        userId: old.userId,
        actor: requestedBy,
        key: id,
        details: { replacedBy: id },
      });
      await erasePerson(tx, { registrationId: old.id, userId: old.userId });
      await appendUserEvent(tx, old.id, 'user.deleted');
      await endTokensOf(tx, old);
    }),
  );
  return await readRow(db, id);
}

/**
 * Records that the replaced account is about to be enabled again: an enabling without a reply may land
 * when another registration has disabled it, and its owner could prove the address then.
 * @param openAt the write that was open when the row was read
 * @returns null where there was another one since
 */
export async function recordEnabling(
  db: Database,
  id: string,
  openAt: Date | null,
): Promise<Registration | null> {
  return await updateRow(
    db,
    id,
    { replacementOpenAt: sql`clock_timestamp()` },
    sql`replacement IN ('requested', 'disabling') AND ${isOpenSince(openAt)}`,
  );
}

/**
 * Records that the replaced account is as it was before.
 * @param openAt the write that was open then: another one since may have disabled the account again
 * @returns null where there was another one
 */
export async function recordReplacedKept(
  db: Database,
  id: string,
  openAt: Date | null,
): Promise<Registration | null> {
  return await updateRow(
    db,
    id,
    { replacement: 'kept', replacementOpenAt: null },
    sql`replacement IN ('requested', 'disabling') AND ${isOpenSince(openAt)}`,
  );
}

/** The registration whose account is replaced. */
export async function readReplaced(
  db: Database,
  { replaces }: Registration,
): Promise<Registration> {
  return await atEdge(async () => toRegistration(await selectRow(db, replaces ?? '')));
}

async function endTokensOf(tx: Transaction, { userId }: { userId: string | null }): Promise<void> {
  if (userId !== null) await cutOffTokens(tx, userId, 'sessions_ended');
}
