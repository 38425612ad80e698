import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { outbox, registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import type { AccountDelivery, CognitoDestination } from '../../domain/outbox.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { claimDelivery, type ClaimedDelivery } from './cognito-deliveries.ts';
import { closeInvitationDeliveries } from './request-invitation.ts';

/** Longer than one attempt: a few calls to Cognito, one of which waits for a mail. */
const RECOVERY_LEASE_S = 60;
const SIGN_OUT_LEASE_S = 15;
/** The relay begins at a random time within this: its work must not show in the time of a response. */
const SPREAD_S = 1;
/** Temporary passwords expire after 7 days. */
const TEMPORARY_PASSWORD_DAYS = 7;

/** What was promised about the account of a name. */
export interface DueAccountDelivery extends ClaimedDelivery {
  /** An e-mail address or a username, normalised; or the pool's own name of a user. */
  readonly name: string;
  /** Since it was asked for, by PostgreSQL's clock. */
  readonly ageMs: number;
  readonly kind: AccountDelivery;
}

/** Promises a mail for a forgotten password: one statement, the same for everybody. */
export async function requestRecovery(db: Database, name: string): Promise<void> {
  await promise(db, 'password_recovery', 'cognito-recovery', name, sql`random() * ${SPREAD_S}`);
}

/**
 * Promises to end the sessions of an account, before the call that may reset its password. The caller
 * withdraws it, or ends the sessions itself; of a process that dies, or gets no reply, the relay does it.
 * @param holdSeconds until the relay may begin: longer than the call may take effect without a reply
 * @returns the id of the promise
 */
export async function promiseSignOut(
  db: Database,
  name: string,
  holdSeconds: number,
  kind: 'sign_out' | 'password_change' = 'sign_out',
): Promise<string> {
  return await promise(db, kind, 'cognito-sign-out', name, sql`${holdSeconds}::float8`);
}

async function promise(
  db: Database,
  kind: AccountDelivery,
  destination: CognitoDestination,
  name: string,
  inSeconds: ReturnType<typeof sql>,
): Promise<string> {
  const id = randomUUID();
  await atEdge(() =>
    db.execute(sql`WITH promised AS (
        INSERT INTO outbox (id, kind, account_name, occurred_at)
        VALUES (${id}::uuid, ${kind}, ${name}, clock_timestamp()) RETURNING id)
      INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at)
      SELECT id, ${destination}, clock_timestamp() + make_interval(secs => ${inSeconds}) FROM promised`),
  );
  return id;
}

export async function claimRecovery(db: Database): Promise<DueAccountDelivery | null> {
  return await claim(db, 'cognito-recovery', RECOVERY_LEASE_S);
}

export async function claimSignOut(db: Database): Promise<DueAccountDelivery | null> {
  return await claim(db, 'cognito-sign-out', SIGN_OUT_LEASE_S);
}

async function claim(
  db: Database,
  destination: CognitoDestination,
  leaseSeconds: number,
): Promise<DueAccountDelivery | null> {
  const claimed = await claimDelivery(
    db,
    destination,
    { leaseSeconds, countsAsMail: false },
    sql`o.account_name, o.kind,
      (extract(epoch FROM clock_timestamp() - o.occurred_at) * 1000)::float8 AS age_ms`,
  );
  if (!claimed) return null;
  const { row: raw, ...delivery } = claimed;
  const row = raw as { account_name: string | null; age_ms: number; kind: AccountDelivery };
  return { ...delivery, name: row.account_name ?? '', ageMs: row.age_ms, kind: row.kind };
}

/**
 * Counts the mail that is about to be sent as unanswered: whatever becomes of this process, it may
 * have gone out, and whoever has its temporary password has read it.
 * @param temporaryPasswordOf the registration; null: the mail has a code
 * @returns false where another relay took the delivery since
 */
export async function recordMailAttempt(
  db: Database,
  due: DueAccountDelivery,
  temporaryPasswordOf: string | null,
): Promise<boolean> {
  const rows = await atEdge(() =>
    db.execute(sql`WITH attempted AS (
        UPDATE outbox_deliveries
        SET unanswered = unanswered + 1, mail_attempted_at = now(),
          next_attempt_at = now() + make_interval(secs => ${RECOVERY_LEASE_S})
        WHERE outbox_id = ${due.outboxId}::uuid AND attempts = ${due.attempts}
          AND unanswered = ${due.unanswered} RETURNING 1
      ), mailed AS (
        UPDATE registrations SET recovery_mailed_at = clock_timestamp()
        WHERE id = ${temporaryPasswordOf}::uuid AND EXISTS (SELECT 1 FROM attempted)
      )
      SELECT 1 FROM attempted`),
  );
  return rows.length > 0;
}

/** Whose account it was. */
export interface AccountHolder {
  /** null: nobody whom Registrar registered. */
  readonly registrationId: string | null;
  /** The Cognito sub. */
  readonly userId: string;
}

/** How a password was reset. `relay`: by code or temporary password, and the process that knew died.
 * `unconfirmed`: the reply was lost, so it may be the old one. */
export type ResetBy = 'recovery' | 'code' | 'temporary_password' | 'relay' | 'unconfirmed';

/** Records that the old password, all sessions and their tokens are dead, before the mail that leads to a new one. */
export async function recordRecoveryBegun(
  db: Database,
  due: DueAccountDelivery,
  holder: AccountHolder,
): Promise<void> {
  await atEdge(() => db.transaction((tx) => appendReset(tx, due.outboxId, holder, 'recovery')));
}

/** Records the mailed temporary password, and forgets who asked. It serves as an invitation too. */
export async function recordTemporaryPasswordMailed(
  db: Database,
  due: DueAccountDelivery,
  registrationId: string,
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      const now = new Date();
      const expires = new Date(now.getTime() + TEMPORARY_PASSWORD_DAYS * 86_400_000);
      const [invited] = await tx
        .update(registrations)
        .set({
          invitationStatus: 'sent',
          invitationSentAt: now,
          invitationExpiresAt: expires,
          invitationFailure: null,
        })
        .where(sql`${registrations.id} = ${registrationId}::uuid AND ${registrations.invite}`)
        .returning({ id: registrations.id });
      if (invited) await closeInvitationDeliveries(tx, registrationId, 'superseded');
      await forget(tx, due.outboxId);
    }),
  );
}

