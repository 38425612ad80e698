import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registration } from '../../domain/registration.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import {
  accept,
  requestHashOf,
  type AcceptInput,
  type AcceptResult,
} from '../../ledger/registrations/accept.ts';
import { release } from '../../ledger/registrations/release.ts';
import { nowOf } from '../../ledger/registrations/row.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { AppDeps } from '../app-deps.ts';

/** The pause between two reads that must both find the user missing. */
const BETWEEN_ABSENCES_MS = 2000;

/** The caller, and the scope of its idempotency key. */
type Keyed = Pick<AcceptInput, 'requestedBy' | 'keyScope' | 'idempotencyKey'>;

/** A registration that a door requests; its shape is already validated. */
export interface RegistrationRequest extends Omit<
  AcceptInput,
  keyof Keyed | 'id' | 'requestHash' | 'sealedPassword' | 'wantsProfile'
> {
  /** null: no password was chosen. Set only if the deployment has a sealing key. */
  readonly password: Secret | null;
  /** Why the password is refused. Checked late, so that a replay is answered first. */
  readonly passwordFault?: string | null;
  /** `roles` are what the registration assigns; these are as sent: checked against grants and pool,
   * and what pointers point into. */
  readonly rolesSent: readonly string[];
}

/** Turns a request into the input of the ledger; seals the password. */
export function acceptInputOf(
  deps: Pick<AppDeps, 'sealing' | 'wantsProfile'>,
  { rolesSent, password, passwordFault: _fault, ...fields }: RegistrationRequest,
  keyed: Keyed,
): AcceptInput {
  const id = randomUUID();
  return {
    ...fields,
    ...keyed,
    id,
    wantsProfile: deps.wantsProfile,
    sealedPassword: password && seal(deps, password, id),
    // The hash covers whether a password was sent, but not the password itself.
    requestHash: requestHashOf({ ...fields, rolesSent, ...(password && { password: true }) }),
  };
}

/** Accepts a registration. Releases its address and username first if their holder is no longer in
 * the pool.
 * @throws ProviderUnavailable, DatabaseError */
export async function acceptOrRelease(deps: AppDeps, input: AcceptInput): Promise<AcceptResult> {
  let result = await accept(deps.db, input);
  // Twice: the address and the username may have belonged to different people.
  for (let released = 0; released < 2; released += 1) {
    if (!('holder' in result) || !(await isGone(deps, result.holder))) break;
    await release(deps.db, result.holder.id);
    result = await accept(deps.db, input);
  }
  return result;
}

function seal({ sealing }: Pick<AppDeps, 'sealing'>, password: Secret, id: string): Uint8Array {
  if (!sealing) throw new Error('a door accepted a password, but no sealing key is configured');
  return sealing.seal(password, id);
}

/** Whether the user of a completed row is no longer in the pool. A new user may not be visible yet. And
 * a single answer may come from a lagging replica, which an immediate second read would hit again. */
export async function isGone(
  deps: Pick<AppDeps, 'directory' | 'propagationGraceSeconds' | 'closing'>,
  holder: Registration,
): Promise<boolean> {
  const { cognitoUsername } = holder;
  const graceEndsAt = graceEndOf(deps, holder);
  if (graceEndsAt === null || cognitoUsername === null) return false;
  if (nowOf(holder) < graceEndsAt) return false;
  if (await deps.directory.userExists(cognitoUsername)) return false;
  await delay(BETWEEN_ABSENCES_MS, undefined, { signal: deps.closing }).catch(() => undefined);
  if (deps.closing.aborted) throw new ProviderUnavailable('user');
  return !(await deps.directory.userExists(cognitoUsername));
}

/** Until when a user who is not to be seen counts as there, in ms since the epoch; null: the
 * registration is not completed, so that the ledger alone decides. */
export function graceEndOf(
  { propagationGraceSeconds }: Pick<AppDeps, 'propagationGraceSeconds'>,
  { status, finishedAt }: Pick<Registration, 'status' | 'finishedAt'>,
): number | null {
  if (status !== 'completed' || finishedAt === null) return null;
  return finishedAt.getTime() + propagationGraceSeconds * 1000;
}
