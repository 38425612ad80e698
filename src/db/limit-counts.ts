import { inArray, lt } from 'drizzle-orm';
import type { Database } from './client.ts';
import { limitCounts } from './schema.ts';

/** Clocks of API processes may differ by so much. */
const SLACK_MS = 60_000;
/** Rows of one statement: an attack from many addresses leaves more than one statement may delete
 * before `statement_timeout` undoes it. */
const BATCH_SIZE = 5000;

/** Removes the counts of windows that are over. Processes that do so at once share the work. */
export async function forgetOldCounts(db: Database, batchSize = BATCH_SIZE): Promise<void> {
  const isOver = lt(limitCounts.expire, new Date(Date.now() - SLACK_MS));
  for (let deleted = batchSize; deleted === batchSize;) {
    // Locked, so that a count whose new window begins meanwhile is seen and kept.
    const batch = db
      .select({ key: limitCounts.key })
      .from(limitCounts)
      .where(isOver)
      .limit(batchSize)
      .for('update', { skipLocked: true });
    deleted = (await db.delete(limitCounts).where(inArray(limitCounts.key, batch))).count;
  }
}
