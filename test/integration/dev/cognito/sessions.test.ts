import { createHmac } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminDisableUserCommand,
  AdminEnableUserCommand,
  AdminSetUserPasswordCommand,
  type AuthenticationResultType,
  CreateUserPoolClientCommand,
  ForgotPasswordCommand,
  GetTokensFromRefreshTokenCommand,
  GetUserCommand,
  GlobalSignOutCommand,
  InitiateAuthCommand,
  RevokeTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestPool, type TestPool } from '../../../support/cognito.ts';

let pool: TestPool;
let UserPoolId: string;
const PASSWORD = 'password-1';

beforeAll(async () => {
  pool = await createTestPool();
  UserPoolId = pool.userPoolId;
});
afterAll(() => pool.remove());

async function person(name: string): Promise<string> {
  const Username = `${name}@example.com`;
  const { client } = pool;
  const UserAttributes = [{ Name: 'email_verified', Value: 'true' }];
  await client.send(
    new AdminCreateUserCommand({ UserPoolId, Username, UserAttributes, MessageAction: 'SUPPRESS' }),
  );
  await client.send(
    new AdminSetUserPasswordCommand({ UserPoolId, Username, Password: PASSWORD, Permanent: true }),
  );
  return Username;
}

const refusal = (name: string, message?: RegExp) =>
  expect.objectContaining({ name, ...(message && { message: expect.stringMatching(message) }) });

async function signIn(
  USERNAME: string,
  more: Record<string, string> = {},
  ClientId = pool.clientId,
): Promise<AuthenticationResultType> {
  const answer = await pool.client.send(
    new InitiateAuthCommand({
      ClientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME, PASSWORD, ...more },
    }),
  );
  return answer.AuthenticationResult ?? {};
}

const refresh = async (RefreshToken = '', more: object = {}) => {
  const command = { ClientId: pool.clientId, RefreshToken, ...more };
  return (await pool.client.send(new GetTokensFromRefreshTokenCommand(command)))
    .AuthenticationResult;
};
const revoke = (Token = '', more: object = {}) =>
  pool.client.send(new RevokeTokenCommand({ ClientId: pool.clientId, Token, ...more }));
const whoIs = (AccessToken = '') => pool.client.send(new GetUserCommand({ AccessToken }));

