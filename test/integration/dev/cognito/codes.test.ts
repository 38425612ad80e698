import {
  AdminCreateUserCommand,
  AdminDisableUserCommand,
  AdminForgetDeviceCommand,
  AdminListDevicesCommand,
  AdminSetUserPasswordCommand,
  ChangePasswordCommand,
  ConfirmForgotPasswordCommand,
  CreateUserPoolClientCommand,
  ForgotPasswordCommand,
  GetUserAttributeVerificationCodeCommand,
  GetUserCommand,
  UpdateUserAttributesCommand,
  VerifyUserAttributeCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { test } from '../../../support/base-test.ts';
import type { TestPool } from '../../../support/cognito.ts';
import {
  addPerson,
  attributesOf,
  lastCode,
  otherThan,
  PASSWORD,
  signIn,
  tokensOf,
} from '../../../support/pool-people.ts';

const refusal = (name: string, message?: string) =>
  expect.objectContaining({ name, ...(message !== undefined && { message }) });

const MISMATCH = refusal(
  'CodeMismatchException',
  'Invalid verification code provided, please try again.',
);
const EXPIRED = refusal(
  'ExpiredCodeException',
  'Invalid code provided, please request a code again.',
);
const TOO_MANY = refusal(
  'LimitExceededException',
  'Attempt limit exceeded, please try after some time.',
);

const forgot = (pool: TestPool, Username: string, ClientId = pool.clientId) =>
  pool.client.send(new ForgotPasswordCommand({ ClientId, Username }));
const confirm = (
  pool: TestPool,
  Username: string,
  ConfirmationCode: string,
  Password = 'password-2',
  ClientId = pool.clientId,
) =>
  pool.client.send(
    new ConfirmForgotPasswordCommand({ ClientId, Username, ConfirmationCode, Password }),
  );
const sendVerification = (pool: TestPool, AccessToken: string) =>
  pool.client.send(
    new GetUserAttributeVerificationCodeCommand({ AccessToken, AttributeName: 'email' }),
  );
const verify = (pool: TestPool, AccessToken: string, Code: string) =>
  pool.client.send(new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code }));

test('a forgotten password is set with a code, once, and ends no session', async ({ pool }) => {
  const name = await addPerson(pool, 'forgetful');
  const { AccessToken } = await tokensOf(pool, name);
  await expect(confirm(pool, name, '123456')).rejects.toEqual(EXPIRED);
  expect((await forgot(pool, name)).CodeDeliveryDetails).toEqual({
    AttributeName: 'email',
    DeliveryMedium: 'EMAIL',
    Destination: 'f***@e***',
  });
  const code = await lastCode(pool, name);
  expect(code).toMatch(/^\d{6}$/);
  await expect(confirm(pool, name, otherThan(code))).rejects.toEqual(MISMATCH);
  await expect(confirm(pool, name, code, 'short')).rejects.toEqual(
    refusal('InvalidPasswordException'),
  );
  await confirm(pool, name, code);
  await expect(confirm(pool, name, code, 'password-3')).rejects.toEqual(EXPIRED);
  await expect(signIn(pool, name)).rejects.toEqual(refusal('NotAuthorizedException'));
  expect((await signIn(pool, name, 'password-2')).AuthenticationResult).toBeTruthy();
  expect((await pool.client.send(new GetUserCommand({ AccessToken }))).Username).toBeTruthy();
});

test('no code goes to an unverified address or to somebody with a temporary password', async ({
  pool,
}) => {
  const unverified = await addPerson(pool, 'unverified', { verified: false });
  await expect(forgot(pool, unverified)).rejects.toEqual(
    refusal(
      'InvalidParameterException',
      'Cannot reset password for the user as there is no registered/verified email or phone_number',
    ),
  );
  const invited = await addPerson(pool, 'invited', { temporary: true });
  await expect(forgot(pool, invited)).rejects.toEqual(
    refusal('NotAuthorizedException', 'User password cannot be reset in the current state.'),
  );
  expect(await lastCode(pool, unverified)).toBe('');
});

test('unknown and disabled users are answered like known ones, where the client hides who exists', async ({
  pool,
}) => {
  const { userPoolId: UserPoolId } = pool;
  const disabled = await addPerson(pool, 'disabled');
  await forgot(pool, disabled);
  const code = await lastCode(pool, disabled);
  await pool.client.send(new AdminDisableUserCommand({ UserPoolId, Username: disabled }));
  const known = await forgot(pool, await addPerson(pool, 'known'));
  for (const name of ['nobody@example.com', disabled]) {
    expect(Object.keys((await forgot(pool, name)).CodeDeliveryDetails ?? {})).toEqual(
      Object.keys(known.CodeDeliveryDetails ?? {}),
    );
    await expect(confirm(pool, name, code)).rejects.toEqual(MISMATCH);
  }
  expect(await lastCode(pool, disabled)).toBe(code);
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({ UserPoolId, ClientName: 'telling' }),
  );
  const telling = UserPoolClient?.ClientId;
  await expect(forgot(pool, 'nobody@example.com', telling)).rejects.toEqual(
    refusal('UserNotFoundException'),
  );
  await expect(forgot(pool, disabled, telling)).rejects.toEqual(
    refusal('NotAuthorizedException', 'User is disabled.'),
  );
  await expect(confirm(pool, disabled, code, PASSWORD, telling)).rejects.toEqual(
    refusal('NotAuthorizedException', 'User is disabled.'),
  );
});

