import { ProviderUnavailable, type Role, type RoleCatalogue } from '../domain/role.ts';
import type { IdentityProvider } from './adapter.ts';

const FRESH_MS = 30_000;
/** A cache miss asks Cognito, but many unknown names must not cause many calls. */
const ASK_AGAIN_MS = 1000;
const REQUEST_MS = 4000;

/** The pool's roles: cached for 30 s, a miss asks Cognito at most once a second. */
export function createRoleCatalogue(
  provider: Pick<IdentityProvider, 'listRoles'>,
  now: () => number = Date.now,
): RoleCatalogue {
  let roles: readonly Role[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;
  let lastTryFailed = false;

  async function read(): Promise<void> {
    triedAt = now();
    try {
      roles = await provider.listRoles(AbortSignal.timeout(REQUEST_MS));
      readAt = now();
      lastTryFailed = false;
    } catch {
      lastTryFailed = true;
    }
  }

  // Concurrent callers share one request.
  async function refresh(): Promise<void> {
    if (reading) return await reading;
    if (now() - triedAt < ASK_AGAIN_MS) return;
    reading = read().finally(() => {
      reading = null;
    });
    await reading;
  }

  async function fresh(): Promise<void> {
    if (now() - readAt >= FRESH_MS) await refresh();
  }

  return {
    async list() {
      await fresh();
      if (readAt === Number.NEGATIVE_INFINITY) throw new ProviderUnavailable('roles');
      return roles;
    },
    async unknown(names) {
      if (names.length === 0) return [];
      await fresh();
      const missing = () => names.filter((name) => !roles.some((role) => role.name === name));
      if (missing().length > 0) await refresh();
      const unknown = missing();
      if (unknown.length > 0 && (lastTryFailed || readAt === Number.NEGATIVE_INFINITY)) {
        throw new ProviderUnavailable('roles');
      }
      return unknown;
    },
  };
}
