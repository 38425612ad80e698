import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { atEdge } from '../database-error.ts';

/** Whether a deletion of the person was accepted that has not ended. */
export async function isBeingDeleted(db: Database, userId: string): Promise<boolean> {
  const rows = await atEdge(() =>
    db.execute(sql`SELECT 1 FROM changes
      WHERE user_id = ${userId} AND open AND kind = 'delete' LIMIT 1`),
  );
  return rows.length > 0;
}