test('codes expire: of a forgotten password after an hour, of a verification after a day', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'late', { verified: false });
  const { AccessToken } = await tokensOf(pool, name);
  await sendVerification(pool, AccessToken);
  const verification = await lastCode(pool, name);
  const reset = await addPerson(pool, 'too-late');
  await forgot(pool, reset);
  await pool.advanceClock(3_601);
  await expect(confirm(pool, reset, await lastCode(pool, reset))).rejects.toEqual(EXPIRED);
  await pool.advanceClock(82_000);
  // The access token is over by now: the code is not.
  const later = await tokensOf(pool, name);
  await expect(verify(pool, AccessToken, verification)).rejects.toEqual(
    refusal('NotAuthorizedException', 'Access Token has expired'),
  );
  await verify(pool, later.AccessToken, verification);
  await sendVerification(pool, later.AccessToken);
  await pool.advanceClock(86_401);
  const last = await tokensOf(pool, name);
  await expect(verify(pool, last.AccessToken, await lastCode(pool, name))).rejects.toEqual(EXPIRED);
});

test('one user gets five codes, guesses and changes of password an hour, and no more', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'guessed', { verified: false });
  const other = await addPerson(pool, 'not-guessed');
  const { AccessToken } = await tokensOf(pool, name);
  const change = (PreviousPassword: string) =>
    pool.client.send(
      new ChangePasswordCommand({ AccessToken, PreviousPassword, ProposedPassword: PASSWORD }),
    );
  for (let turn = 0; turn < 5; turn += 1) {
    await sendVerification(pool, AccessToken);
    await expect(change('wrong-password')).rejects.toEqual(
      refusal('NotAuthorizedException', 'Incorrect username or password.'),
    );
  }
  await expect(sendVerification(pool, AccessToken)).rejects.toEqual(TOO_MANY);
  await expect(change(PASSWORD)).rejects.toEqual(TOO_MANY);
  const code = await lastCode(pool, name);
  for (let turn = 0; turn < 14; turn += 1) {
    await expect(verify(pool, AccessToken, otherThan(code))).rejects.toEqual(MISMATCH);
  }
  await verify(pool, AccessToken, code);
  await expect(verify(pool, AccessToken, code)).rejects.toEqual(TOO_MANY);

  for (let turn = 0; turn < 5; turn += 1) await forgot(pool, name);
  await expect(forgot(pool, name)).rejects.toEqual(TOO_MANY);
  const reset = await lastCode(pool, name);
  for (let turn = 0; turn < 5; turn += 1) {
    await expect(confirm(pool, name, otherThan(reset))).rejects.toEqual(MISMATCH);
  }
  await expect(confirm(pool, name, reset)).rejects.toEqual(TOO_MANY);
  await forgot(pool, other);
  await confirm(pool, other, await lastCode(pool, other));
  await pool.advanceClock(3_601);
  await forgot(pool, name);
  await confirm(pool, name, await lastCode(pool, name));
});

test('a temporary password expires with the days of the pool, and RESEND makes a new one', async ({
  pool,
}) => {
  const { userPoolId: UserPoolId } = pool;
  const name = await addPerson(pool, 'hesitant');
  await pool.client.send(
    new AdminSetUserPasswordCommand({
      UserPoolId,
      Username: name,
      Password: 'temporary-1',
      Permanent: false,
    }),
  );
  await pool.advanceClock(7 * 86_400 - 60);
  expect((await signIn(pool, name, 'temporary-1')).ChallengeName).toBe('NEW_PASSWORD_REQUIRED');
  await pool.advanceClock(61);
  await expect(signIn(pool, name, 'temporary-1')).rejects.toEqual(
    refusal(
      'NotAuthorizedException',
      'Temporary password has expired and must be reset by an administrator.',
    ),
  );
  await expect(signIn(pool, name, 'wrong-password')).rejects.toEqual(
    refusal('NotAuthorizedException', 'Incorrect username or password.'),
  );
  await pool.client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username: name,
      MessageAction: 'RESEND',
      DesiredDeliveryMediums: ['EMAIL'],
    }),
  );
  const mailed = await lastCode(pool, name);
  expect((await signIn(pool, name, mailed)).ChallengeName).toBe('NEW_PASSWORD_REQUIRED');
});

test("nobody takes another holder's address", async ({ pool }) => {
  const { userPoolId: UserPoolId } = pool;
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'writes-email',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
      WriteAttributes: ['email'],
    }),
  );
  const taken = await addPerson(pool, 'holder');
  const name = await addPerson(pool, 'thief');
  const asked = await signIn(pool, name, PASSWORD, UserPoolClient?.ClientId);
  const AccessToken = asked.AuthenticationResult?.AccessToken ?? '';
  const update = (Value: string) =>
    pool.client.send(
      new UpdateUserAttributesCommand({
        AccessToken,
        UserAttributes: [{ Name: 'email', Value }],
      }),
    );
  await expect(update(taken.toUpperCase())).rejects.toEqual(
    refusal('AliasExistsException', 'An account with the given email already exists.'),
  );
  expect((await attributesOf(pool, AccessToken))['email']).toBe(name);
  await update('free@example.com');
  expect(await attributesOf(pool, AccessToken)).toMatchObject({
    email: 'free@example.com',
    email_verified: 'false',
  });
});

test('devices are not kept: there is none to list or to forget', async ({ pool }) => {
  const at = { UserPoolId: pool.userPoolId, Username: await addPerson(pool, 'one-device') };
  expect((await pool.client.send(new AdminListDevicesCommand(at))).Devices).toEqual([]);
  await expect(
    pool.client.send(new AdminForgetDeviceCommand({ ...at, DeviceKey: 'unknown' })),
  ).rejects.toEqual(refusal('ResourceNotFoundException'));
});
