import { clientOf } from './client-rights.ts';
import { startSession } from './issued-tokens.ts';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import { invalidParameter, notAuthorized, ServiceError } from './service-error.ts';
import { fitsTotp } from './totp.ts';
import { findUser, saveChanged } from './users.ts';

/** What follows a right password: a challenge, or the tokens. */
export async function afterPassword(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
): Promise<Body> {
  if (user.UserStatus === 'FORCE_CHANGE_PASSWORD') {
    const attributes = user.Attributes.filter(({ Name }) => Name !== 'sub');
    return challenge(engine, client, user, 'NEW_PASSWORD_REQUIRED', {
      requiredAttributes: '[]',
      userAttributes: JSON.stringify(
        Object.fromEntries(attributes.map(({ Name, Value }) => [Name, Value])),
      ),
    });
  }
  const { MfaConfiguration = 'OFF' } = pool.options;
  if (MfaConfiguration !== 'OFF' && user.UserMFASettingList?.includes('SOFTWARE_TOKEN_MFA')) {
    return challenge(engine, client, user, 'SOFTWARE_TOKEN_MFA', {});
  }
  if (MfaConfiguration === 'ON') {
    const message = 'the sandbox does not support the challenge MFA_SETUP';
    throw new ServiceError('UnsupportedOperationException', message);
  }
  return await startSession(engine, pool, client, user);
}

function challenge(
  engine: Engine,
  { ClientId, AuthSessionValidity = 3 }: AppClient,
  { Username }: User,
  name: string,
  parameters: object,
): Body {
  return {
    ChallengeName: name,
    ChallengeParameters: { USER_ID_FOR_SRP: Username, ...parameters },
    Session: engine.challenges.open(
      { name, clientId: ClientId, username: Username },
      AuthSessionValidity,
    ),
  };
}

/** RespondToAuthChallenge. A wrong answer leaves the session open, a right one ends it. */
export async function respond(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  const name = String(body['ChallengeName']);
  const answers = (body['ChallengeResponses'] ?? {}) as Body;
  const user = await findUser(pool, answers['USERNAME']);
  const asked = { name, clientId: client.ClientId, username: user?.Username ?? '' };
  engine.challenges.check(body['Session'], asked);
  if (!user?.Enabled) throw notAuthorized('User is disabled.');
  if (name === 'NEW_PASSWORD_REQUIRED') {
    const { NEW_PASSWORD } = answers;
    if (typeof NEW_PASSWORD !== 'string') {
      throw invalidParameter('Missing required parameter NEW_PASSWORD');
    }
    engine.challenges.end(body['Session']);
    const confirmed = { Password: NEW_PASSWORD, UserStatus: 'CONFIRMED' };
    return await afterPassword(engine, pool, client, await saveChanged(pool, user, confirmed));
  }
  const secret = user.SoftwareToken?.SecretCode;
  if (secret === undefined || !fitsTotp(secret, answers['SOFTWARE_TOKEN_MFA_CODE'])) {
    throw new ServiceError('CodeMismatchException', 'Invalid code received for user');
  }
  engine.challenges.end(body['Session']);
  return await startSession(engine, pool, client, user);
}
