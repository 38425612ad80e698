import { lt } from 'drizzle-orm';
import type { Database } from './client.ts';
import { limitCounts } from './schema.ts';

/** Clocks of API processes may differ by so much. */
const SLACK_MS = 60_000;

/** Removes the counts of windows that are over. */
export async function forgetOldCounts(db: Database): Promise<void> {
  await db.delete(limitCounts).where(lt(limitCounts.expire, new Date(Date.now() - SLACK_MS)));
}
