import { randomUUID } from 'node:crypto';
import type { Body, Pool, User } from './model.ts';
import { checkPassword, temporaryPassword } from './password-policy.ts';
import { invalidParameter, ServiceError, userNotFound } from './service-error.ts';
import {
  attributeOf,
  checkedAttributes,
  emailOf,
  findUser,
  merged,
  normalUsername,
  saveChanged,
  userAnswer,
} from './users.ts';

/** Sends an invitation; throws where the mail cannot be delivered. */
export type Invite = (user: User, temporaryPassword: string) => void;

/** AdminCreateUser with RESEND, SUPPRESS, password policy and schema. */
export async function createUser(
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
  if (action === 'RESEND') return resend(pool, username, password, invite);

  const byEmail = pool.options.UsernameAttributes?.includes('email') ?? false;
  if (byEmail && !/^[^@\s]+@[^@\s]+$/.test(username)) {
    throw invalidParameter('Username should be an email.');
  }
  const sub = randomUUID();
  const Attributes = merged(
    [{ Name: 'sub', Value: sub }, ...(byEmail ? [{ Name: 'email', Value: username }] : [])],
    checkedAttributes(pool, body),
  );
  const now = new Date();
  const user: User = {
    Username: byEmail ? sub : username,
    Password: password,
    Attributes,
    Enabled: true,
    UserStatus: 'FORCE_CHANGE_PASSWORD',
    UserCreateDate: now,
    UserLastModifiedDate: now,
    TemporaryPasswordSetAt: pool.now(),
    RefreshTokens: [],
  };
  const known = await findUser(pool, byEmail ? emailOf(user) : username);
  // Only the fault `duplicate` makes a second user of an address; a username is always unique.
  if (known && !(byEmail && overlooks(known))) {
    throw new ServiceError(
      'UsernameExistsException',
      'An account with the given email already exists.',
    );
  }
  const mediums = (body['DesiredDeliveryMediums'] ?? ['SMS']) as string[];
  const byMail = mediums.includes('EMAIL');
  if (action === undefined && !byMail && attributeOf(user, 'phone_number') === undefined) {
    throw invalidParameter('User has no attribute matching desired delivery mediums');
  }
  await pool.saveUser(user);
  if (action === undefined && byMail) invite(user, password);
  return { User: userAnswer(user) };
}

async function resend(
  pool: Pool,
  username: string,
  password: string,
  invite: Invite,
): Promise<Body> {
  const user = await findUser(pool, username);
  if (user === undefined) throw userNotFound();
  if (user.UserStatus !== 'FORCE_CHANGE_PASSWORD') {
    throw new ServiceError(
      'UnsupportedUserStateException',
      'Resend not possible. User status is not FORCE_CHANGE_PASSWORD',
    );
  }
  if (emailOf(user) === '') throw invalidParameter('User has no e-mail address');
  const changed = await saveChanged(pool, user, {
    Password: password,
    TemporaryPasswordSetAt: pool.now(),
  });
  invite(changed, password);
  return { User: userAnswer(changed) };
}
