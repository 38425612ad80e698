import { clientOf } from './client-rights.ts';
import { startSession } from './issued-tokens.ts';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import { invalidParameter, notAuthorized } from './service-error.ts';
import { findUser, saveChanged } from './users.ts';

/** The challenge of a user whose password is temporary. */
export function newPasswordChallenge(engine: Engine, client: AppClient, user: User): Body {
  const whom = { clientId: client.ClientId, username: user.Username };
  const attributes = user.Attributes.filter(({ Name }) => Name !== 'sub');
  return {
    ChallengeName: 'NEW_PASSWORD_REQUIRED',
    ChallengeParameters: {
      USER_ID_FOR_SRP: user.Username,
      requiredAttributes: '[]',
      userAttributes: JSON.stringify(
        Object.fromEntries(attributes.map(({ Name, Value }) => [Name, Value])),
      ),
    },
    Session: engine.challenges.open(whom, client.AuthSessionValidity ?? 3),
  };
}

/** RespondToAuthChallenge: replaces the temporary password, and signs in. */
export async function respond(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  const challenge = String(body['ChallengeName']);
  if (challenge !== 'NEW_PASSWORD_REQUIRED') {
    throw invalidParameter(`the sandbox does not support the challenge ${challenge}`);
  }
  const { USERNAME, NEW_PASSWORD } = (body['ChallengeResponses'] ?? {}) as Body;
  if (typeof NEW_PASSWORD !== 'string') {
    throw invalidParameter('Missing required parameter NEW_PASSWORD');
  }
  const user = await findUser(pool, USERNAME);
  const username = user?.Username ?? '';
  engine.challenges.take(body['Session'], { clientId: client.ClientId, username });
  if (!user?.Enabled) throw notAuthorized('User is disabled.');
  const confirmed = { Password: NEW_PASSWORD, UserStatus: 'CONFIRMED' };
  return await startSession(engine, pool, client, await saveChanged(pool, user, confirmed));
}
