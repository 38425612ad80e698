import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { outboxDeliveries, registrations } from '../db/schema.ts';
import { SYSTEM_ACTOR } from '../domain/audit-event.ts';
import type { Registration } from '../domain/registration.ts';
import { append } from './audit-trail.ts';
import { atEdge } from './database-error.ts';
import { ROW, toRegistration } from './row.ts';
import { queueInvitation } from './run.ts';

/** Temporary passwords expire after 7 days. */
const INVITATION_DAYS = 7;

export interface DueInvitation {
  readonly outboxId: string;
  readonly registrationId: string;
  readonly cognitoUsername: string;
  readonly attempts: number;
  readonly userCreatedAt: Date | null;
}

/** Queues the invitation again. The caller has checked that one is due. */
export async function requestInvitation(
  db: Database,
  id: string,
  { actor }: { readonly actor: string },
): Promise<Registration> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const now = new Date();
      const [row] = await tx
        .update(registrations)
        .set({ invitationStatus: 'pending' })
        .where(and(eq(registrations.id, id), eq(registrations.status, 'completed')))
        .returning(ROW);
      if (!row) throw new Error(`no completed row for registration ${id}`);
      // One that still waits would be sent as well: a person gets one mail for one wish.
      await tx.execute(sql`UPDATE outbox_deliveries d SET delivered_at = ${now.toISOString()}, last_error = 'superseded'
        FROM outbox o WHERE o.id = d.outbox_id AND o.registration_id = ${id}::uuid
        AND d.destination = 'cognito-mail' AND d.delivered_at IS NULL AND d.given_up_at IS NULL`);
      await queueInvitation(tx, id, now);
      await append(tx, {
        event: 'invitation.requested',
        registrationId: id,
        userId: row.userId,
        actor,
        key: randomUUID(),
      });
      return toRegistration(row);
    }),
  );
}

/**
 * Invitations that are due, oldest first, claimed for `claimMs`: a second relay, or one that lost its
 * lease and does not know it, sends nobody a second mail.
 */
export async function claimInvitations(
  db: Database,
  limit: number,
  claimMs: number,
): Promise<DueInvitation[]> {
  return await atEdge(async () => {
    const rows = await db.execute<{
      outbox_id: string;
      registration_id: string;
      cognito_username: string | null;
      attempts: number;
      user_created_at: string | null;
    }>(sql`WITH due AS (
        SELECT outbox_id, destination FROM outbox_deliveries
        WHERE destination = 'cognito-mail' AND delivered_at IS NULL AND given_up_at IS NULL
          AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
      ), claimed AS (
        UPDATE outbox_deliveries d
        SET next_attempt_at = now() + make_interval(secs => ${claimMs / 1000})
        FROM due WHERE d.outbox_id = due.outbox_id AND d.destination = due.destination
        RETURNING d.outbox_id, d.attempts
      )
      SELECT c.outbox_id, c.attempts, o.registration_id, r.cognito_username, r.user_created_at
      FROM claimed c JOIN outbox o ON o.id = c.outbox_id
      JOIN registrations r ON r.id = o.registration_id ORDER BY o.occurred_at`);
    return rows.flatMap((row) =>
      row.cognito_username === null
        ? []
        : [
            {
              outboxId: row.outbox_id,
              registrationId: row.registration_id,
              cognitoUsername: row.cognito_username,
              attempts: row.attempts,
              userCreatedAt: row.user_created_at === null ? null : new Date(row.user_created_at),
            },
          ],
    );
  });
}

/** Marks an invitation as delivered. `mailed`: Cognito sent one; otherwise there was nobody to
 * invite any more (the person has a password, or was deleted). */
export async function noteInvitation(
  db: Database,
  due: DueInvitation,
  outcome: 'mailed' | 'not_needed',
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      // The row first, as requestInvitation does: in the other order the two can deadlock.
      await tx
        .select({ id: registrations.id })
        .from(registrations)
        .where(eq(registrations.id, due.registrationId))
        .for('update');
      const now = new Date();
      const [marked] = await tx
        .update(outboxDeliveries)
        .set({ deliveredAt: now, attempts: due.attempts + 1, lastError: null })
        .where(
          and(
            eq(outboxDeliveries.outboxId, due.outboxId),
            eq(outboxDeliveries.destination, 'cognito-mail'),
            sql`delivered_at IS NULL`,
          ),
        )
        .returning();
      if (!marked) return;
      const expires = new Date(now.getTime() + INVITATION_DAYS * 86_400_000);
      const [row] = await tx
        .update(registrations)
        .set(
          outcome === 'mailed'
            ? { invitationStatus: 'sent', invitationSentAt: now, invitationExpiresAt: expires }
            : {
                invitationStatus: sql`CASE WHEN invitation_sent_at IS NULL THEN 'none' ELSE 'sent' END`,
              },
        )
        .where(eq(registrations.id, due.registrationId))
        .returning();
      if (!row || outcome !== 'mailed') return;
      await append(tx, {
        event: 'invitation.sent',
        registrationId: row.id,
        userId: row.userId,
        actor: SYSTEM_ACTOR,
        key: due.outboxId,
      });
    }),
  );
}

/** Puts an invitation off. */
export async function deferInvitation(
  db: Database,
  due: DueInvitation,
  code: string,
  delayMs: number,
): Promise<void> {
  await atEdge(() =>
    db
      .update(outboxDeliveries)
      .set({
        attempts: due.attempts + 1,
        lastError: code,
        nextAttemptAt: new Date(Date.now() + delayMs),
      })
      .where(
        and(
          eq(outboxDeliveries.outboxId, due.outboxId),
          eq(outboxDeliveries.destination, 'cognito-mail'),
          sql`delivered_at IS NULL`,
        ),
      ),
  );
}
