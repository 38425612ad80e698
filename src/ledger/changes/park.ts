import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import type { ParkInput } from '../registrations/park.ts';

/** Parks an open change. One with an instruction that no run has taken yet is left alone: the run has
 * to take the instruction first. The returned row says what holds. */
export async function parkChange(_db: Database, _id: string, _input: ParkInput): Promise<Change> {
  throw new Error('not written yet');
}

/** Parked changes whose time to be resumed has come, claimed as registrations are. */
export async function claimChangesForResume(
  _db: Database,
  _limit: number,
  _claimSeconds: number,
): Promise<{ id: string; userId: string; resumeAttempts: number }[]> {
  throw new Error('not written yet');
}

/** How changes that were woken stand now. */
export async function changeResumeProgress(
  _db: Database,
  _ids: readonly string[],
): Promise<{ id: string; status: string; resumeAttempts: number }[]> {
  throw new Error('not written yet');
}
