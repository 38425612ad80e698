import { rowsWithStrayProfiles } from '../../src/ledger/registrations/profile.ts';
import { rowsWithStrays } from '../../src/ledger/registrations/sweep.ts';
import { deleteStrayProfile } from '../registration/delete-profile.ts';
import { deleteStrays } from '../registration/stray-users.ts';
import { contextOf, type SweepDeps } from './repair-row.ts';

/** Of one round; what is left comes in the next. */
const BATCH = 500;

/** Users that a create made too late, or twice, and that could not be deleted at once. */
export async function deleteAllStrays(deps: SweepDeps): Promise<number> {
  const rows = await rowsWithStrays(deps.db, BATCH);
  if (deps.dryRun) return rows.length;
  let deleted = 0;
  for (const row of rows) {
    deps.heartbeat?.();
    const left = await deleteStrays(contextOf(deps, row.id), row).catch(() => null);
    if (left?.strayUsernames.length === 0) deleted += 1;
  }
  return deleted;
}

/** Profiles that were created too late, or whose users are gone. */
export async function deleteAllStrayProfiles(deps: SweepDeps, over: AbortSignal): Promise<number> {
  // Where the setting was turned off, they wait until it is back.
  if (deps.profiles === null) return 0;
  const rows = await rowsWithStrayProfiles(deps.db, BATCH);
  if (deps.dryRun) return rows.length;
  let deleted = 0;
  for (const row of rows) {
    if (over.aborted) break;
    deps.heartbeat?.();
    await deleteStrayProfile(contextOf(deps, row.id), row).then(
      (gone) => (deleted += gone ? 1 : 0),
      () => undefined,
    );
  }
  return deleted;
}
