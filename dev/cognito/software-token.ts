import { holderOf } from './account-operations.ts';
import type { Challenge } from './challenges.ts';
import type { Body, Engine, Operation, Pool, User } from './model.ts';
import { factorsOfPool, openSession } from './second-factors.ts';
import { notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { fitsTotp, newTotpSecret } from './totp.ts';
import { saveChanged } from './users.ts';

/** How a user sets up an authenticator as a second factor: signed in, or in the session of the challenge
 * MFA_SETUP, which goes on as a new one each time. */
export const SOFTWARE_TOKEN_OPERATIONS: Readonly<Record<string, Operation>> = {
  async AssociateSoftwareToken(engine, pool, body) {
    const { user, goOn } = await setterUp(engine, pool, body);
    if (!factorsOfPool(pool).includes('SOFTWARE_TOKEN_MFA')) {
      throw new ServiceError(
        'SoftwareTokenMFANotFoundException',
        'Software Token MFA has not been enabled by the userPool.',
      );
    }
    const SecretCode = newTotpSecret();
    await saveChanged(pool, user, { SoftwareToken: { SecretCode, Verified: false } });
    return { SecretCode, ...(await goOn()) };
  },
  async VerifySoftwareToken(engine, pool, body) {
    const { user, goOn } = await setterUp(engine, pool, body);
    const token = user.SoftwareToken;
    if (token === undefined || !fitsTotp(token.SecretCode, body['UserCode'], pool.now())) {
      throw new ServiceError('EnableSoftwareTokenMFAException', 'Code mismatch');
    }
    await saveChanged(pool, user, { SoftwareToken: { ...token, Verified: true } });
    return { Status: 'SUCCESS', ...(await goOn({ factorVerified: true })) };
  },
};

/** Who sets up an authenticator, and how the session goes on where there is one. */
async function setterUp(
  engine: Engine,
  pool: Pool,
  body: Body,
): Promise<{ user: User; goOn: (more?: Partial<Challenge>) => Promise<Body> }> {
  const { AccessToken, Session } = body;
  if (AccessToken !== undefined) {
    return { user: await holderOf(engine, pool, body), goOn: async () => ({}) };
  }
  const waiting = engine.challenges.waiting(Session, pool.now());
  const user = await pool.getUserByUsername(waiting.username);
  const client = await engine.client(waiting.clientId);
  if (user === null || client === null) throw userNotFound();
  if (waiting.name !== 'MFA_SETUP') throw notAuthorized('Invalid session for the user.');
  return {
    user,
    goOn: async (more) => {
      engine.challenges.end(Session);
      const { name, poolId, clientId, username } = waiting;
      const next = { name, poolId, clientId, username, ...more };
      return { Session: openSession(engine, pool, client, next) };
    },
  };
}
