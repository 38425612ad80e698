import type { MiddlewareHandler } from 'hono';
import type { Caller, Grant } from '../../domain/grants.ts';
import { callerOf } from './caller.ts';
import { TokenRejected, type VerifyToken } from './tokens.ts';

export interface AccessEnv {
  Variables: { caller: Caller; accessToken: string; tokenExpiresAt: Date };
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;

/** Lets a request pass only with a valid bearer access token, and says who calls.
 * @param isOptional whether a request without an Authorization header passes too
 * @throws TokenRejected, KeysUnavailable */
export function authenticate<E extends AccessEnv>(
  verifyToken: VerifyToken,
  grants: readonly Grant[],
  isOptional = false,
): MiddlewareHandler<E> {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (isOptional && header === undefined) return await next();
    const token = BEARER.exec(header ?? '')?.[1];
    if (token === undefined) throw new TokenRejected(TokenRejected.MISSING);
    const claims = await verifyToken(token);
    c.set('caller', callerOf(claims, grants));
    c.set('accessToken', token);
    c.set('tokenExpiresAt', claims.expiresAt);
    await next();
  };
}
