import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  AdminUpdateUserAttributesCommand,
  AssociateSoftwareTokenCommand,
  ChangePasswordCommand,
  ConfirmForgotPasswordCommand,
  CreateUserPoolClientCommand,
  DeleteUserPoolCommand,
  DescribeUserPoolClientCommand,
  ForgotPasswordCommand,
  GetTokensFromRefreshTokenCommand,
  GetUserAttributeVerificationCodeCommand,
  GetUserCommand,
  InitiateAuthCommand,
  ListDevicesCommand,
  ListUsersCommand,
  RespondToAuthChallengeCommand,
  SetUserMFAPreferenceCommand,
  UpdateUserAttributesCommand,
  UpdateUserPoolClientCommand,
  UpdateUserPoolCommand,
  VerifySoftwareTokenCommand,
  VerifyUserAttributeCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePool } from '../../../../dev/cognito/pool.ts';
import { totpAt } from '../../../../dev/cognito/totp.ts';
import { createTestPool, type TestPool } from '../../../support/cognito.ts';

let pool: TestPool;
let UserPoolId: string;
let ClientId: string;
const PASSWORD = 'password-1';

beforeAll(async () => {
  pool = await createTestPool();
  UserPoolId = pool.userPoolId;
  ClientId = pool.clientId;
});
afterAll(() => pool.remove());

const named = (name: string) => expect.objectContaining({ name });

/** `permanent`: the password is the user's own. */
async function person(name: string, verified: boolean, permanent = true): Promise<string> {
  const Username = `${name}@example.com`;
  const UserAttributes = [{ Name: 'email_verified', Value: String(verified) }];
  await pool.client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username,
      UserAttributes,
      MessageAction: 'SUPPRESS',
      TemporaryPassword: PASSWORD,
    }),
  );
  const own = { UserPoolId, Username, Password: PASSWORD, Permanent: true };
  if (permanent) await pool.client.send(new AdminSetUserPasswordCommand(own));
  return Username;
}

const signIn = (USERNAME: string, Password = PASSWORD, client = ClientId) =>
  pool.client.send(
    new InitiateAuthCommand({
      ClientId: client,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME, PASSWORD: Password },
    }),
  );

const accessToken = async (name: string) =>
  (await signIn(name)).AuthenticationResult?.AccessToken ?? '';

async function codeFor(email: string): Promise<string> {
  return (await pool.mail()).findLast(({ to }) => to === email)?.code ?? '';
}

async function attributes(AccessToken: string): Promise<Record<string, string | undefined>> {
  const { UserAttributes = [] } = await pool.client.send(new GetUserCommand({ AccessToken }));
  return Object.fromEntries(UserAttributes.map(({ Name, Value }) => [Name, Value]));
}

test('the challenge of a temporary password is answered once, for its user and client alone', async () => {
  const name = await person('first', true, false);
  const other = await person('first-other', true, false);
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'second',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    }),
  );
  const elsewhere = UserPoolClient?.ClientId ?? '';
  await expect(signIn(name, 'password-2')).rejects.toEqual(named('NotAuthorizedException'));
  const { ChallengeName, Session } = await signIn(name);
  expect(ChallengeName).toBe('NEW_PASSWORD_REQUIRED');
  const answer = (USERNAME: string, NEW_PASSWORD: string, client = ClientId) =>
    pool.client.send(
      new RespondToAuthChallengeCommand({
        ClientId: client,
        ChallengeName: 'NEW_PASSWORD_REQUIRED',
        Session,
        ChallengeResponses: { USERNAME, NEW_PASSWORD },
      }),
    );
  await expect(answer(other, 'chosen-by-her')).rejects.toEqual(named('NotAuthorizedException'));
  await expect(answer(name, 'chosen-by-her', elsewhere)).rejects.toEqual(
    named('NotAuthorizedException'),
  );
  await expect(answer(name, 'short')).rejects.toEqual(named('InvalidPasswordException'));
  const { AuthenticationResult } = await answer(name, 'chosen-by-her');
  await expect(answer(name, 'chosen-again')).rejects.toEqual(named('NotAuthorizedException'));
  expect((await attributes(AuthenticationResult?.AccessToken ?? ''))['email']).toBe(name);
  const { RefreshToken } = AuthenticationResult ?? {};
  const renew = new GetTokensFromRefreshTokenCommand({ ClientId, RefreshToken });
  expect((await pool.client.send(renew)).AuthenticationResult?.AccessToken).toBeTruthy();
  expect((await signIn(name, 'chosen-by-her')).ChallengeName).toBeUndefined();
});

