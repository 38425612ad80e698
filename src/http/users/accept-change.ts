import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { administratorRoles, readAdministrators } from '../../domain/administrators.ts';
import type { Change, ChangeKind } from '../../domain/change.ts';
import { grantsNothing, maySee, type Caller } from '../../domain/grants.ts';
import { isUnverifiedSignUp } from '../../domain/registration.ts';
import { acceptChange, findChangeByKey, type MayAct } from '../../ledger/changes/accept.ts';
import {
  leavesNoAdministrator,
  type RefusesChange,
} from '../../ledger/changes/last-administrator.ts';
import { rolesByChanges } from '../../ledger/changes/read.ts';
import { requestHashOf } from '../../ledger/registrations/accept.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { Problem } from '../problems/problem-details.ts';
import { NO_ROLE, refuseUngrantable, refuseUnknown } from '../registrations/accept-for-caller.ts';
import type { RegisteredUser } from './user-queries.ts';

/** What a caller wants of a person; its shape is already validated. */
export interface ChangeRequest {
  readonly kind: ChangeKind;
  /** Of kind `roles`, as sent: pointers point into them. */
  readonly rolesSent?: readonly string[];
  /** Whether the person keeps the roles that are not named. */
  readonly addsRoles?: boolean;
  readonly reason: string | null;
}

/** The caller's key and what it belongs to. */
export interface ChangeKey {
  readonly keyScope: string;
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
}

export interface AcceptedChange {
  readonly change: Change;
  readonly replayed: boolean;
}

const ON_ONESELF = 'Nobody may change their own account here.';

/** @param about the person, as the request names them
 * @param operation method and route: within it, a key of the caller is unique */
export function changeKeyOf(
  caller: Caller,
  operation: string,
  idempotencyKey: string | null,
  about: object,
  { kind, rolesSent = [], addsRoles = false, reason }: ChangeRequest,
): ChangeKey {
  const requestHash = requestHashOf({ ...about, kind, rolesSent, addsRoles, reason });
  return { keyScope: `${caller.id} ${operation}`, idempotencyKey, requestHash };
}

/** What the token alone decides. @throws Problem */
export function refuseByGrants(caller: Caller, { rolesSent = [] }: ChangeRequest): void {
  if (grantsNothing(caller.grants)) throw new Problem('forbidden');
  refuseUngrantable(caller, rolesSent);
}

/** @throws Problem */
export function refuseOnOneself(caller: Caller, userId: string): void {
  if (caller.id === userId) throw new Problem('forbidden', { detail: ON_ONESELF });
}

/** The change that belongs to the key; null: none. @throws Problem, DatabaseError */
export async function replayedChange(
  { db }: Pick<AppDeps, 'db'>,
  c: Context<AppEnv>,
  { keyScope, idempotencyKey, requestHash }: ChangeKey,
): Promise<AcceptedChange | null> {
  if (idempotencyKey === null) return null;
  const held = await findChangeByKey(db, { keyScope, idempotencyKey });
  if (!held) return null;
  if (held.requestHash !== requestHash) throw new Problem('idempotency_key_reused');
  return told(c, { change: held.change, replayed: true });
}

/** Whether the caller may act on a person: also what other changes assign must lie within the grants.
 * @returns the roles that the person has, or is about to have; null: hidden from the caller */
export async function rolesWithinGrants(
  {
    db,
    propagationGraceSeconds,
  }: Pick<AppDeps, 'propagationGraceSeconds'> & {
    readonly db: Parameters<typeof rolesByChanges>[0];
  },
  caller: Caller,
  { user, row }: RegisteredUser,
): Promise<string[] | null> {
  const assigned = await rolesByChanges(db, user.userId, propagationGraceSeconds);
  const roles = [...new Set([...user.roles, ...assigned])];
  return maySee(caller, { roles, requestedBy: row.requestedBy }) ? roles : null;
}

/** @throws Problem, ProviderUnavailable */
export async function refuseRoles(
  deps: Pick<AppDeps, 'roles'>,
  { user, row }: RegisteredUser,
  { rolesSent = [] }: ChangeRequest,
): Promise<void> {
  await refuseUnknown(deps, rolesSent);
  if (rolesSent.length > 0 && isUnverifiedSignUp(row) && !user.emailVerified) {
    throw new Problem('email_unverified', { registrationId: row.id, detail: NO_ROLE });
  }
}

/**
 * Accepts a change of a person whom the caller may act on, and wakes the person's run.
 * @param roles what the person has, or is about to have
 * @throws Problem, ProviderUnavailable, DatabaseError
 */
export async function acceptForUser(
  deps: AppDeps,
  c: Context<AppEnv>,
  { user, roles }: { readonly user: RegisteredUser; readonly roles: readonly string[] },
  wanted: ChangeRequest,
  key: ChangeKey,
): Promise<AcceptedChange> {
  const { userId } = user.user;
  const { kind, addsRoles = false, reason } = wanted;
  const wantedRoles = [...new Set(wanted.rolesSent)];
  const input = {
    ...key,
    id: randomUUID(),
    kind,
    userId,
    roles: wantedRoles,
    addsRoles,
    personRoles: [...new Set([...roles, ...wantedRoles])].toSorted(),
    requestedBy: c.var.caller.id,
    reason,
  };
  const refuses = takesAdministrationAway(deps, roles, wanted) ? lastOne(deps, userId) : null;
  const { caller } = c.var;
  const mayAct: MayAct = async (db) =>
    (await rolesWithinGrants({ ...deps, db }, caller, user)) !== null;
  const result = await acceptChange(
    deps.db,
    input,
    refuses,
    deps.changeStatusChanged,
    caller.grants === '*' || caller.id === userId ? null : mayAct,
  );
  switch (result.kind) {
    case 'accepted':
      deps.userRuns.wakeSoon(userId, result.wake);
      return told(c, { change: result.change, replayed: false });
    case 'replayed':
      return told(c, { change: result.change, replayed: true });
    case 'key_reused':
      throw new Problem('idempotency_key_reused');
    case 'not_there':
      throw new Problem('user_not_found');
    case 'last_administrator':
      throw new Problem('last_administrator');
    default:
      return result satisfies never;
  }
}

/** Names the change in the log line of the request. */
function told(c: Context<AppEnv>, accepted: AcceptedChange): AcceptedChange {
  c.set('changeId', accepted.change.id);
  c.set('registrationId', accepted.change.registrationId);
  return accepted;
}

function takesAdministrationAway(
  { grants }: Pick<AppDeps, 'grants'>,
  roles: readonly string[],
  { kind, rolesSent = [], addsRoles = false }: ChangeRequest,
): boolean {
  const administrators = new Set(administratorRoles(grants));
  if (!roles.some((role) => administrators.has(role))) return false;
  if (kind === 'disable' || kind === 'delete') return true;
  return kind === 'roles' && !addsRoles && !rolesSent.some((role) => administrators.has(role));
}

function lastOne(
  { directory, grants, propagationGraceSeconds }: AppDeps,
  userId: string,
): RefusesChange {
  const roles = administratorRoles(grants);
  return (tx) =>
    leavesNoAdministrator(tx, {
      userId,
      administratorRoles: roles,
      graceSeconds: propagationGraceSeconds,
      enabledMembers: () => readAdministrators(roles, (role) => directory.usersInRole(role)),
    });
}
