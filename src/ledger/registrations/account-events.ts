import { randomUUID } from 'node:crypto';
import { and, desc, eq, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { LIVING, registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import { appendAuditEvent, type NewAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { appendUserEvent } from '../outbox/append-user-event.ts';
import { findLiving } from './living.ts';

/** What became of an account, beyond the proof of its address. */
export type AccountEvent =
  | 'user.password_changed'
  | 'user.password_reset'
  | 'user.signed_out_everywhere';

/** The living registration of a Cognito user; null: Registrar did not register this person. */
export async function findByUserId(db: Database, userId: string): Promise<Registration | null> {
  return await findLiving(db, sql`${registrations.userId} = ${userId}`);
}

/** The ids of the registrations of a Cognito user, newest first, also of one that is not completed and
 * of one whose user was deleted. */
export async function registrationsOfUser(db: Database, userId: string): Promise<string[]> {
  const rows = await atEdge(() =>
    db
      .select({ id: registrations.id })
      .from(registrations)
      .where(eq(registrations.userId, userId))
      .orderBy(desc(registrations.acceptedAt), desc(registrations.id))
      .limit(20),
  );
  return rows.map(({ id }) => id);
}

/**
 * Records account events of one person in one transaction. The end of all sessions ends the person's
 * tokens. `user.password_changed` is also an event for others, once the registration is complete. A
 * person who is not in the ledger has an audit event without a registration.
 * @param actor the person's own id, or `system`
 * @param about with a key, each event is recorded once for it, whoever comes first
 */
export async function recordAccountEvents(
  db: Database,
  userId: string,
  actor: string,
  events: readonly AccountEvent[],
  about: Pick<NewAuditEvent, 'key' | 'details'> = {},
): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      const [row] = await tx
        .select({ id: registrations.id, status: registrations.status })
        .from(registrations)
        .where(and(sql`user_id = ${userId}`, sql`(${LIVING})`))
        .orderBy(desc(registrations.acceptedAt))
        .limit(1);
      for (const event of events) {
        const registrationId = row?.id ?? null;
        const named = { event, registrationId, userId, actor };
        const isNew = await appendAuditEvent(tx, { ...named, key: randomUUID(), ...about });
        if (isNew && event === 'user.password_changed' && row?.status === 'completed') {
          await appendUserEvent(tx, row.id, event);
        }
        if (event === 'user.signed_out_everywhere') {
          await cutOffTokens(tx, userId, 'sessions_ended');
        }
      }
    }),
  );
}
