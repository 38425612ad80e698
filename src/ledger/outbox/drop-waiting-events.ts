import { sql } from 'drizzle-orm';
import type { Transaction } from '../../db/client.ts';
import { IS_EVENT } from '../../db/schema.ts';

/** Drops what waits of a person's events, before the event of the deletion is appended. What has no
 * delivery yet is dropped when it is due (`dueEvents`). */
export async function dropWaitingEvents(tx: Transaction, registrationId: string): Promise<void> {
  await tx.execute(sql`UPDATE outbox_deliveries d
    SET delivered_at = now(), given_up_at = NULL, last_error = 'user deleted'
    FROM outbox o WHERE o.id = d.outbox_id AND o.registration_id = ${registrationId}::uuid
      AND ${IS_EVENT} AND d.delivered_at IS NULL`);
}
