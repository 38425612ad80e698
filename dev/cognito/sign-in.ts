import { changeAttributes, permittedChanges } from './attributes.ts';
import { type Challenge, refuseOther } from './challenges.ts';
import { clientOf, refuseUnwritable } from './client-rights.ts';
import { startSession } from './issued-tokens.ts';
import type { AppClient, Body, Engine, Pool, User } from './model.ts';
import {
  challenge,
  type Factor,
  factorParameters,
  factorsOf,
  isFactor,
  secondFactor,
} from './second-factors.ts';
import { invalidParameter, notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { fitsTotp } from './totp.ts';
import { attributeOf, checkedAttributes, findUser, saveChanged } from './users.ts';

const DAY_MS = 86_400_000;

/** What follows a right password: a challenge, or the tokens. */
export async function afterPassword(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
): Promise<Body> {
  if (user.UserStatus === 'FORCE_CHANGE_PASSWORD') {
    refuseExpiredPassword(pool, user);
    const attributes = user.Attributes.filter(({ Name }) => Name !== 'sub');
    return challenge(engine, pool, client, user, 'NEW_PASSWORD_REQUIRED', {
      requiredAttributes: JSON.stringify(
        missingAttributes(pool, user).map((name) => `userAttributes.${name}`),
      ),
      userAttributes: JSON.stringify(
        Object.fromEntries(attributes.map(({ Name, Value }) => [Name, Value])),
      ),
    });
  }
  const name = secondFactor(pool, user);
  if (name === undefined) return await startSession(engine, pool, client, user);
  return challenge(engine, pool, client, user, name, factorParameters(pool, user, name));
}

function refuseExpiredPassword(pool: Pool, user: User): void {
  const { TemporaryPasswordValidityDays = 7 } = pool.options.Policies?.PasswordPolicy ?? {};
  const setAt = user.TemporaryPasswordSetAt ?? user.UserCreateDate.getTime();
  if (setAt + TemporaryPasswordValidityDays * DAY_MS > pool.now()) return;
  throw notAuthorized('Temporary password has expired and must be reset by an administrator.');
}

function missingAttributes(pool: Pool, user: User): string[] {
  const schema = pool.options.SchemaAttributes ?? [];
  const required = schema.filter(({ Required, Name }) => Required && Name !== 'sub');
  return required.map(({ Name }) => Name).filter((name) => attributeOf(user, name) === undefined);
}

/** RespondToAuthChallenge and AdminRespondToAuthChallenge. A wrong answer leaves the session open, a
 * right one ends it. */
export async function respond(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const client = await clientOf(engine, body);
  const name = String(body['ChallengeName']);
  const answers = (body['ChallengeResponses'] ?? {}) as Body;
  const waiting = engine.challenges.waiting(body['Session'], pool.now());
  const user = await findUser(pool, answers['USERNAME']);
  refuseOther(waiting, { name, clientId: client.ClientId, username: user?.Username ?? '' });
  if (!user?.Enabled) throw notAuthorized('User is disabled.');
  const goOn = await answerOf(engine, pool, client, user, waiting, answers);
  engine.challenges.end(body['Session']);
  return await goOn();
}

/** What a right answer does. Throws for a wrong one. */
async function answerOf(
  engine: Engine,
  pool: Pool,
  client: AppClient,
  user: User,
  waiting: Challenge,
  answers: Body,
): Promise<() => Promise<Body>> {
  const { name } = waiting;
  const given = (parameter: string): string => {
    const value = answers[parameter];
    if (typeof value === 'string') return value;
    throw invalidParameter(`Missing required parameter ${parameter}`);
  };
  const signIn = (changed: User = user) => startSession(engine, pool, client, changed);
  switch (name) {
    case 'NEW_PASSWORD_REQUIRED': {
      const Password = given('NEW_PASSWORD');
      const changes = await newAttributes(pool, client, user, answers);
      return async () => {
        if (changes.length > 0) await changeAttributes(engine, pool, user, changes, []);
        const now = await findUser(pool, user.Username);
        if (now === undefined) throw userNotFound();
        const confirmed = { Password, UserStatus: 'CONFIRMED' };
        return afterPassword(engine, pool, client, await saveChanged(pool, now, confirmed));
      };
    }
    case 'SELECT_MFA_TYPE': {
      const answer = given('ANSWER');
      if (!isFactor(answer) || !factorsOf(pool, user).includes(answer)) {
        throw invalidParameter('Invalid MFA type selected');
      }
      return async () => challenge(engine, pool, client, user, answer);
    }
    case 'MFA_SETUP':
      if (!waiting.factorVerified) {
        throw new ServiceError(
          'SoftwareTokenMFANotFoundException',
          'Software token MFA has not been set up for the user',
        );
      }
      return async () =>
        signIn(await saveChanged(pool, user, { UserMFASettingList: ['SOFTWARE_TOKEN_MFA'] }));
    default:
      refuseWrongFactor(pool, user, waiting, given(CODE_PARAMETERS[name as Factor]));
      return () => signIn();
  }
}

const CODE_PARAMETERS: Readonly<Record<Factor, string>> = {
  SMS_MFA: 'SMS_MFA_CODE',
  SOFTWARE_TOKEN_MFA: 'SOFTWARE_TOKEN_MFA_CODE',
  EMAIL_OTP: 'EMAIL_OTP_CODE',
};

function refuseWrongFactor(pool: Pool, user: User, { name, code }: Challenge, given: string): void {
  if (name !== 'SOFTWARE_TOKEN_MFA') {
    if (code === given) return;
    throw new ServiceError('CodeMismatchException', 'Invalid code or auth state for the user.');
  }
  const secret = user.SoftwareToken?.SecretCode;
  if (secret !== undefined && fitsTotp(secret, given, pool.now())) return;
  throw new ServiceError('CodeMismatchException', 'Invalid code received for user');
}

/** The attributes that come with a first password: those that are required and missing, and others that
 * the client may write. */
async function newAttributes(pool: Pool, client: AppClient, user: User, answers: Body) {
  const PREFIX = 'userAttributes.';
  const named = Object.entries(answers).filter(([key]) => key.startsWith(PREFIX));
  const asked = named.map(([key, Value]) => ({ Name: key.slice(PREFIX.length), Value }));
  const schema = pool.options.SchemaAttributes ?? [];
  for (const { Name } of asked) {
    const required = schema.some((attribute) => attribute.Name === Name && attribute.Required);
    if (required && attributeOf(user, Name) !== undefined) {
      throw invalidParameter(`Cannot modify an already provided ${Name}`);
    }
  }
  const missing = missingAttributes(pool, user).find(
    (name) => !asked.some(({ Name, Value }) => Name === name && Value !== ''),
  );
  if (missing !== undefined) {
    throw invalidParameter(`Invalid attributes given, ${missing} is missing`);
  }
  refuseUnwritable(
    pool,
    client,
    asked.map(({ Name }) => Name),
  );
  return permittedChanges(pool, user, {
    UserAttributes: checkedAttributes(pool, { UserAttributes: asked }),
  });
}
