import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { LIVING, registrations } from '../../db/schema.ts';
import { emailOf, type Registration } from '../../domain/registration.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { secondsUntilAllowed } from '../mail-limits.ts';
import { STATUS_WITHOUT_PENDING } from './outbox.ts';
import { ROW, toRegistration } from '../registrations/row.ts';
import { queueInvitation } from '../registrations/transitions.ts';

/** An attempt younger than this may still be waiting for its reply; longer than a call lasts. */
const UNDER_WAY_S = 30;

export type InvitationRequest =
  | { readonly kind: 'requested'; readonly registration: Registration }
  | { readonly kind: 'rate_limited'; readonly retryAfterSeconds: number }
  /** The user was deleted since the caller looked. */
  | { readonly kind: 'not_due' };

/**
 * Asks for the invitation to be sent again. One that is waiting and was never mailed is made due at
 * once instead of a second one. The caller has checked that the person owes a password.
 */
export async function requestInvitation(
  db: Database,
  id: string,
  { actor, reason = null }: { readonly actor: string; readonly reason?: string | null },
): Promise<InvitationRequest> {
  return await atEdge(() =>
    db.transaction(async (tx): Promise<InvitationRequest> => {
      // The lock also makes simultaneous requests count one after another.
      const [locked] = await tx
        .select(ROW)
        .from(registrations)
        .where(and(eq(registrations.id, id), eq(registrations.status, 'completed'), LIVING))
        .for('update');
      if (!locked) return { kind: 'not_due' };
      const isComing = await isAboutToBeSent(tx, id);
      if (!isComing) {
        const retryAfterSeconds = await secondsUntilAllowed(tx, emailOf(locked));
        if (retryAfterSeconds > 0) return { kind: 'rate_limited', retryAfterSeconds };
        await closeInvitationDeliveries(tx, id, 'superseded');
        await queueInvitation(tx, id, new Date());
      }
      const pending = { invitationStatus: 'pending', invitationFailure: null } as const;
      const [row = locked] = await tx
        .update(registrations)
        .set({ invitationReason: reason, ...(!isComing && pending) })
        .where(eq(registrations.id, id))
        .returning(ROW);
      await appendAuditEvent(tx, {
        event: 'invitation.requested',
        registrationId: id,
        userId: row.userId,
        actor,
        key: randomUUID(),
      });
      return { kind: 'requested', registration: toRegistration(row) };
    }),
  );
}

/** Ends an invitation that was given up, once it is known that nobody needs it any more. */
export async function settleInvitation(db: Database, id: string): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      const settled = { invitationStatus: STATUS_WITHOUT_PENDING, invitationFailure: null };
      const [row] = await tx
        .update(registrations)
        .set(settled)
        .where(and(eq(registrations.id, id), sql`invitation_failure IS NOT NULL`))
        .returning({ id: registrations.id });
      if (row) await closeInvitationDeliveries(tx, id, 'not needed');
    }),
  );
}

/** Whether an invitation was not mailed yet, which is made due at once, or is being mailed now. */
async function isAboutToBeSent(tx: Transaction, id: string): Promise<boolean> {
  const waiting = await tx.execute(sql`UPDATE outbox_deliveries d
    SET next_attempt_at = least(d.next_attempt_at, now())
    FROM outbox o WHERE o.id = d.outbox_id AND ${invitationOf(id)}
      AND d.delivered_at IS NULL AND d.given_up_at IS NULL AND d.mail_attempted_at IS NULL
    RETURNING 1`);
  if (waiting.length > 0) return true;
  const underWay = await tx.execute(sql`SELECT 1
    FROM outbox o JOIN outbox_deliveries d ON d.outbox_id = o.id
    WHERE ${invitationOf(id)} AND d.delivered_at IS NULL AND d.given_up_at IS NULL
      AND d.mail_attempted_at > now() - make_interval(secs => ${UNDER_WAY_S})`);
  return underWay.length > 0;
}

/** What was given up, or may have been mailed without a reply, is not tried again as well. */
export async function closeInvitationDeliveries(
  tx: Transaction,
  id: string,
  why: string,
): Promise<void> {
  await tx.execute(sql`UPDATE outbox_deliveries d
    SET delivered_at = now(), given_up_at = NULL, last_error = ${why}
    FROM outbox o WHERE o.id = d.outbox_id AND ${invitationOf(id)} AND d.delivered_at IS NULL`);
}

function invitationOf(id: string) {
  return sql`o.registration_id = ${id}::uuid AND o.kind = 'invitation'
    AND d.destination = 'cognito-mail'`;
}
