import { maySee, type Caller } from '../../domain/grants.ts';
import type { PoolUser } from '../../domain/directory.ts';
import { isProved } from '../../domain/email.ts';
import { emailOf, namesRegistration, type Registration } from '../../domain/registration.ts';
import { findByUserId } from '../../ledger/registrations/account-events.ts';
import { readRegistration } from '../../ledger/registrations/read.ts';
import type { AppDeps } from '../app-deps.ts';
import { Problem } from '../problems/problem-details.ts';
import { isUuid } from '../request/fields.ts';
import type { User } from './schemas.ts';

type Deps = Pick<AppDeps, 'db' | 'directory'>;

/** A person whom Registrar registered, and the registration. */
export interface RegisteredUser {
  readonly user: User;
  readonly row: Registration;
}

/** The person of a path, where the caller may see them. @throws Problem, ProviderUnavailable */
export async function findUser(deps: Deps, caller: Caller, sent: string): Promise<RegisteredUser> {
  if (!isUuid(sent)) throw new Problem('user_not_found');
  const userId = sent.toLowerCase();
  const row = await findByUserId(deps.db, userId);
  const found = row && (await readVisible(deps, caller, row));
  if (found) return found;
  if (caller.grants === '*' && (await isForeign(deps, userId))) throw new Problem('not_ours');
  throw new Problem('user_not_found');
}

/** The person of a row; null: not completed, not in the pool, not ours there, or not for this caller.
 * The roles that the person has in the pool now decide who may see them. */
export async function readVisible(
  { directory }: Deps,
  caller: Caller,
  row: Registration,
): Promise<RegisteredUser | null> {
  const { status, userId, cognitoUsername } = row;
  if (status !== 'completed' || userId === null || cognitoUsername === null) return null;
  const [inPool, roles] = await Promise.all([
    directory.readUser(cognitoUsername),
    directory.rolesOf(cognitoUsername),
  ]);
  if (!inPool || !roles || inPool.mark !== row.id || inPool.userId !== userId) return null;
  if (!maySee(caller, { roles, requestedBy: row.requestedBy })) return null;
  return { user: toUser(row, inPool, roles), row };
}

/** The registration that a user of the pool has the mark of; null: Registrar did not create the user. */
export async function registrationOfMark(
  { db }: Pick<Deps, 'db'>,
  { mark, userId }: PoolUser,
): Promise<Registration | null> {
  const row = mark !== null && namesRegistration(mark) ? await readRegistration(db, mark) : null;
  // A mark can be copied to a stranger: then the registration has another user.
  return row && (row.userId === null || row.userId === userId) ? row : null;
}

/** Whether the pool has the user, and neither an unfinished registration nor a deleted one of ours
 * made it: what is left over from those is unknown to callers. */
async function isForeign(deps: Deps, userId: string): Promise<boolean> {
  const inPool = await deps.directory.readUser(userId);
  if (inPool?.userId !== userId) return false;
  const row = await registrationOfMark(deps, inPool);
  return row === null || row.releasedAt !== null;
}

function toUser(row: Registration, inPool: PoolUser, roles: readonly string[]): User {
  return {
    userId: inPool.userId,
    email: inPool.email || emailOf(row),
    emailVerified: isProved(inPool, emailOf(row)),
    username: row.username,
    firstName: inPool.firstName,
    lastName: inPool.lastName,
    roles: [...roles],
    enabled: inPool.enabled,
    status: inPool.status,
    registrationId: row.id,
    createdAt: inPool.createdAt.toISOString(),
  };
}
