import { randomUUID } from 'node:crypto';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import { claimsOf } from './tokens.ts';
import { attributeOf, groupsOf } from './users.ts';

const SECONDS: Readonly<Record<string, number>> = {
  seconds: 1,
  minutes: 60,
  hours: 3600,
  days: 86_400,
};

const UNITS = { AccessToken: 'hours', IdToken: 'hours', RefreshToken: 'days' };
const VALIDITY = { AccessToken: 1, IdToken: 1, RefreshToken: 30 };

type Kind = keyof typeof UNITS;

/** Signs a user in: a new refresh token, which is kept, and the tokens that come of it. */
export async function startSession(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
): Promise<Body> {
  const now = secondsNow(pool);
  const token = engine.signer.sign({
    iss: issuerOf(engine, pool),
    'cognito:username': user.Username,
    iat: now,
    exp: now + validity(client, 'RefreshToken'),
    jti: randomUUID(),
  });
  const RefreshToken = `${token}.${client.ClientId}`;
  const alive = user.RefreshTokens.filter((one) => Number(claimsOf(one)['exp']) > now);
  await pool.saveUser({ ...user, RefreshTokens: [...alive, RefreshToken] });
  const tokens = await tokensFrom(engine, pool, client, user, RefreshToken);
  return { ChallengeParameters: {}, AuthenticationResult: { ...tokens, RefreshToken } };
}

/** An access token and an id token of the session of a refresh token. */
export async function tokensFrom(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
  refreshToken: string,
): Promise<Body> {
  const now = secondsNow(pool);
  const { jti, iat } = claimsOf(refreshToken);
  const groups = (await groupsOf(pool, user.Username)).map(({ GroupName }) => GroupName).toSorted();
  const common = {
    sub: attributeOf(user, 'sub'),
    ...(groups.length > 0 && { 'cognito:groups': groups }),
    iss: issuerOf(engine, pool),
    origin_jti: jti,
    event_id: randomUUID(),
    auth_time: iat,
    iat: now,
  };
  const ExpiresIn = validity(client, 'AccessToken');
  return {
    AccessToken: engine.signer.sign({
      ...common,
      client_id: client.ClientId,
      token_use: 'access',
      scope: 'aws.cognito.signin.user.admin',
      exp: now + ExpiresIn,
      jti: randomUUID(),
      username: user.Username,
    }),
    IdToken: engine.signer.sign({
      ...Object.fromEntries(user.Attributes.map(({ Name, Value }) => [Name, Value])),
      ...common,
      email_verified: attributeOf(user, 'email_verified') === 'true',
      'cognito:username': user.Username,
      aud: client.ClientId,
      token_use: 'id',
      exp: now + validity(client, 'IdToken'),
      jti: randomUUID(),
    }),
    TokenType: 'Bearer',
    ExpiresIn,
  };
}

const secondsNow = (pool: Pool): number => Math.floor(pool.now() / 1000);

const issuerOf = (engine: Engine, pool: Pool): string => `${engine.endpoint}/${pool.options.Id}`;

function validity(client: AppClient, kind: Kind): number {
  const unit = client.TokenValidityUnits?.[kind] ?? UNITS[kind];
  // A validity that was never set is the default, whatever the units.
  const asked = client[`${kind}Validity`];
  return asked === undefined
    ? VALIDITY[kind] * (SECONDS[UNITS[kind]] ?? 0)
    : asked * (SECONDS[unit] ?? 0);
}
