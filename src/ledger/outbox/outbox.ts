import { and, eq, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { outboxDeliveries, registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import { publicFailure } from '../../domain/failure.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';

/** Temporary passwords expire after 7 days. */
const INVITATION_DAYS = 7;
/** Seconds until an attempt without a reply is repeated. Far longer than a call lasts: a second
 * relay, or one that lost its lock and does not know it, sends nobody a second mail. */
const UNANSWERED_WAIT_S = 3600;

export interface DueInvitation {
  readonly outboxId: string;
  readonly registrationId: string;
  /** null: there is nobody in the pool to invite. */
  readonly cognitoUsername: string | null;
  readonly attempts: number;
  /** Attempts without a reply, with the one that this claim begins. */
  readonly unanswered: number;
  /** Since the user was recorded, by PostgreSQL's clock; null where there is none. */
  readonly sinceCreatedMs: number | null;
}

/**
 * Claims the invitation that has been due longest, and counts the attempt that begins now as
 * unanswered: whatever becomes of this process, the mail may have gone out.
 * @returns null when none is due
 */
export async function claimInvitation(db: Database): Promise<DueInvitation | null> {
  return await atEdge(async () => {
    const [row] = await db.execute<{
      outbox_id: string;
      registration_id: string;
      cognito_username: string | null;
      attempts: number;
      unanswered: number;
      since_created_ms: number | null;
    }>(sql`WITH due AS (
        SELECT outbox_id, destination FROM outbox_deliveries
        WHERE destination = 'cognito-mail' AND delivered_at IS NULL AND given_up_at IS NULL
          AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
      ), claimed AS (
        UPDATE outbox_deliveries d
        SET unanswered = unanswered + 1, mail_attempted_at = now(),
          next_attempt_at = now() + make_interval(secs => ${UNANSWERED_WAIT_S})
        FROM due WHERE d.outbox_id = due.outbox_id AND d.destination = due.destination
        RETURNING d.outbox_id, d.attempts, d.unanswered
      )
      SELECT c.outbox_id, c.attempts, c.unanswered, o.registration_id, r.cognito_username,
        (extract(epoch FROM clock_timestamp() - r.user_created_at) * 1000)::float8 AS since_created_ms
      FROM claimed c JOIN outbox o ON o.id = c.outbox_id
      JOIN registrations r ON r.id = o.registration_id`);
    if (!row) return null;
    return {
      outboxId: row.outbox_id,
      registrationId: row.registration_id,
      cognitoUsername: row.cognito_username,
      attempts: row.attempts,
      unanswered: row.unanswered,
      sinceCreatedMs: row.since_created_ms,
    };
  });
}

/** Marks an invitation as delivered. `mailed`: Cognito sent one; otherwise there was nobody to
 * invite any more (the person has a password, or was deleted). */
export async function recordInvitation(
  db: Database,
  due: DueInvitation,
  outcome: 'mailed' | 'not_needed',
): Promise<void> {
  const mailed = outcome === 'mailed';
  await endAttempt(
    db,
    due,
    {
      deliveredAt: sql`now()`,
      lastError: null,
      ...(mailed ? {} : { mailAttemptedAt: null }),
    },
    async (tx) => {
      const now = new Date();
      const expires = new Date(now.getTime() + INVITATION_DAYS * 86_400_000);
      const [row] = await tx
        .update(registrations)
        .set({
          invitationFailure: null,
          ...(mailed
            ? { invitationStatus: 'sent', invitationSentAt: now, invitationExpiresAt: expires }
            : { invitationStatus: STATUS_WITHOUT_PENDING }),
        })
        .where(eq(registrations.id, due.registrationId))
        .returning();
      if (!row || !mailed) return;
      await appendAuditEvent(tx, {
        event: 'invitation.sent',
        registrationId: row.id,
        userId: row.userId,
        actor: SYSTEM_ACTOR,
        key: due.outboxId,
      });
    },
  );
}

/** What the receipt says once nothing is pending any more. */
export const STATUS_WITHOUT_PENDING = sql`CASE WHEN invitation_sent_at IS NULL THEN 'none' ELSE 'sent' END`;

/** Puts an invitation off. Cognito answered that it sent none, so the attempt does not count as
 * unanswered. */
export async function deferInvitation(
  db: Database,
  due: DueInvitation,
  code: string,
  delayMs: number,
): Promise<void> {
  await endAttempt(db, due, {
    lastError: code,
    unanswered: sql`greatest(unanswered - 1, 0)`,
    mailAttemptedAt: null,
    nextAttemptAt: sql`now() + make_interval(secs => ${delayMs / 1000})`,
  });
}

/** Nobody knows whether a mail went out: the next attempt waits as the claim said. */
export async function recordInvitationUnanswered(
  db: Database,
  due: DueInvitation,
  code: string,
): Promise<void> {
  await endAttempt(db, due, {
    lastError: code,
    nextAttemptAt: sql`now() + make_interval(secs => ${UNANSWERED_WAIT_S})`,
  });
}

/** Ends the attempts that go on by themselves, and says so in the receipt. */
export async function giveUpInvitation(
  db: Database,
  due: DueInvitation,
  code: string,
): Promise<void> {
  await endAttempt(db, due, { lastError: code, givenUpAt: sql`now()` }, async (tx) => {
    await tx
      .update(registrations)
      .set({ invitationFailure: publicFailure('mail_unconfirmed') })
      .where(eq(registrations.id, due.registrationId));
  });
}

type DeliveryColumns = {
  [Column in keyof typeof outboxDeliveries.$inferInsert]?:
    | (typeof outboxDeliveries.$inferInsert)[Column]
    | SQL;
};

/** Writes what became of an attempt, unless the delivery was superseded or ended meanwhile. */
async function endAttempt(
  db: Database,
  due: DueInvitation,
  columns: DeliveryColumns,
  andThen?: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      // The row first, as requestInvitation does: in the other order the two can deadlock.
      await tx
        .select({ id: registrations.id })
        .from(registrations)
        .where(eq(registrations.id, due.registrationId))
        .for('update');
      const [ended] = await tx
        .update(outboxDeliveries)
        .set({ attempts: due.attempts + 1, ...columns })
        .where(
          and(
            eq(outboxDeliveries.outboxId, due.outboxId),
            eq(outboxDeliveries.destination, 'cognito-mail'),
            sql`delivered_at IS NULL AND given_up_at IS NULL`,
          ),
        )
        .returning({ outboxId: outboxDeliveries.outboxId });
      if (ended) await andThen?.(tx);
    }),
  );
}
