import { openCreateAt } from '../../domain/create-attempt.ts';
import type { PoolUser } from '../../domain/directory.ts';
import { isProved } from '../../domain/email.ts';
import {
  emailOf,
  isLeftoverOf,
  isUnverifiedSignUp,
  type Registration,
} from '../../domain/registration.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import { isCompensating } from '../../domain/status.ts';
import { isBeingDeleted } from '../../ledger/changes/being-deleted.ts';
import { findLiving, hasEmail } from '../../ledger/registrations/living.ts';
import { nowOf } from '../../ledger/registrations/row.ts';
import type { AppDeps } from '../app-deps.ts';
import { graceEndOf, isGone } from '../registrations/registration-request.ts';
import { remedyFor } from './address-remedy.ts';
import type { Address } from './schemas.ts';
import { registrationOfMark } from './user-queries.ts';

type Deps = Pick<AppDeps, 'db' | 'directory' | 'propagationGraceSeconds' | 'closing'>;

/**
 * Why an address is free or taken, by the rules of `POST /registrations`: the living registration first,
 * and where there is none, or its user is gone, the user whom AdminCreateUser would meet. Writes nothing.
 * @throws ProviderUnavailable where Cognito does not answer and is needed, DatabaseError
 */
export async function explainAddress(deps: Deps, email: string): Promise<Address> {
  const address = await readAddress(deps, email);
  return { ...address, remedy: remedyFor(address) };
}

type Explained = Omit<Address, 'remedy'>;

async function readAddress(deps: Deps, email: string): Promise<Explained> {
  const holder = await findLiving(deps.db, hasEmail(email));
  if (holder) {
    const inPool = await readOfHolder(deps, holder);
    if (inPool !== null || !(await isGone(deps, holder))) {
      return await heldBy(deps, email, holder, inPool);
    }
  }
  const user = await deps.directory.readUser(email);
  const row = user && (await registrationOfMark(deps, user));
  const pool = toPool(email, user, row);
  if (
    user &&
    !(row && isLeftoverOf(row, { userId: user.userId, isProved: isProved(user, email) }))
  ) {
    const taken = { reason: 'foreign_user', registrationId: null, freeFrom: null } as const;
    return { email, free: false, ...taken, pool };
  }
  return { email, free: true, reason: 'free', registrationId: null, pool, freeFrom: null };
}

type InPool = PoolUser | null | 'unknown';

/** `unknown`: Cognito does not answer, and the ledger alone decides. */
async function readOfHolder(deps: Deps, holder: Registration): Promise<InPool> {
  const graceEndsAt = graceEndOf(deps, holder);
  const needed = graceEndsAt !== null && nowOf(holder) >= graceEndsAt;
  try {
    return await deps.directory.readUser(holder.cognitoUsername ?? emailOf(holder));
  } catch (error) {
    if (needed || !(error instanceof ProviderUnavailable)) throw error;
    return 'unknown';
  }
}

async function heldBy(
  deps: Deps,
  email: string,
  holder: Registration,
  inPool: InPool,
): Promise<Explained> {
  const row =
    inPool === null || inPool === 'unknown' ? null : await registrationOfMark(deps, inPool);
  const freeFrom = freeFromOf(deps, holder, inPool);
  return {
    email,
    free: false,
    reason: await reasonOf(deps, holder),
    registrationId: holder.id,
    pool: inPool === 'unknown' ? null : toPool(email, inPool, row),
    freeFrom: freeFrom === null ? null : new Date(freeFrom).toISOString(),
  };
}

async function reasonOf({ db }: Deps, holder: Registration): Promise<Address['reason']> {
  if (isCompensating(holder.status)) return 'being_deleted';
  if (holder.status !== 'completed') return 'open_registration';
  if (holder.userId !== null && (await isBeingDeleted(db, holder.userId))) return 'being_deleted';
  return isUnverifiedSignUp(holder) ? 'unverified_sign_up' : 'registered';
}

/** Known where only a grace is waited for: of a create without a reply that is being taken back, or of
 * a user who is not to be seen in the pool. */
function freeFromOf(deps: Deps, holder: Registration, inPool: InPool): number | null {
  const createdAt = isCompensating(holder.status) ? openCreateAt(holder) : null;
  const createEndsAt = createdAt && createdAt + deps.propagationGraceSeconds * 1000;
  const endsAt = createEndsAt ?? (inPool === null ? graceEndOf(deps, holder) : null);
  return endsAt !== null && endsAt > nowOf(holder) ? endsAt : null;
}

function toPool(
  email: string,
  user: PoolUser | null,
  row: Registration | null,
): NonNullable<Address['pool']> {
  return {
    exists: user !== null,
    registeredByUs: row !== null,
    enabled: user && user.enabled,
    emailVerified: user && isProved(user, email),
  };
}
