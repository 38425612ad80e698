import type { Directory } from '../domain/directory.ts';
import { ProviderUnavailable } from '../domain/role.ts';
import type { IdentityProvider, ProviderUser } from './adapter.ts';
import { REQUEST_TIMEOUT_MS } from './call.ts';

/** The API's few questions, put to Cognito. */
export function createDirectory(
  provider: Pick<IdentityProvider, 'readUser' | 'verifyEmail'>,
): Directory {
  async function read(username: string): Promise<ProviderUser | null> {
    try {
      return await provider.readUser(username, AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    } catch {
      throw new ProviderUnavailable('user');
    }
  }
  return {
    addressOf: async (username) => {
      const user = await read(username);
      return user && { email: user.email, verified: user.emailVerified };
    },
    verifyEmail: async (username) => {
      try {
        await provider.verifyEmail(username, AbortSignal.timeout(REQUEST_TIMEOUT_MS));
      } catch {
        throw new ProviderUnavailable('user');
      }
    },
    userExists: async (username) => (await read(username)) !== null,
    passwordState: async (username) => {
      const user = await read(username);
      if (!user) return null;
      return user.status === 'FORCE_CHANGE_PASSWORD' ? 'owes_password' : 'has_password';
    },
  };
}
