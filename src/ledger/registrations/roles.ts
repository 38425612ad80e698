import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { Registration } from '../../domain/registration.ts';
import { atEdge } from '../database-error.ts';
import { cutOffTokens } from '../token-cutoffs.ts';
import { mergeSteps, textArray, type StepUpdates } from '../work/steps.ts';
import { readRow, updateRow } from './transitions.ts';

export async function recordRolesAssigned(
  db: Database,
  id: string,
  roles: readonly string[],
  steps: StepUpdates,
): Promise<Registration> {
  const row = await updateRow(db, id, {
    rolesAssigned: sql`ARRAY(SELECT DISTINCT unnest(roles_assigned || ${textArray(roles)}))`,
    steps: mergeSteps(steps),
  });
  return row ?? (await readRow(db, id));
}

/** Records that a removal is about to be sent: from here the role is not known to be assigned, also
 * when the reply is lost and the role is wanted again. */
export async function recordRemovalAttempt(db: Database, id: string, role: string): Promise<void> {
  await updateRow(
    db,
    id,
    { rolesAssigned: sql`array_remove(roles_assigned, ${role})` },
    sql`roles_assigned @> ARRAY[${role}::text]`,
  );
}

/** The person may have signed in while the registration was parked: tokens with the role end. */
export async function recordRoleRemoved(
  db: Database,
  id: string,
  role: string,
  steps: StepUpdates,
): Promise<Registration> {
  const row = await atEdge(() =>
    db.transaction(async (tx) => {
      const removed = await updateRow(
        tx,
        id,
        {
          rolesRemoved: sql`ARRAY(SELECT DISTINCT unnest(roles_removed || ARRAY[${role}::text]))`,
          steps: mergeSteps(steps),
        },
        // Wanted again since: that it was removed is why it has to be assigned.
        sql`NOT (roles @> ARRAY[${role}::text])`,
      );
      if (removed?.userId) await cutOffTokens(tx, removed.userId, 'roles_changed');
      return removed;
    }),
  );
  return row ?? (await readRow(db, id));
}

/**
 * Records the groups that were read after roles had been replaced. Where they agree, the row may
 * complete; where they differ, the differing writes are to be made again, and confirmed again.
 */
export async function recordGroups(
  db: Database,
  { id, rolesReplacedAt, roles, rolesTouched }: Registration,
  groups: readonly string[],
): Promise<Registration> {
  const there = new Set(groups);
  const unwanted = rolesTouched.filter((role) => !roles.includes(role));
  const agrees =
    roles.every((role) => there.has(role)) && !unwanted.some((role) => there.has(role));
  const outcome = agrees
    ? { rolesConfirmedAt: sql`clock_timestamp()` }
    : {
        rolesAssigned: roles.filter((role) => there.has(role)),
        rolesRemoved: unwanted.filter((role) => !there.has(role)),
        rolesReplacedAt: sql`clock_timestamp()`,
      };
  const row = await updateRow(
    db,
    id,
    outcome,
    // Not replaced again since the row was read.
    sql`roles_replaced_at = ${rolesReplacedAt?.toISOString() ?? null}::timestamptz
      AND status IN ('running', 'roles_pending')`,
  );
  return row ?? (await readRow(db, id));
}
