import { eq, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import { publicFailure } from '../../domain/failure.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import {
  claimDelivery,
  deferUnanswered,
  endAttempt,
  type ClaimedDelivery,
} from './cognito-deliveries.ts';

/** Temporary passwords expire after 7 days. */
const INVITATION_DAYS = 7;
/** Seconds until an attempt without a reply is repeated. Far longer than a call lasts: a second
 * relay, or one that lost its lock and does not know it, sends nobody a second mail. */
const UNANSWERED_WAIT_S = 3600;

export interface DueInvitation extends ClaimedDelivery {
  readonly registrationId: string;
  readonly email: string;
  /** null: there is nobody in the pool to invite. */
  readonly cognitoUsername: string | null;
  /** Since the user was recorded, by PostgreSQL's clock; null where there is none. */
  readonly sinceCreatedMs: number | null;
}

/**
 * Claims the invitation that has been due longest, and counts the attempt that begins now as
 * unanswered: whatever becomes of this process, the mail may have gone out.
 * @returns null when none is due
 */
export async function claimInvitation(db: Database): Promise<DueInvitation | null> {
  const claimed = await claimDelivery(
    db,
    'cognito-mail',
    { leaseSeconds: UNANSWERED_WAIT_S, countsAsMail: true },
    sql`r.email, r.cognito_username,
      (extract(epoch FROM clock_timestamp() - r.user_created_at) * 1000)::float8 AS since_created_ms`,
  );
  if (!claimed || claimed.registrationId === null) return null;
  const { row: raw, registrationId, ...delivery } = claimed;
  const row = raw as {
    email: string;
    cognito_username: string | null;
    since_created_ms: number | null;
  };
  return {
    ...delivery,
    registrationId,
    email: row.email,
    cognitoUsername: row.cognito_username,
    sinceCreatedMs: row.since_created_ms,
  };
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

/** Nobody knows whether a mail went out: the next attempt waits as the claim said. */
export async function recordInvitationUnanswered(
  db: Database,
  due: DueInvitation,
  code: string,
): Promise<void> {
  await deferUnanswered(db, due, code, UNANSWERED_WAIT_S);
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
