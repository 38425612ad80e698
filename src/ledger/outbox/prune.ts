import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { atEdge } from '../database-error.ts';

/** How long an event or invitation is kept after its last delivery: as far back as a destination that
 * is configured later is told by itself. */
export const DELIVERED_KEPT_DAYS = 7;

/** A place among the deliveries that were made: everything before it has been looked at. */
export interface DeliveredPlace {
  readonly deliveredAt: string;
  readonly outboxId: string;
}

export const FIRST_DELIVERED: DeliveredPlace = {
  deliveredAt: '-infinity',
  outboxId: '00000000-0000-0000-0000-000000000000',
};

/**
 * Deletes what was delivered everywhere long ago, from a place on. What waits or was given up at one
 * destination stays, with its other deliveries, and so does an event that no destination was told.
 * @param limit how many deliveries are looked at
 * @returns where to go on; null when no more than the limit were left
 */
export async function pruneDelivered(
  db: Database,
  from: DeliveredPlace,
  limit: number,
): Promise<{ readonly deleted: number; readonly next: DeliveredPlace | null }> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const page = await tx.execute<{ outbox_id: string; delivered_at: string }>(sql`
        SELECT outbox_id, delivered_at::text AS delivered_at FROM outbox_deliveries
        WHERE (delivered_at, outbox_id) > (${from.deliveredAt}::timestamptz, ${from.outboxId}::uuid)
          AND delivered_at < now() - make_interval(days => ${DELIVERED_KEPT_DAYS})
        ORDER BY outbox_deliveries.delivered_at, outbox_id LIMIT ${limit}`);
      const ids = sql`${sql.param(page.map((row) => row.outbox_id))}::text[]::uuid[]`;
      // Locked first: a delivery that `redeliver --since` adds before the lock is seen below, and
      // none can be added after it.
      await tx.execute(sql`SELECT 1 FROM outbox WHERE id = ANY(${ids}) ORDER BY id FOR UPDATE`);
      const deleted = await tx.execute(sql`DELETE FROM outbox o WHERE id = ANY(${ids})
        AND NOT EXISTS (SELECT FROM outbox_deliveries WHERE outbox_id = o.id
          AND coalesce(delivered_at, 'infinity') >= now() - make_interval(days => ${DELIVERED_KEPT_DAYS}))
        RETURNING 1`);
      const last = page.at(-1);
      const next =
        last && page.length >= limit
          ? { deliveredAt: last.delivered_at, outboxId: last.outbox_id }
          : null;
      return { deleted: deleted.length, next };
    }),
  );
}
