import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registration } from '../../domain/registration.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import {
  accept,
  release,
  requestHashOf,
  type AcceptInput,
  type AcceptResult,
} from '../../ledger/registrations/accept.ts';
import { nowOf } from '../../ledger/registrations/row.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { AppDeps } from '../app-deps.ts';

/** Between the two answers that a user is gone. */
const BETWEEN_ABSENCES_MS = 2000;

/** Who asks, as far as an idempotency key goes. */
type Keyed = Pick<AcceptInput, 'requestedBy' | 'keyScope' | 'idempotencyKey'>;

/** What a door wants registered; shape already checked. */
export interface RegistrationRequest extends Omit<
  AcceptInput,
  keyof Keyed | 'id' | 'requestHash' | 'sealedPassword'
> {
  /** null: nobody chose one. Not null only where the deployment can seal it. */
  readonly password: Secret | null;
  /** `roles` are what the registration assigns; these are as sent: checked against grants and pool,
   * and what pointers point into. */
  readonly rolesSent: readonly string[];
}

/** What the ledger accepts of what is wanted; seals the password. */
export function acceptInputOf(
  deps: Pick<AppDeps, 'sealing'>,
  { rolesSent, password, ...fields }: RegistrationRequest,
  keyed: Keyed,
): AcceptInput {
  const id = randomUUID();
  return {
    ...fields,
    ...keyed,
    id,
    sealedPassword: password && seal(deps, password, id),
    // That there is a password belongs to the request; which one it is does not.
    requestHash: requestHashOf({ ...fields, rolesSent, ...(password && { password: true }) }),
  };
}

/** Accepts, also where an address or a username is held by somebody who is no longer in the pool.
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

/** Whether the user of a completed row is no longer in the pool. A young one may just not be visible;
 * and one answer may come from a replica that lags, which a second at once would meet again. */
async function isGone(deps: AppDeps, holder: Registration): Promise<boolean> {
  const { status, finishedAt, cognitoUsername } = holder;
  if (status !== 'completed' || finishedAt === null || cognitoUsername === null) return false;
  if (nowOf(holder) - finishedAt.getTime() < deps.propagationGraceSeconds * 1000) return false;
  if (await deps.directory.userExists(cognitoUsername)) return false;
  await delay(BETWEEN_ABSENCES_MS, undefined, { signal: deps.closing }).catch(() => undefined);
  if (deps.closing.aborted) throw new ProviderUnavailable('user');
  return !(await deps.directory.userExists(cognitoUsername));
}
