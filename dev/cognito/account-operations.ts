import {
  changeAttributes,
  deliveryTo,
  newCode,
  permittedChanges,
  sendCode,
  sendVerification,
} from './attributes.ts';
import type { Body, Engine, Operation, Pool, User } from './model.ts';
import { invalidParameter, notAuthorized, ServiceError, userNotFound } from './service-error.ts';
import { attributeOf, emailOf, merged, saveChanged } from './users.ts';

/** What people do with their own accounts, with an access token or with a code by mail. */
export const ACCOUNT_OPERATIONS: Readonly<Record<string, Operation>> = {
  async GetUser(engine, pool, body) {
    const { Username, Attributes, UserMFASettingList } = await holderOf(engine, pool, body);
    return { Username, UserAttributes: Attributes, UserMFASettingList };
  },
  async UpdateUserAttributes(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const changes = permittedChanges(pool, user, body);
    const { AttributesRequireVerificationBeforeUpdate: after = [] } =
      pool.options.UserAttributeUpdateSettings ?? {};
    const now = changes.filter(({ Name }) => !after.includes(Name));
    const pending = changes.filter(({ Name }) => after.includes(Name));
    return changeAttributes(engine, pool, user, now, pending);
  },
  async DeleteUserAttributes(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const names = (body['UserAttributeNames'] ?? []) as string[];
    await saveChanged(pool, user, {
      Attributes: user.Attributes.filter(({ Name }) => !names.includes(Name)),
    });
    return {};
  },
  async ChangePassword(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    if (user.Password !== body['PreviousPassword']) {
      throw notAuthorized('Incorrect username or password.');
    }
    await saveChanged(pool, user, { Password: String(body['ProposedPassword']) });
    return {};
  },
  async GetUserAttributeVerificationCode(engine, pool, body) {
    refuseOtherThanEmail(body);
    const user = await holderOf(engine, pool, body);
    if (emailOf(user) === '') throw invalidParameter('User has no e-mail address');
    return {
      CodeDeliveryDetails: await sendVerification(engine, pool, user, 'VerifyUserAttribute'),
    };
  },
  VerifyUserAttribute: verifyUserAttribute,
  ForgotPassword: forgotPassword,
  ConfirmForgotPassword: confirmForgotPassword,
};

/** The user of an access token. */
export async function holderOf(engine: Engine, pool: Pool, body: Body): Promise<User> {
  const { username, sub } = engine.signer.open(body['AccessToken']);
  const user = await pool.getUserByUsername(String(username ?? sub));
  if (user === null) throw userNotFound();
  return user;
}

function refuseOtherThanEmail(body: Body): void {
  if (body['AttributeName'] === 'email') return;
  throw invalidParameter('the sandbox verifies only the attribute email');
}

async function verifyUserAttribute(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  refuseOtherThanEmail(body);
  const user = await holderOf(engine, pool, body);
  refuseWrongCode(user.AttributeVerificationCode, body['Code']);
  await saveChanged(pool, user, {
    Attributes: merged(user.Attributes, [
      ...(user.UnverifiedAttributeChanges ?? []),
      { Name: 'email_verified', Value: 'true' },
    ]),
    UnverifiedAttributeChanges: undefined,
    AttributeVerificationCode: undefined,
  });
  return {};
}

async function forgotPassword(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const username = String(body['Username']);
  const user = await pool.getUserByUsername(username);
  if (user === null) {
    if (!(await hidesUnknown(engine, body))) throw userNotFound();
    return { CodeDeliveryDetails: deliveryTo(username) };
  }
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  if (user.UserStatus === 'FORCE_CHANGE_PASSWORD') {
    throw notAuthorized('User password cannot be reset in the current state.');
  }
  if (attributeOf(user, 'email_verified') !== 'true') {
    throw invalidParameter(
      'Cannot reset password for the user as there is no registered/verified email or phone_number',
    );
  }
  const code = newCode();
  await saveChanged(pool, user, { ConfirmationCode: code });
  return { CodeDeliveryDetails: sendCode(engine, pool, user, 'ForgotPassword', code) };
}

async function confirmForgotPassword(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const user = await pool.getUserByUsername(String(body['Username']));
  if (user === null && !(await hidesUnknown(engine, body))) throw userNotFound();
  refuseWrongCode(user?.ConfirmationCode, body['ConfirmationCode']);
  if (user && !user.Enabled) throw notAuthorized('User is disabled.');
  if (user) {
    await saveChanged(pool, user, {
      Password: String(body['Password']),
      UserStatus: 'CONFIRMED',
      ConfirmationCode: undefined,
    });
  }
  return {};
}

async function hidesUnknown(engine: Engine, body: Body): Promise<boolean> {
  const client = await engine.client(String(body['ClientId']));
  return client?.PreventUserExistenceErrors === 'ENABLED';
}

function refuseWrongCode(sent: string | undefined, given: unknown): void {
  if (sent === undefined) {
    throw new ServiceError(
      'ExpiredCodeException',
      'Invalid code provided, please request a code again.',
    );
  }
  if (sent !== given) {
    throw new ServiceError(
      'CodeMismatchException',
      'Invalid verification code provided, please try again.',
    );
  }
}
