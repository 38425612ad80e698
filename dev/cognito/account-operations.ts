import {
  changeAttributes,
  permittedChanges,
  refuseTakenEmail,
  sendVerification,
} from './attributes.ts';
import {
  CODE_VALID_MS,
  codeMismatch,
  deliveryTo,
  expiringCode,
  mailCode,
  refuseWrongCode,
} from './codes.ts';
import type { Body, Engine, Operation, Pool, User } from './model.ts';
import { invalidParameter, notAuthorized, userNotFound } from './service-error.ts';
import { attributeOf, emailOf, merged, mfaSettingsOf, saveChanged } from './users.ts';

/** What people do with their own accounts, with an access token or with a code by mail. None of these
 * ends a session. */
export const ACCOUNT_OPERATIONS: Readonly<Record<string, Operation>> = {
  async GetUser(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const { Username, Attributes } = user;
    return { Username, UserAttributes: Attributes, ...mfaSettingsOf(user) };
  },
  async UpdateUserAttributes(engine, pool, body) {
    const user = await holderOf(engine, pool, body);
    const changes = await permittedChanges(pool, user, body);
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
    engine.attempts.count(pool, user, 'ChangePassword');
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
    engine.attempts.count(pool, user, 'GetUserAttributeVerificationCode');
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
  const { username, sub } = engine.signer.open(body['AccessToken'], pool.now());
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
  engine.attempts.count(pool, user, 'VerifyUserAttribute');
  refuseWrongCode(pool, user.AttributeVerificationCode, body['Code']);
  const pending = user.UnverifiedAttributeChanges ?? [];
  await refuseTakenEmail(pool, user, pending);
  await saveChanged(pool, user, {
    Attributes: merged(user.Attributes, [...pending, { Name: 'email_verified', Value: 'true' }]),
    UnverifiedAttributeChanges: undefined,
    AttributeVerificationCode: undefined,
  });
  return {};
}

async function forgotPassword(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const username = String(body['Username']);
  const user = await pool.getUserByUsername(username);
  if (!user?.Enabled && (await hidesUnknown(engine, body))) {
    return { CodeDeliveryDetails: deliveryTo(user ? emailOf(user) : username) };
  }
  if (user === null) throw userNotFound();
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  if (user.UserStatus === 'FORCE_CHANGE_PASSWORD') {
    throw notAuthorized('User password cannot be reset in the current state.');
  }
  if (attributeOf(user, 'email_verified') !== 'true') {
    throw invalidParameter(
      'Cannot reset password for the user as there is no registered/verified email or phone_number',
    );
  }
  engine.attempts.count(pool, user, 'ForgotPassword');
  const sent = expiringCode(pool, CODE_VALID_MS.forgotPassword);
  await saveChanged(pool, user, { ConfirmationCode: sent });
  return { CodeDeliveryDetails: mailCode(engine, pool, user, 'ForgotPassword', sent.Code) };
}

async function confirmForgotPassword(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const user = await pool.getUserByUsername(String(body['Username']));
  if (!user?.Enabled && (await hidesUnknown(engine, body))) throw codeMismatch();
  if (user === null) throw userNotFound();
  if (!user.Enabled) throw notAuthorized('User is disabled.');
  engine.attempts.count(pool, user, 'ConfirmForgotPassword');
  refuseWrongCode(pool, user.ConfirmationCode, body['ConfirmationCode']);
  await saveChanged(pool, user, {
    Password: String(body['Password']),
    UserStatus: 'CONFIRMED',
    ConfirmationCode: undefined,
  });
  return {};
}

async function hidesUnknown(engine: Engine, body: Body): Promise<boolean> {
  const client = await engine.client(String(body['ClientId']));
  return client?.PreventUserExistenceErrors === 'ENABLED';
}
