import type { OpenChangeRow } from '../../src/ledger/changes/sweep.ts';
import { ACCEPTED_AGE_MS, type RepairAction, type SweepDeps } from './repair-row.ts';

/**
 * Wakes the run of a person with an open change, where none is open: whatever ended the last one, the row
 * says what is left. Null: nothing was to be done.
 */
export async function repairChange(
  { userRuns, log, dryRun }: Pick<SweepDeps, 'userRuns' | 'log' | 'dryRun'>,
  { id: changeId, userId, status, ageMs }: OpenChangeRow,
): Promise<RepairAction | null> {
  if (status === 'accepted' && ageMs < ACCEPTED_AGE_MS) return null;
  try {
    if ((await userRuns.describe(userId)).kind === 'open') return null;
    if (!dryRun) await userRuns.wake(userId, 'accepted', 'background');
    return status === 'accepted' ? 'changesStarted' : 'changesRestarted';
  } catch (error) {
    // One change must not keep the sweep from the others; the next sweep comes.
    const name = error instanceof Error ? error.name : 'Unknown';
    log.warn({ changeId, error: name }, 'sweep: change skipped after an error');
    return 'failed';
  }
}