test('a forgotten password is set with a code, once, and only where the address is verified', async () => {
  const forgot = (Username: string) =>
    pool.client.send(new ForgotPasswordCommand({ ClientId, Username }));
  const confirm = (Username: string, ConfirmationCode: string, Password = 'password-2') =>
    pool.client.send(
      new ConfirmForgotPasswordCommand({ ClientId, Username, ConfirmationCode, Password }),
    );
  await expect(forgot(await person('unverified', false))).rejects.toEqual(
    named('InvalidParameterException'),
  );
  await expect(forgot(await person('invited', true, false))).rejects.toEqual(
    named('NotAuthorizedException'),
  );
  const unknown = await forgot('nobody@example.com');
  const name = await person('forgetful', true);
  await expect(confirm(name, '')).rejects.toEqual(named('ExpiredCodeException'));
  const known = await forgot(name);
  expect(Object.keys(known.CodeDeliveryDetails ?? {})).toEqual(
    Object.keys(unknown.CodeDeliveryDetails ?? {}),
  );
  const code = await codeFor(name);
  expect(code).toMatch(/^\d{6}$/);
  const wrong = code === '000000' ? '000001' : '000000';
  await expect(confirm(name, wrong)).rejects.toEqual(named('CodeMismatchException'));
  await expect(confirm(name, code, 'short')).rejects.toEqual(named('InvalidPasswordException'));
  await confirm(name, code);
  await expect(confirm(name, code, 'password-3')).rejects.toEqual(named('ExpiredCodeException'));
  await expect(signIn(name)).rejects.toEqual(named('NotAuthorizedException'));
  expect((await signIn(name, 'password-2')).AuthenticationResult).toBeTruthy();
});

test('who changes a password proves the old one', async () => {
  const name = await person('changing', true);
  const AccessToken = await accessToken(name);
  const change = (PreviousPassword: string) =>
    pool.client.send(
      new ChangePasswordCommand({ AccessToken, PreviousPassword, ProposedPassword: 'password-2' }),
    );
  await expect(change('password-9')).rejects.toEqual(named('NotAuthorizedException'));
  await change(PASSWORD);
  expect((await signIn(name, 'password-2')).AuthenticationResult).toBeTruthy();
});

test('an address is verified with the code that was mailed to it', async () => {
  const name = await person('proving', false);
  const AccessToken = await accessToken(name);
  const verify = (Code: string) =>
    pool.client.send(new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code }));
  await expect(verify('')).rejects.toEqual(named('ExpiredCodeException'));
  await pool.client.send(
    new GetUserAttributeVerificationCodeCommand({ AccessToken, AttributeName: 'email' }),
  );
  expect((await attributes(AccessToken))['email_verified']).toBe('false');
  await expect(verify('wrong')).rejects.toEqual(named('CodeMismatchException'));
  await verify(await codeFor(name));
  expect((await attributes(AccessToken))['email_verified']).toBe('true');
  const { sub: Username } = await attributes(AccessToken);
  const change = (Name: string, Value: string) =>
    pool.client.send(
      new AdminUpdateUserAttributesCommand({
        UserPoolId,
        Username,
        UserAttributes: [{ Name, Value }],
      }),
    );
  await change('email', 'moved@example.com');
  expect(await attributes(AccessToken)).toMatchObject({
    email: 'moved@example.com',
    email_verified: 'false',
  });
  await change('email_verified', 'true');
  expect((await attributes(AccessToken))['email_verified']).toBe('true');
  await expect(change('phone_number_verified', 'true')).rejects.toEqual(
    named('InvalidParameterException'),
  );
});

test('a pool that verifies an address before it changes keeps the old one until then', async () => {
  const { client } = pool;
  const made = await makePool(client, 'verifies-first');
  const at = { UserPoolId: made.userPoolId };
  await client.send(
    new UpdateUserPoolCommand({
      ...at,
      AutoVerifiedAttributes: ['email'],
      UserAttributeUpdateSettings: { AttributesRequireVerificationBeforeUpdate: ['email'] },
    }),
  );
  const { UserPoolClient } = await client.send(
    new CreateUserPoolClientCommand({
      ...at,
      ClientName: 'writes-email',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
      WriteAttributes: ['email'],
    }),
  );
  const whom = { ...at, Username: 'old@example.com' };
  await client.send(new AdminCreateUserCommand({ ...whom, MessageAction: 'SUPPRESS' }));
  const Password = 'Password-1';
  await client.send(new AdminSetUserPasswordCommand({ ...whom, Password, Permanent: true }));
  const { AuthenticationResult } = await signIn(whom.Username, Password, UserPoolClient?.ClientId);
  const AccessToken = AuthenticationResult?.AccessToken ?? '';
  const UserAttributes = [{ Name: 'email', Value: 'new@example.com' }];
  await client.send(new UpdateUserAttributesCommand({ AccessToken, UserAttributes }));
  expect((await attributes(AccessToken))['email']).toBe('old@example.com');
  const mail = await fetch(`${pool.endpoint}/_sandbox/mail?pool=${made.userPoolId}`);
  const { items } = (await mail.json()) as { items: { to: string; code: string }[] };
  expect(items.map(({ to }) => to)).toEqual(['new@example.com']);
  await client.send(
    new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code: items[0]?.code }),
  );
  expect(await attributes(AccessToken)).toMatchObject({
    email: 'new@example.com',
    email_verified: 'true',
  });
  await client.send(new DeleteUserPoolCommand(at));
});

