import type { Accounts } from '../domain/account.ts';
import type { Directory, PoolUser } from '../domain/directory.ts';
import { ProviderUnavailable } from '../domain/role.ts';
import type { IdentityProvider, ProviderUser } from './adapter.ts';
import { REQUEST_TIMEOUT_MS } from './call.ts';

/** The API's few questions, put to Cognito.
 * @param acquireReadQuota waits a moment for a call of the quota of reads, or throws */
export function createDirectory(
  provider: Pick<IdentityProvider, 'readUser' | 'rolesOf' | 'usersInRole'>,
  acquireReadQuota: (signal: AbortSignal) => Promise<void>,
): Directory {
  async function ask<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await call(AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    } catch {
      throw new ProviderUnavailable('user');
    }
  }
  const read = (username: string) => ask((signal) => provider.readUser(username, signal));
  const paced = <T>(call: (signal: AbortSignal) => Promise<T>) =>
    ask(async (signal) => {
      await acquireReadQuota(signal);
      return await call(signal);
    });
  return {
    userExists: async (username) => (await read(username)) !== null,
    passwordState: async (username) => {
      const user = await read(username);
      if (!user) return null;
      return user.status === 'FORCE_CHANGE_PASSWORD' ? 'owes_password' : 'has_password';
    },
    readUser: async (username) => {
      const user = await paced((signal) => provider.readUser(username, signal));
      return user && toPoolUser(user);
    },
    rolesOf: (username) =>
      paced(async (signal) => {
        try {
          return (await provider.rolesOf(username, signal)).toSorted();
        } catch (error) {
          if (error instanceof Error && error.name === 'UserNotFoundException') return null;
          throw error;
        }
      }),
    usersInRole: (role) => paced((signal) => provider.usersInRole(role, signal)),
  };
}

function toPoolUser({ sub, ...user }: ProviderUser): PoolUser {
  const { mark, email, emailVerified, firstName, lastName, enabled, status, createdAt } = user;
  const account = { email, emailVerified, firstName, lastName, enabled, status, createdAt };
  return { userId: sub, mark, ...account };
}

/** @param acquireQuota waits a moment for a call of the quota of updates, or throws */
export function createAccounts(
  provider: Pick<IdentityProvider, 'readUser' | 'rolesOf' | 'endSessions' | 'verifyEmail'>,
  acquireQuota: (signal: AbortSignal) => Promise<void>,
): Accounts {
  async function ask<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await call(AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    } catch {
      throw new ProviderUnavailable('account');
    }
  }
  const update = (call: (signal: AbortSignal) => Promise<void>) =>
    ask(async (signal) => {
      await acquireQuota(signal);
      await call(signal);
    });
  return {
    read: (username) =>
      ask(async (signal) => {
        const user = await provider.readUser(username, signal);
        return user && { username: user.username, userId: user.sub, email: user.email };
      }),
    rolesOf: (userId) => ask((signal) => provider.rolesOf(userId, signal)),
    endSessions: (username) => update((signal) => provider.endSessions(username, signal)),
    verifyEmail: (username) => update((signal) => provider.verifyEmail(username, signal)),
  };
}
