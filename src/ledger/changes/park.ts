import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import { claimDue, parkWork, progressOf, type ParkInput } from '../work/park.ts';
import { CHANGE_WORK, toChange } from './row.ts';

/** Parks an open change, also one that is being put back; see `parkWork`. */
export async function parkChange(db: Database, id: string, input: ParkInput): Promise<Change> {
  return toChange(await parkWork(db, CHANGE_WORK, id, input));
}

/** Parked changes whose time to be resumed has come; see `claimDue`. */
export async function claimChangesForResume(
  db: Database,
  limit: number,
  claimSeconds: number,
): Promise<{ id: string; userId: string; resumeAttempts: number }[]> {
  const rows = await claimDue(db, CHANGE_WORK, limit, claimSeconds);
  return rows.map(({ id, userId, resumeAttempts }) => ({ id, userId, resumeAttempts }));
}

/** How changes that were woken stand now. */
export async function changeResumeProgress(
  db: Database,
  ids: readonly string[],
): Promise<{ id: string; status: string; resumeAttempts: number }[]> {
  return await progressOf(db, CHANGE_WORK, ids);
}
