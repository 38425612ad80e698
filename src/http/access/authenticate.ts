import type { MiddlewareHandler } from 'hono';
import type { Caller, Grant } from '../../domain/grants.ts';
import { callerOf } from './caller.ts';
import type { TokenCutoffs } from './token-cutoffs.ts';
import { TokenRejected, type VerifyToken } from './tokens.ts';

export interface AccessEnv {
  Variables: {
    caller: Caller;
    accessToken: string;
    tokenExpiresAt: Date;
    /** Asks again, for what lasts longer than a request. @throws ProviderUnavailable */
    tokenCounts: () => Promise<boolean>;
  };
}

export interface AccessDeps {
  readonly verifyToken: VerifyToken;
  readonly cutoffs: Pick<TokenCutoffs, 'counts'>;
  readonly grants: readonly Grant[];
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;

/** Lets a request pass only with a valid bearer access token, and says who calls.
 * @param isOptional whether a request without an Authorization header passes too
 * @throws TokenRejected, KeysUnavailable, ProviderUnavailable */
export function authenticate<E extends AccessEnv>(
  { verifyToken, cutoffs, grants }: AccessDeps,
  isOptional = false,
): MiddlewareHandler<E> {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (isOptional && header === undefined) return await next();
    const token = BEARER.exec(header ?? '')?.[1];
    if (token === undefined) throw new TokenRejected(TokenRejected.MISSING);
    const claims = await verifyToken(token);
    const counts = () => cutoffs.counts(token, claims);
    if (!(await counts())) throw new TokenRejected('ended before it expired');
    c.set('caller', callerOf(claims, grants));
    c.set('accessToken', token);
    c.set('tokenExpiresAt', claims.expiresAt);
    c.set('tokenCounts', counts);
    await next();
  };
}
