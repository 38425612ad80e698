import type { Context } from 'hono';
import { emailHash } from '../../secrets/email-hash.ts';
import { grantsNothing, maySee, notGrantable, type Caller } from '../../domain/grants.ts';
import type { Registration } from '../../domain/registration.ts';
import { findByKey, type AcceptInput } from '../../ledger/registrations/accept.ts';
import {
  acceptInputOf,
  acceptOrRelease,
  type RegistrationRequest,
} from './registration-request.ts';
import { pointerTo, Problem } from '../problems/problem-details.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';

/** Why somebody who has not proved the address gets no role. */
export const NO_ROLE =
  'This person signed up and has not proved the address, so the account gets no role.';

export interface AcceptedForCaller {
  readonly registration: Registration;
  readonly replayed: boolean;
}

/**
 * Accepts a registration, or finds the one that belongs to the caller's key or is parked. The order of
 * checks is part of the contract: grants, key, roles, conflicts. Starts and resumes in the background.
 * @throws Problem, ProviderUnavailable, DatabaseError
 */
export async function acceptForCaller(
  deps: AppDeps,
  c: Context<AppEnv>,
  idempotencyKey: string | null,
  wanted: RegistrationRequest,
): Promise<AcceptedForCaller> {
  c.set('emailHash', emailHash(wanted.email));
  const accepted = await checkAndAccept(deps, c.var.caller, idempotencyKey, wanted);
  c.set('registrationId', accepted.registration.id);
  return accepted;
}

async function checkAndAccept(
  deps: AppDeps,
  caller: Caller,
  idempotencyKey: string | null,
  wanted: RegistrationRequest,
): Promise<AcceptedForCaller> {
  if (grantsNothing(caller.grants)) throw new Problem('forbidden');
  refuseUngrantable(caller, wanted.rolesSent);
  refuseVouching(caller, wanted);
  const keyed = { requestedBy: caller.id, keyScope: caller.id, idempotencyKey };
  const input = acceptInputOf(deps, wanted, keyed);
  if (idempotencyKey !== null) {
    const held = await findByKey(deps.db, { keyScope: caller.id, idempotencyKey });
    if (held && held.requestHash !== input.requestHash) throw new Problem('idempotency_key_reused');
    if (held) return { registration: held.registration, replayed: true };
  }
  await refuseUnknown(deps, wanted.rolesSent);
  refusePassword(wanted);
  return await acceptOrThrow(deps, caller, input);
}

export function refuseUngrantable(caller: Caller, roles: readonly string[]): void {
  const refused = notGrantable(caller.grants, roles);
  if (refused.length === 0) return;
  throw new Problem('role_not_grantable', {
    errors: placesOf(
      roles,
      refused,
      'role_not_grantable',
      'You are not allowed to assign this role.',
    ),
  });
}

// A caller who sets both a password and a verified address could take over any person's account.
function refuseVouching(caller: Caller, { emailVerified, password }: RegistrationRequest): void {
  if (caller.grants === '*' || !emailVerified || password === null) return;
  const detail =
    'Only a caller with the grant `*` may send both a password and `emailVerified: true`.';
  const place = { pointer: pointerTo('emailVerified'), code: 'forbidden', detail };
  throw new Problem('forbidden', { detail, errors: [place] });
}

function refusePassword({ passwordFault: detail }: RegistrationRequest): void {
  if (detail == null) return;
  const place = { pointer: pointerTo('password'), code: 'password_rejected', detail };
  throw new Problem('password_rejected', { detail, errors: [place] });
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
    errors: placesOf(roles, unknown, 'unknown_role', 'The user pool does not have this role.'),
  });
}

/** Does work for a run after the response; if it fails, the sweep repeats it. */
export function inBackground(deps: Pick<AppDeps, 'logger'>, id: string, work: Promise<void>): void {
  work.catch((error: unknown) => {
    const name = error instanceof Error ? error.name : 'unknown';
    deps.logger.warn({ registrationId: id, error: name }, 'signal failed; the sweep will retry');
  });
}

async function acceptOrThrow(
  deps: AppDeps,
  caller: Caller,
  input: AcceptInput,
): Promise<AcceptedForCaller> {
  const result = await acceptOrRelease(deps, input);
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
    case 'email_unverified':
    case 'username_taken':
      throw takenProblem(caller, result.kind, result.holder);
    default:
      return result satisfies never;
  }
}

/** Names the holding registration only to a caller who may read it. */
function takenProblem(
  caller: Caller,
  code: 'email_taken' | 'email_unverified' | 'username_taken',
  holder: Registration,
): Problem {
  return new Problem(code, maySee(caller, holder) ? { registrationId: holder.id } : {});
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