/** Records that every session of an account is over, ends their tokens, and forgets the promise. */
export async function recordSignedOut(
  db: Database,
  outboxId: string,
  holder: AccountHolder,
  by: ResetBy,
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      await appendReset(tx, outboxId, holder, by);
      await forget(tx, outboxId);
    }),
  );
}

/**
 * The password is set. The caller ends the sessions now; where it fails, the relay does. The tokens end
 * here at once, whatever becomes of that.
 * @param userId null: not known yet
 */
export async function confirmReset(
  db: Database,
  outboxId: string,
  userId: string | null,
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      await tx.execute(sql`WITH confirmed AS (
          UPDATE outbox SET kind = 'password_reset' WHERE id = ${outboxId}::uuid RETURNING id)
        UPDATE outbox_deliveries d
        SET next_attempt_at = clock_timestamp() + make_interval(secs => ${SIGN_OUT_LEASE_S})
        FROM confirmed WHERE d.outbox_id = confirmed.id`);
      if (userId !== null) await cutOffTokens(tx, userId, 'sessions_ended');
    }),
  );
}

/** Nothing is left to do: the row, with the name, is deleted. */
export async function forgetDelivery(db: Database, outboxId: string): Promise<void> {
  await atEdge(() => forget(db, outboxId));
}

/**
 * A change of the password has succeeded and ended every session: nothing is left to do for it, nor for
 * earlier requests without a reply, whose current password is void now. Kept, their promise would end the
 * session that begins after this.
 */
export async function forgetPasswordChanges(db: Database, outboxId: string): Promise<void> {
  await atEdge(() =>
    db.execute(sql`DELETE FROM outbox o USING outbox own, outbox_deliveries d
      WHERE own.id = ${outboxId}::uuid AND o.kind = own.kind AND o.account_name = own.account_name
        AND o.occurred_at <= own.occurred_at
        AND d.outbox_id = o.id AND d.destination = 'cognito-sign-out'
        AND d.delivered_at IS NULL AND d.given_up_at IS NULL`),
  );
}

/** Makes a promised sign-out due at once. */
export async function hastenSignOut(db: Database, outboxId: string): Promise<void> {
  await atEdge(() =>
    db.execute(sql`UPDATE outbox_deliveries SET next_attempt_at = now()
      WHERE outbox_id = ${outboxId}::uuid`),
  );
}

async function forget(db: Database | Transaction, outboxId: string): Promise<void> {
  await db.delete(outbox).where(eq(outbox.id, outboxId));
}

async function appendReset(
  tx: Transaction,
  outboxId: string,
  holder: AccountHolder,
  by: ResetBy,
): Promise<void> {
  const event = { ...holder, actor: SYSTEM_ACTOR, key: outboxId, details: { by } };
  if (by !== 'unconfirmed') await appendAuditEvent(tx, { ...event, event: 'user.password_reset' });
  await appendAuditEvent(tx, { ...event, event: 'user.signed_out_everywhere' });
  await cutOffTokens(tx, holder.userId, 'sessions_ended');
}
