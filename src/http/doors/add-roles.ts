import type { Context } from 'hono';
import type { Change } from '../../domain/change.ts';
import { findLiving, hasEmail } from '../../ledger/registrations/living.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { waitForChange } from '../changes/change-queries.ts';
import { changeProblemOf } from '../changes/outcome.ts';
import { Problem } from '../problems/problem-details.ts';
import {
  acceptForUser,
  changeKeyOf,
  refuseByGrants,
  refuseOnOneself,
  refuseRoles,
  rolesWithinGrants,
  type AcceptedChange,
  type ChangeKey,
  type ChangeRequest,
} from '../users/accept-change.ts';
import { readVisible } from '../users/user-queries.ts';
import { DOOR_WAIT_SECONDS } from './door.ts';

/** The `step` door for a person who is registered already: a change adds the roles. */

const NOT_ADDED =
  'The roles could not be added and were taken back: the user is as before. Please try again.';

/** Roles for the holder of an address. */
export interface RolesToAdd {
  readonly email: string;
  readonly wanted: ChangeRequest;
  readonly key: ChangeKey;
}

/** Checks what the token decides, and names the key. @throws Problem */
export function rolesToAdd(
  c: Context<AppEnv>,
  { email, roles }: { readonly email: string; readonly roles: readonly string[] },
  idempotencyKey: string | null,
): RolesToAdd {
  const { caller } = c.var;
  const wanted = { kind: 'roles', rolesSent: roles, addsRoles: true, reason: null } as const;
  refuseByGrants(caller, wanted);
  const key = changeKeyOf(caller, 'POST /api/step/users', idempotencyKey, { email }, wanted);
  return { email, wanted, key };
}

/**
 * Accepts the change for the person whose completed registration has the address.
 * @returns null where there is no such person, or the caller may not act on the person
 * @throws Problem, ProviderUnavailable, DatabaseError
 */
export async function acceptAddition(
  deps: AppDeps,
  c: Context<AppEnv>,
  { email, wanted, key }: RolesToAdd,
): Promise<AcceptedChange | null> {
  const { caller } = c.var;
  const row = await findLiving(deps.db, hasEmail(email));
  const user = row && (await readVisible(deps, caller, row));
  const roles = user && (await rolesWithinGrants(deps, caller, user));
  if (!user || !roles) return null;
  refuseOnOneself(caller, user.user.userId);
  await refuseRoles(deps, user, wanted);
  try {
    return await acceptForUser(deps, c, { user, roles }, wanted, key);
  } catch (error) {
    // Deleted or replaced a moment ago.
    if (error instanceof Problem && error.code === 'user_not_found') return null;
    throw error;
  }
}

/** Waits as long as the door waits. @throws Problem where the change failed or was cancelled */
export async function waitForAddition(
  deps: AppDeps,
  c: Context<AppEnv>,
  { change: accepted, replayed }: AcceptedChange,
): Promise<Change> {
  if (replayed) c.header('Idempotent-Replayed', 'true');
  c.header('Location', `/changes/${accepted.id}`);
  const change = await waitForChange(deps, accepted, DOOR_WAIT_SECONDS, c.req.raw.signal);
  if (change.status === 'failed') throw new Problem('registration_failed', { detail: NOT_ADDED });
  const problem = changeProblemOf(change);
  if (problem) throw problem;
  return change;
}
