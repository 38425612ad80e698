import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { notGrantable, maySee, type Caller } from '../domain/grants.ts';
import type { Door, Registration } from '../domain/registration.ts';
import { accept, findByKey, release, requestHashOf, type AcceptInput } from '../ledger/accept.ts';
import type { Secret } from '../secrets/secret.ts';
import { emailHash } from '../email-hash.ts';
import { pointerTo, Problem } from '../problem-details.ts';
import type { AppDeps, AppEnv } from './app-deps.ts';

/** What a bearer door wants registered; shape already checked. */
export interface Wanted {
  readonly door: Door;
  readonly email: string;
  readonly username: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  readonly emailVerified: boolean;
  readonly invite: boolean;
  /** null: nobody chose one. Not null only where the deployment can seal it. */
  readonly password: Secret | null;
  /** What the registration assigns. */
  readonly roles: readonly string[];
  /** As sent: checked against grants and pool, and what pointers point into. */
  readonly rolesSent: readonly string[];
}

export interface Admitted {
  readonly registration: Registration;
  readonly replayed: boolean;
}

/**
 * Accepts a registration, or finds the one that the caller's key or parked run names. Checks in the
 * contract's order: grants, key, roles, conflicts. Starts and resumes in the background.
 * @throws Problem, ProviderUnavailable, DatabaseError
 */
export async function admit(
  deps: AppDeps,
  c: Context<AppEnv>,
  idempotencyKey: string | null,
  wanted: Wanted,
): Promise<Admitted> {
  c.set('emailHash', emailHash(wanted.email));
  const admitted = await admitFor(deps, c.var.caller, idempotencyKey, wanted);
  c.set('registrationId', admitted.registration.id);
  return admitted;
}

async function admitFor(
  deps: AppDeps,
  caller: Caller,
  idempotencyKey: string | null,
  wanted: Wanted,
): Promise<Admitted> {
  if (caller.grants !== '*' && caller.grants.size === 0) throw new Problem('forbidden');
  refuseUngrantable(caller, wanted.rolesSent);
  const { rolesSent, password, ...fields } = wanted;
  // That there is a password belongs to the request; which one it is does not.
  const requestHash = requestHashOf({ ...fields, rolesSent, ...(password && { password: true }) });
  if (idempotencyKey !== null) {
    const held = await findByKey(deps.db, { keyScope: caller.id, idempotencyKey });
    if (held && held.requestHash !== requestHash) throw new Problem('idempotency_key_reused');
    if (held) return { registration: held.registration, replayed: true };
  }
  await refuseUnknown(deps, rolesSent);
  const id = randomUUID();
  return await acceptOrThrow(deps, caller, {
    ...fields,
    id,
    sealedPassword: password && seal(deps, password, id),
    requestedBy: caller.id,
    keyScope: caller.id,
    idempotencyKey,
    requestHash,
  });
}

export function refuseUngrantable(caller: Caller, roles: readonly string[]): void {
  const refused = notGrantable(caller.grants, roles);
  if (refused.length === 0) return;
  throw new Problem('role_not_grantable', {
    errors: placesOf(roles, refused, 'role_not_grantable', 'You may not hand out this role.'),
  });
}

/** @throws ProviderUnavailable when the pool must be asked and does not answer */
export async function refuseUnknown(
  deps: Pick<AppDeps, 'roles'>,
  roles: readonly string[],
): Promise<void> {
  if (roles.length === 0) return;
  const unknown = await deps.roles.unknown(roles);
  if (unknown.length === 0) return;
  throw new Problem('unknown_role', {
    errors: placesOf(roles, unknown, 'unknown_role', 'The pool does not have this role.'),
  });
}

function seal({ sealing }: AppDeps, password: Secret, id: string): Uint8Array {
  if (!sealing) throw new Error('a door took a password that nobody can seal');
  return sealing.seal(password, id);
}

/** Does something for a run behind the answer; what fails here is the sweep's. */
export function inBackground(deps: Pick<AppDeps, 'logger'>, id: string, work: Promise<void>): void {
  work.catch((error: unknown) => {
    const name = error instanceof Error ? error.name : 'unknown';
    deps.logger.warn({ registrationId: id, error: name }, 'wish not delivered, left to the sweep');
  });
}

async function acceptOrThrow(deps: AppDeps, caller: Caller, input: AcceptInput): Promise<Admitted> {
  let result = await accept(deps.db, input);
  // Twice: the address and the username may have belonged to different people.
  for (let released = 0; released < 2; released += 1) {
    if (!('holder' in result) || !(await isGone(deps, result.holder))) break;
    await release(deps.db, result.holder.id);
    result = await accept(deps.db, input);
  }
  switch (result.kind) {
    case 'accepted':
      deps.runs.startSoon(result.registration.id);
      return { registration: result.registration, replayed: false };
    case 'replayed':
      return { registration: result.registration, replayed: true };
    case 'resumed': {
      const { id } = result.registration;
      inBackground(deps, id, deps.runs.resume(id, 'operator'));
      return { registration: result.registration, replayed: false };
    }
    case 'key_reused':
      throw new Problem('idempotency_key_reused');
    case 'email_taken':
    case 'username_taken':
      throw takenProblem(caller, result.kind, result.holder);
    default:
      return result satisfies never;
  }
}

/** Names the holder only to whoever may read it. */
function takenProblem(
  caller: Caller,
  code: 'email_taken' | 'username_taken',
  holder: Registration,
): Problem {
  return new Problem(code, maySee(caller, holder) ? { registrationId: holder.id } : {});
}

/** Whether the user of a completed row is no longer in the pool. A young one may just not be visible. */
async function isGone(deps: AppDeps, holder: Registration): Promise<boolean> {
  const { status, finishedAt, cognitoUsername } = holder;
  if (status !== 'completed' || finishedAt === null || cognitoUsername === null) return false;
  if (Date.now() - finishedAt.getTime() < deps.propagationGraceSeconds * 1000) return false;
  if (await deps.directory.userExists(cognitoUsername)) return false;
  return !(await deps.directory.userExists(cognitoUsername));
}

function placesOf(
  sent: readonly string[],
  refused: readonly string[],
  code: 'role_not_grantable' | 'unknown_role',
  detail: string,
) {
  const names = new Set(refused);
  return sent.flatMap((role, index) =>
    names.has(role) ? [{ pointer: pointerTo('roles', index), code, detail }] : [],
  );
}
