import { and, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { LIVING, registrations } from '../../db/schema.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { appendUserEvent } from '../outbox/append-user-event.ts';

export interface VerifiedAddress {
  readonly userId: string;
  /** The verified address, normalised. Another address than the ledger's proves nothing. */
  readonly email: string;
  /** Who proved it: the person's own id, or `system`. */
  readonly actor: string;
}

/**
 * Records that a person has proved the address in the ledger: row, audit event and the event for
 * others in one transaction. Repeatable: an address that is proved already changes nothing.
 * @returns whether this call recorded it
 */
export async function recordEmailVerified(
  db: Database,
  { userId, email, actor }: VerifiedAddress,
): Promise<boolean> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const [row] = await tx
        .update(registrations)
        .set({ emailVerified: true })
        .where(
          and(
            sql`user_id = ${userId} AND email = ${email} AND NOT email_verified`,
            sql`(${LIVING})`,
          ),
        )
        .returning({ id: registrations.id, status: registrations.status });
      if (!row) return false;
      await appendAuditEvent(tx, {
        event: 'user.email_verified',
        registrationId: row.id,
        userId,
        actor,
      });
      // Before the registration completes, `user.created` is still to come and will say it.
      if (row.status === 'completed') await appendUserEvent(tx, row.id, 'user.email_verified');
      return true;
    }),
  );
}
