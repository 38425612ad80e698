import { firstChange } from '../../src/ledger/changes/transitions.ts';
import type { OpenChangeRow } from '../../src/ledger/changes/sweep.ts';
import { ACCEPTED_AGE_MS, type RepairAction, type SweepDeps } from './repair-row.ts';

/**
 * Wakes the run of a person with an open change, where none is open: whatever ended the last one, the row
 * says what is left. An open run is woken where it has not looked at the change that goes first: it may
 * wait for another one. Null: nothing was to be done.
 */
export async function repairChange(
  { db, userRuns, log, dryRun }: Pick<SweepDeps, 'db' | 'userRuns' | 'log' | 'dryRun'>,
  { id: changeId, userId, status, runId, ageMs }: OpenChangeRow,
): Promise<RepairAction | null> {
  if (status === 'accepted' && ageMs < ACCEPTED_AGE_MS) return null;
  try {
    const run = await userRuns.describe(userId);
    const isOpen = run.kind === 'open';
    if (isOpen && run.runId === runId) return null;
    if (isOpen && (await firstChange(db, userId))?.id !== changeId) return null;
    // What the run does instead is to stop, as when it is told of a change that overtakes.
    if (!dryRun) await userRuns.wake(userId, isOpen ? 'interrupt' : 'accepted', 'background');
    return status === 'accepted' ? 'changesStarted' : 'changesRestarted';
  } catch (error) {
    // One change must not keep the sweep from the others; the next sweep comes.
    const name = error instanceof Error ? error.name : 'Unknown';
    log.warn({ changeId, error: name }, 'sweep: change skipped after an error');
    return 'failed';
  }
}
