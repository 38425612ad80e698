import { JwtVerifier } from 'aws-jwt-verify';
import { JwksValidationError } from 'aws-jwt-verify/error';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';

/** What a verified access token says. */
export interface TokenClaims {
  /** The Cognito sub; null for a token that an app client got for itself. */
  readonly userId: string | null;
  readonly clientId: string;
  readonly groups: readonly string[];
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  /** In seconds since 1970, by Cognito's clock, rounded down, like the next. */
  readonly issuedAt: number;
  /** When the person signed in: a refreshed token keeps the time of its session. */
  readonly sessionBeganAt: number;
}

/** @throws TokenRejected, KeysUnavailable */
export type VerifyToken = (jwt: string) => Promise<TokenClaims>;

/** The token is invalid or expired, or was not issued for us. */
export class TokenRejected extends Error {
  override readonly name = 'TokenRejected';
  /** The message if no token was sent. */
  static readonly MISSING = 'no bearer token';
}

/** The keys of the pool could not be fetched, so the token could not be verified. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export interface TokenVerifierOptions {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** App clients whose tokens count. */
  readonly clientIds: readonly string[];
}

const KEYS_TIMEOUT_MS = 3000;
/** Longer than any real token (Cognito's are under 4 KiB), short enough to verify cheaply. */
const MAX_TOKEN_LENGTH = 16_384;

/**
 * Verifies access tokens of one pool: signature, issuer, expiry, client and use. Keys are fetched on
 * first need, kept, and fetched again when a token names an unknown one, at most once in 10 s.
 */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const clientIds = new Set(options.clientIds);
  const verifier = JwtVerifier.create(
    { issuer: options.issuer, audience: null, jwksUri: options.jwksUrl },
    // The library's own fetcher speaks https only; sandboxes do not.
    { jwksCache: new SimpleJwksCache({ fetcher: { fetch: fetchKeys } }) },
  );
  return async (jwt) => {
    if (jwt.length > MAX_TOKEN_LENGTH) throw new TokenRejected('too long');
    const payload = await verifier.verify(jwt).catch((error: unknown) => {
      if (error instanceof KeysUnavailable) throw error;
      if (error instanceof JwksValidationError) throw new KeysUnavailable('invalid key set');
      throw new TokenRejected(error instanceof Error ? error.name : 'unreadable');
    });
    return claimsOf(payload, clientIds);
  };
}

function claimsOf(
  payload: Readonly<Record<string, unknown>>,
  clientIds: ReadonlySet<string>,
): TokenClaims {
  const clientId = payload['client_id'];
  const sub = payload['sub'];
  const expires = payload['exp'];
  const issued = payload['iat'];
  const signedIn = payload['auth_time'];
  if (payload['token_use'] !== 'access') throw new TokenRejected('not an access token');
  if (typeof expires !== 'number') throw new TokenRejected('no expiry');
  if (typeof issued !== 'number') throw new TokenRejected('no time of issue');
  if (typeof clientId !== 'string' || !clientIds.has(clientId)) {
    throw new TokenRejected('issued to another client');
  }
  if (typeof sub !== 'string' || sub === '') throw new TokenRejected('no subject');
  const groups = payload['cognito:groups'];
  const scope = payload['scope'];
  return {
    // Cognito puts the client's id into the sub of a token that no user signed in for.
    userId: sub === clientId ? null : sub,
    clientId,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    scopes: typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [],
    expiresAt: new Date(expires * 1000),
    issuedAt: issued,
    sessionBeganAt: typeof signedIn === 'number' ? Math.min(signedIn, issued) : issued,
  };
}

async function fetchKeys(url: string): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(KEYS_TIMEOUT_MS) });
    if (!response.ok) throw new KeysUnavailable(`status ${response.status}`);
    return await response.arrayBuffer();
  } catch (error) {
    if (error instanceof KeysUnavailable) throw error;
    throw new KeysUnavailable(error instanceof Error ? error.name : 'unreachable');
  }
}