test('a revoked refresh token takes its access tokens along, and no others', async () => {
  const name = await person('revoked');
  const [mine, other] = [await signIn(name), await signIn(name)];
  const renewed = await refresh(mine.RefreshToken);
  await revoke(renewed?.RefreshToken);
  await expect(refresh(renewed?.RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  for (const { AccessToken } of [mine, renewed ?? {}]) {
    await expect(whoIs(AccessToken)).rejects.toEqual(
      refusal('NotAuthorizedException', /has been revoked/),
    );
  }
  expect((await whoIs(other.AccessToken)).Username).toBeTruthy();
  await refresh(other.RefreshToken);
  await revoke(mine.RefreshToken);
});

test('a client that rotates gives a new refresh token each time, and takes the old one no more', async () => {
  const first = await signIn(await person('rotating'));
  const second = await refresh(first.RefreshToken);
  expect(second?.RefreshToken).not.toBe(first.RefreshToken);
  await expect(refresh(first.RefreshToken)).rejects.toEqual(refusal('RefreshTokenReuseException'));
  const third = await refresh(second?.RefreshToken);
  const end = (token = '') => JSON.parse(atob(token.split('.')[1] ?? '')).exp as unknown;
  expect(end(third?.RefreshToken)).toBe(end(first.RefreshToken));
  for (const { AccessToken } of [first, second ?? {}, third ?? {}]) {
    expect((await whoIs(AccessToken)).Username).toBeTruthy();
  }
  const byFlow = new InitiateAuthCommand({
    ClientId: pool.clientId,
    AuthFlow: 'REFRESH_TOKEN_AUTH',
    AuthParameters: { REFRESH_TOKEN: third?.RefreshToken ?? '' },
  });
  await expect(pool.client.send(byFlow)).rejects.toEqual(refusal('InvalidParameterException'));
});

test('a client that does not rotate keeps its refresh token', async () => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'steady',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const ClientId = UserPoolClient?.ClientId ?? '';
  const { RefreshToken } = await signIn(await person('steady'), {}, ClientId);
  expect((await refresh(RefreshToken, { ClientId }))?.RefreshToken).toBeUndefined();
  expect((await refresh(RefreshToken, { ClientId }))?.AccessToken).toBeTruthy();
});

test('a global sign-out, and a disabled user, end every session', async () => {
  const name = await person('everywhere');
  const sessions = [await signIn(name), await signIn(name)];
  await pool.client.send(new GlobalSignOutCommand({ AccessToken: sessions[0]?.AccessToken }));
  for (const { AccessToken, RefreshToken } of sessions) {
    await expect(whoIs(AccessToken)).rejects.toEqual(refusal('NotAuthorizedException'));
    await expect(refresh(RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  }
  const before = await signIn(name);
  await pool.client.send(new AdminDisableUserCommand({ UserPoolId, Username: name }));
  await expect(whoIs(before.AccessToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  await expect(signIn(name)).rejects.toEqual(refusal('NotAuthorizedException', /disabled/));
  await expect(signIn(name, { PASSWORD: 'wrong-one' })).rejects.toEqual(
    refusal('NotAuthorizedException', /Incorrect username or password/),
  );
  await pool.client.send(new AdminEnableUserCommand({ UserPoolId, Username: name }));
  await expect(refresh(before.RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));
});

test('a refresh token is of one client', async () => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'other',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const { ClientId = '' } = UserPoolClient ?? {};
  const { RefreshToken } = await signIn(await person('of-another'), {}, ClientId);
  await expect(refresh(RefreshToken)).rejects.toEqual(
    refusal('NotAuthorizedException', /Invalid Refresh Token/),
  );
  expect((await refresh(RefreshToken, { ClientId }))?.AccessToken).toBeTruthy();
});

test('a client with a secret wants its proof in every call', async () => {
  const name = await person('secretive');
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'secretive',
      GenerateSecret: true,
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const { ClientId = '', ClientSecret = '' } = UserPoolClient ?? {};
  const hash = (username: string) =>
    createHmac('sha256', ClientSecret)
      .update(username + ClientId)
      .digest('base64');
  const denied = (message: RegExp) => refusal('NotAuthorizedException', message);
  await expect(signIn(name, {}, ClientId)).rejects.toEqual(denied(/was not received/));
  const other = { SECRET_HASH: hash('somebody@example.com') };
  await expect(signIn(name, other, ClientId)).rejects.toEqual(denied(/does not match/));
  const tokens = await signIn(name, { SECRET_HASH: hash(name) }, ClientId);
  const byHash = (SECRET_HASH: string) =>
    pool.client.send(
      new InitiateAuthCommand({
        ClientId,
        AuthFlow: 'REFRESH_TOKEN_AUTH',
        AuthParameters: { REFRESH_TOKEN: tokens.RefreshToken ?? '', SECRET_HASH },
      }),
    );
  // The flow hashes over the pool's own name of the user, not over the address signed in with.
  await expect(byHash(hash(name))).rejects.toEqual(denied(/does not match/));
  const { Username = '' } = await whoIs(tokens.AccessToken);
  expect((await byHash(hash(Username))).AuthenticationResult?.AccessToken).toBeTruthy();
  await expect(refresh(tokens.RefreshToken, { ClientId })).rejects.toEqual(denied(/secret/));
  expect(
    (await refresh(tokens.RefreshToken, { ClientId, ClientSecret }))?.AccessToken,
  ).toBeTruthy();
  await expect(revoke(tokens.RefreshToken, { ClientId })).rejects.toEqual(denied(/secret/));
  await revoke(tokens.RefreshToken, { ClientId, ClientSecret });
  const forgotten = (SecretHash?: string) =>
    pool.client.send(new ForgotPasswordCommand({ ClientId, Username: name, SecretHash }));
  await expect(forgotten()).rejects.toEqual(denied(/was not received/));
  await expect(forgotten(hash('somebody@example.com'))).rejects.toEqual(denied(/does not match/));
  await forgotten(hash(name));
});

test('a careless client tells who is there, and takes only the flows it names', async () => {
  const name = await person('careless');
  const clientOf = async (more: object) => {
    const command = { UserPoolId, ClientName: 'careless', ...more };
    const made = await pool.client.send(new CreateUserPoolClientCommand(command));
    return made.UserPoolClient?.ClientId ?? '';
  };
  const telling = await clientOf({ ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'] });
  await expect(signIn('nobody@example.com', {}, telling)).rejects.toEqual(
    refusal('UserNotFoundException'),
  );
  await expect(signIn('nobody@example.com')).rejects.toEqual(refusal('NotAuthorizedException'));
  await expect(signIn(name, {}, await clientOf({}))).rejects.toEqual(
    refusal('InvalidParameterException', /flow not enabled/),
  );
});