test('an authenticator that was verified is asked for after the password', async () => {
  const name = await person('two-factors', true);
  const AccessToken = await accessToken(name);
  const prefer = () =>
    pool.client.send(
      new SetUserMFAPreferenceCommand({ AccessToken, SoftwareTokenMfaSettings: { Enabled: true } }),
    );
  const { SecretCode = '' } = await pool.client.send(
    new AssociateSoftwareTokenCommand({ AccessToken }),
  );
  await expect(prefer()).rejects.toEqual(named('InvalidParameterException'));
  const codes = [-1, 0, 1, 2].map((step) => totpAt(SecretCode, Date.now() + step * 30_000));
  const candidates = ['111111', '222222', '333333', '444444', '555555'];
  const wrong = candidates.find((code) => !codes.includes(code)) ?? '';
  const verify = (UserCode?: string) =>
    pool.client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode }));
  await expect(verify(wrong)).rejects.toEqual(named('EnableSoftwareTokenMFAException'));
  await verify(codes[1]);
  await prefer();
  const { ChallengeName, Session } = await signIn(name);
  expect(ChallengeName).toBe('SOFTWARE_TOKEN_MFA');
  const answer = (more: Record<string, string>, challenge = ChallengeName) =>
    pool.client.send(
      new RespondToAuthChallengeCommand({
        ClientId,
        ChallengeName: challenge,
        Session,
        ChallengeResponses: { USERNAME: name, ...more },
      }),
    );
  await expect(answer({ NEW_PASSWORD: 'password-2' }, 'NEW_PASSWORD_REQUIRED')).rejects.toEqual(
    named('NotAuthorizedException'),
  );
  await expect(answer({ SOFTWARE_TOKEN_MFA_CODE: wrong })).rejects.toEqual(
    named('CodeMismatchException'),
  );
  const right = { SOFTWARE_TOKEN_MFA_CODE: totpAt(SecretCode, Date.now()) };
  expect((await answer(right)).AuthenticationResult?.AccessToken).toBeTruthy();
  await expect(answer(right)).rejects.toEqual(named('NotAuthorizedException'));
});

test('users are found by address without case, by status and by the beginning of a name', async () => {
  await person('Findable', true);
  await person('findable-2', true, false);
  const find = async (Filter: string) => {
    const { Users = [] } = await pool.client.send(new ListUsersCommand({ UserPoolId, Filter }));
    return Users.flatMap(({ Attributes = [] }) =>
      Attributes.filter(({ Name }) => Name === 'email').map(({ Value }) => Value),
    );
  };
  expect(await find('email = "FINDABLE@example.com"')).toEqual(['findable@example.com']);
  expect(await find('email ^= "findable"')).toHaveLength(2);
  expect(await find('cognito:user_status = "force_change_password"')).toContain(
    'findable-2@example.com',
  );
  expect(await find('status = "Disabled"')).toEqual([]);
  await expect(find('custom:registration_id = "1"')).rejects.toEqual(
    named('InvalidParameterException'),
  );
  await expect(find('email')).rejects.toEqual(named('InvalidParameterException'));
});

test('a client that is updated keeps its name and secret, and nothing that is not named', async () => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'updated',
      GenerateSecret: true,
      WriteAttributes: ['email'],
    }),
  );
  const at = { UserPoolId, ClientId: UserPoolClient?.ClientId };
  await pool.client.send(new UpdateUserPoolClientCommand({ ...at, AccessTokenValidity: 2 }));
  const after = await pool.client.send(new DescribeUserPoolClientCommand(at));
  expect(after.UserPoolClient).toMatchObject({
    ClientName: 'updated',
    ClientSecret: UserPoolClient?.ClientSecret,
    AccessTokenValidity: 2,
  });
  expect(after.UserPoolClient?.WriteAttributes).toBeUndefined();
});

test('a deleted pool takes its clients along', async () => {
  const made = await makePool(pool.client, 'short-lived');
  await pool.client.send(new DeleteUserPoolCommand({ UserPoolId: made.userPoolId }));
  await expect(signIn('nobody@example.com', PASSWORD, made.clientId)).rejects.toEqual(
    named('ResourceNotFoundException'),
  );
});

test('an operation that the sandbox lacks is refused by name', async () => {
  const AccessToken = await accessToken(await person('asking', true));
  await expect(pool.client.send(new ListDevicesCommand({ AccessToken }))).rejects.toMatchObject({
    name: 'UnsupportedOperationException',
    message: expect.stringContaining('ListDevices') as unknown,
  });
});
