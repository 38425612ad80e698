import { randomUUID } from 'node:crypto';
import { clientOf, refuseWrongHash, refuseWrongSecret } from './client-rights.ts';
import { tokensFrom } from './issued-tokens.ts';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import { invalidParameter, notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { afterPassword } from './sign-in.ts';
import { type Claims, claimsOf } from './tokens.ts';
import { findUser } from './users.ts';

/**
 * Sessions as the service has them: an access token names by `origin_jti` the refresh token that it
 * comes of, and dies with it; a refresh token is of one client.
 */

/** Sign-in, and new tokens from a refresh token. */
export async function initiate(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  const flow = String(body['AuthFlow']);
  const parameters = (body['AuthParameters'] ?? {}) as Body;
  if (flow.startsWith('REFRESH_TOKEN')) {
    const token = String(parameters['REFRESH_TOKEN']);
    const user = await holderOf(engine, pool, token);
    refuseWrongHash(client, String(user?.Username), parameters['SECRET_HASH']);
    if (rotates(client)) {
      throw invalidParameter('REFRESH_TOKEN_AUTH is not enabled for a client that rotates');
    }
    return await refreshed(engine, pool, client, user, token);
  }
  if (flow !== 'USER_PASSWORD_AUTH' && flow !== 'ADMIN_USER_PASSWORD_AUTH') {
    throw invalidParameter(`the sandbox does not support AuthFlow ${flow}`);
  }
  if (!(client.ExplicitAuthFlows ?? []).includes(`ALLOW_${flow}`)) {
    throw invalidParameter(`${flow} flow not enabled for this client`);
  }
  refuseWrongHash(client, String(parameters['USERNAME']), parameters['SECRET_HASH']);
  const user = await findUser(pool, parameters['USERNAME']);
  if (user === undefined && client.PreventUserExistenceErrors !== 'ENABLED') throw userNotFound();
  if (user === undefined || user.Password !== parameters['PASSWORD']) {
    throw notAuthorized('Incorrect username or password.');
  }
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  return await afterPassword(engine, pool, client, user);
}

/** GetTokensFromRefreshToken. It takes the client's secret as it is, and so needs no username. */
export async function refresh(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  refuseWrongSecret(client, body['ClientSecret']);
  const token = String(body['RefreshToken']);
  const user = await holderOf(engine, pool, token);
  const answer = await refreshed(engine, pool, client, user, token);
  if (user === undefined || !rotates(client)) return answer;
  // The next one of the same session: with its end, and the `jti` by which access tokens name it.
  const next = engine.signer.sign({ ...claimsOf(token), rotation: randomUUID() });
  const RefreshToken = `${next}.${client.ClientId}`;
  const others = user.RefreshTokens.filter((one) => one !== token);
  const RotatedTokens = stillRotated(pool, user);
  const graceMs = (client.RefreshTokenRotation?.RetryGracePeriodSeconds ?? 0) * 1000;
  // A retry in the grace period, which a lost answer may need, does not extend the period.
  if (graceMs > 0 && !RotatedTokens.some(({ Token }) => Token === token)) {
    RotatedTokens.push({ Token: token, ValidUntil: pool.now() + graceMs });
  }
  await pool.saveUser({ ...user, RefreshTokens: [...others, RefreshToken], RotatedTokens });
  const result = answer['AuthenticationResult'] as Body;
  return { ...answer, AuthenticationResult: { ...result, RefreshToken } };
}

const rotates = ({ RefreshTokenRotation }: AppClient): boolean =>
  RefreshTokenRotation?.Feature === 'ENABLED';

const stillRotated = (pool: Pool, { RotatedTokens = [] }: User) =>
  RotatedTokens.filter(({ ValidUntil }) => ValidUntil > pool.now());

/** Whether both tokens are of one session. */
const sameSession = (one: string, other: string): boolean =>
  claimsOf(one)['jti'] === claimsOf(other)['jti'];

/** RevokeToken: the refresh token, and every access token that comes of it. Unknown ones are dead. */
export async function revoke(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  refuseWrongSecret(client, body['ClientSecret']);
  if (client.EnableTokenRevocation === false) {
    throw new ServiceError('UnsupportedOperationException', 'Token revocation is not enabled');
  }
  const user = await holderOf(engine, pool, String(body['Token']));
  const kept = user?.RefreshTokens.filter((token) => !sameSession(token, String(body['Token'])));
  if (user && kept) await pool.saveUser({ ...user, RefreshTokens: kept });
  return {};
}

/** Ends every session of a user. */
export async function signOutEverywhere(pool: Pool, username: unknown): Promise<Body> {
  const user = await findUser(pool, username);
  if (user) await pool.saveUser({ ...user, RefreshTokens: [], RotatedTokens: [] });
  return {};
}

/** Throws where the session of an access token is over, or its user disabled. A token that the
 * sandbox made by hand has no session. */
export async function refuseRevoked(pool: Pool, claims: Claims): Promise<void> {
  const user = await findUser(pool, claims['username'] ?? claims['sub']);
  if (user === undefined) return;
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  const origin = claims['origin_jti'];
  const alive = user.RefreshTokens.some((token) => claimsOf(token)['jti'] === origin);
  if (origin !== undefined && !alive) throw notAuthorized('Access Token has been revoked');
}

async function refreshed(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User | undefined,
  token: string,
): Promise<Body> {
  if (user === undefined || clientIdOf(token) !== client.ClientId) {
    throw notAuthorized('Invalid Refresh Token');
  }
  if (!user.RefreshTokens.includes(token)) {
    if (!stillRotated(pool, user).some(({ Token }) => Token === token)) {
      throw new ServiceError('RefreshTokenReuseException', 'Refresh Token has been rotated');
    }
  }
  if (Number(claimsOf(token)['exp']) * 1000 <= pool.now()) {
    throw notAuthorized('Refresh Token has expired');
  }
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  return { AuthenticationResult: await tokensFrom(engine, pool, client, user, token) };
}

/** The user of a refresh token whose session lives, also where another token has taken its place. */
async function holderOf(engine: Engine, pool: Pool, token: string): Promise<User | undefined> {
  const [jwt] = /^[^.]+\.[^.]+\.[^.]+/.exec(token) ?? [];
  const { 'cognito:username': name } = claimsOf(token);
  if (jwt === undefined || typeof name !== 'string' || !engine.signer.signed(jwt)) return undefined;
  const user = await findUser(pool, name);
  return user?.RefreshTokens.some((one) => sameSession(one, token)) ? user : undefined;
}

// Behind the three parts of a JWT.
function clientIdOf(refreshToken: string): string | undefined {
  return refreshToken.split('.')[3];
}
