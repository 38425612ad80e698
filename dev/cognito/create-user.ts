import { randomUUID } from 'node:crypto';
import type { Body, Engine, Pool, User } from './engine.ts';
import { checkPassword, temporaryPassword } from './password-policy.ts';
import { invalidParameter, ServiceError, userNotFound } from './service-error.ts';
import { checkedAttributes, emailOf, findUser, normalUsername, userAnswer } from './users.ts';

/** Sends an invitation; throws where the mail cannot be delivered. */
export type Invite = (user: User, temporaryPassword: string) => void;

/** AdminCreateUser with RESEND, SUPPRESS, password policy and schema. */
export async function createUser(
  engine: Engine,
  pool: Pool,
  body: Body,
  invite: Invite,
  overlooks: (user: User) => boolean,
): Promise<Body> {
  const action = body['MessageAction'];
  if (action !== undefined && action !== 'SUPPRESS' && action !== 'RESEND') {
    throw invalidParameter("1 validation error detected: Value at 'messageAction' is not valid");
  }
  const policy = pool.options.Policies?.PasswordPolicy ?? {};
  const chosen = body['TemporaryPassword'];
  if (typeof chosen === 'string') checkPassword(policy, chosen);
  const password = typeof chosen === 'string' ? chosen : temporaryPassword();
  const username = normalUsername(pool, body['Username']);
  if (action === 'RESEND') return resend(engine, pool, username, password, invite);

  const attributes = checkedAttributes(pool, body);
  let asked = username;
  if (pool.options.UsernameAttributes?.includes('email')) {
    if (!/^[^@\s]+@[^@\s]+$/.test(username)) {
      throw invalidParameter('Username should be an email.');
    }
    const email = attributes.find(({ Name }) => Name === 'email')?.Value ?? username;
    const known = await findUser(engine, pool, email);
    if (known && !overlooks(known)) {
      throw new ServiceError(
        'UsernameExistsException',
        'An account with the given email already exists.',
      );
    }
    if (known) {
      // cognito-local would find it too: it is asked for an address that nobody has.
      if (!attributes.some(({ Name }) => Name === 'email'))
        attributes.push({ Name: 'email', Value: email });
      asked = `${randomUUID()}@duplicate.invalid`;
    }
  }
  const mediums = (body['DesiredDeliveryMediums'] ?? ['SMS']) as string[];
  const byMail = mediums.includes('EMAIL');
  if (action === undefined && !byMail && !attributes.some(({ Name }) => Name === 'phone_number')) {
    throw invalidParameter('User has no attribute matching desired delivery mediums');
  }
  const answer = await engine.invoke('AdminCreateUser', {
    ...body,
    Username: asked,
    UserAttributes: attributes,
    TemporaryPassword: password,
    MessageAction: 'SUPPRESS',
  });
  const user = await findUser(engine, pool, (answer['User'] as User).Username);
  if (action === undefined && byMail && user) invite(user, password);
  return answer;
}

async function resend(
  engine: Engine,
  pool: Pool,
  username: string,
  password: string,
  invite: Invite,
): Promise<Body> {
  const user = await findUser(engine, pool, username);
  if (user === undefined) throw userNotFound();
  if (user.UserStatus !== 'FORCE_CHANGE_PASSWORD') {
    throw new ServiceError(
      'UnsupportedUserStateException',
      'Resend not possible. User status is not FORCE_CHANGE_PASSWORD',
    );
  }
  if (emailOf(user) === '') throw invalidParameter('User has no e-mail address');
  const changed = { ...user, Password: password, UserLastModifiedDate: new Date() };
  await pool.saveUser(engine.ctx, changed);
  invite(changed, password);
  return userAnswer(changed);
}
