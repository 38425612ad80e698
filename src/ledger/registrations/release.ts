import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import { appendAuditEvent } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { erasePerson } from '../erasure.ts';

/** Frees the address of a completed registration whose user is no longer in the pool, and erases the
 * person. */
export async function release(db: Database, id: string): Promise<void> {
  await atEdge(() =>
    db.transaction(async (tx) => {
      const [row] = await tx
        .update(registrations)
        .set({ releasedAt: sql`clock_timestamp()` })
        .where(
          and(
            eq(registrations.id, id),
            eq(registrations.status, 'completed'),
            sql`${registrations.releasedAt} IS NULL`,
          ),
        )
        .returning();
      if (!row) return;
      await appendAuditEvent(tx, {
        event: 'registration.released',
        registrationId: id,
        userId: row.userId,
        actor: SYSTEM_ACTOR,
      });
      await erasePerson(tx, { registrationId: id, userId: row.userId });
    }),
  );
}
