import { createHmac } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminDisableUserCommand,
  AdminEnableUserCommand,
  AdminSetUserPasswordCommand,
  AdminUserGlobalSignOutCommand,
  type AuthenticationResultType,
  CreateUserPoolClientCommand,
  type ExplicitAuthFlowsType,
  ForgotPasswordCommand,
  GetTokensFromRefreshTokenCommand,
  GetUserCommand,
  GlobalSignOutCommand,
  InitiateAuthCommand,
  RevokeTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { type TestPool } from '../../../support/cognito.ts';
import { test } from '../../../support/base-test.ts';

let UserPoolId: string;
const PASSWORD = 'password-1';

test.beforeAll(async ({ pool }) => {
  UserPoolId = pool.userPoolId;
});

async function person(pool: TestPool, name: string): Promise<string> {
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
  pool: TestPool,
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

const refresh = async (pool: TestPool, RefreshToken = '', more: object = {}) => {
  const command = { ClientId: pool.clientId, RefreshToken, ...more };
  return (await pool.client.send(new GetTokensFromRefreshTokenCommand(command)))
    .AuthenticationResult;
};
const revoke = (pool: TestPool, Token = '', more: object = {}) =>
  pool.client.send(new RevokeTokenCommand({ ClientId: pool.clientId, Token, ...more }));
const whoIs = (pool: TestPool, AccessToken = '') =>
  pool.client.send(new GetUserCommand({ AccessToken }));

test('revoking a refresh token ends its access tokens and no others', async ({ pool }) => {
  const name = await person(pool, 'revoked');
  const [mine, other] = [await signIn(pool, name), await signIn(pool, name)];
  const renewed = await refresh(pool, mine.RefreshToken);
  await revoke(pool, renewed?.RefreshToken);
  await expect(refresh(pool, renewed?.RefreshToken)).rejects.toEqual(
    refusal('NotAuthorizedException'),
  );
  for (const { AccessToken } of [mine, renewed ?? {}]) {
    await expect(whoIs(pool, AccessToken)).rejects.toEqual(
      refusal('NotAuthorizedException', /has been revoked/),
    );
  }
  expect((await whoIs(pool, other.AccessToken)).Username).toBeTruthy();
  await refresh(pool, other.RefreshToken);
  await revoke(pool, mine.RefreshToken);
});

test('a client with rotation gets a new refresh token each time, and the old one stops working', async ({
  pool,
}) => {
  const first = await signIn(pool, await person(pool, 'rotating'));
  const second = await refresh(pool, first.RefreshToken);
  expect(second?.RefreshToken).not.toBe(first.RefreshToken);
  await expect(refresh(pool, first.RefreshToken)).rejects.toEqual(
    refusal('RefreshTokenReuseException'),
  );
  const third = await refresh(pool, second?.RefreshToken);
  const end = (token = '') => JSON.parse(atob(token.split('.')[1] ?? '')).exp as unknown;
  expect(end(third?.RefreshToken)).toBe(end(first.RefreshToken));
  for (const { AccessToken } of [first, second ?? {}, third ?? {}]) {
    expect((await whoIs(pool, AccessToken)).Username).toBeTruthy();
  }
  const byFlow = new InitiateAuthCommand({
    ClientId: pool.clientId,
    AuthFlow: 'REFRESH_TOKEN_AUTH',
    AuthParameters: { REFRESH_TOKEN: third?.RefreshToken ?? '' },
  });
  await expect(pool.client.send(byFlow)).rejects.toEqual(refusal('InvalidParameterException'));
});

test('within the grace period of its client a rotated token works again, and not after it', async ({
  pool,
}) => {
  const clientWith = async (RetryGracePeriodSeconds: number, ...flows: ExplicitAuthFlowsType[]) => {
    const { UserPoolClient } = await pool.client.send(
      new CreateUserPoolClientCommand({
        UserPoolId,
        ClientName: 'graceful',
        ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', ...flows],
        RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds },
      }),
    );
    return UserPoolClient?.ClientId ?? '';
  };
  const ClientId = await clientWith(30);
  const first = await signIn(pool, await person(pool, 'graceful'), {}, ClientId);
  const renew = (RefreshToken?: string) => refresh(pool, RefreshToken, { ClientId });
  const second = await renew(first.RefreshToken);
  await pool.advanceClock(20);
  // The answer may have been lost: both tokens that came of the first one live.
  const retried = await renew(first.RefreshToken);
  await pool.advanceClock(11);
  await expect(renew(first.RefreshToken)).rejects.toEqual(refusal('RefreshTokenReuseException'));
  for (const token of [second, retried]) {
    expect((await renew(token?.RefreshToken))?.RefreshToken).toBeTruthy();
  }
  const { RefreshToken, AccessToken } = (await renew(second?.RefreshToken)) ?? {};
  await revoke(pool, RefreshToken, { ClientId });
  await expect(whoIs(pool, AccessToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  await expect(renew(second?.RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));

  const invalid = refusal('InvalidParameterException');
  await expect(clientWith(61)).rejects.toEqual(invalid);
  await expect(clientWith(0, 'ALLOW_REFRESH_TOKEN_AUTH')).rejects.toEqual(invalid);
});

test('tokens end with the validity that their client gives them', async ({ pool }) => {
  const { RefreshToken, AccessToken } = await signIn(pool, await person(pool, 'aging'));
  await pool.advanceClock(30 * 60 + 1);
  await expect(whoIs(pool, AccessToken)).rejects.toEqual(
    refusal('NotAuthorizedException', /has expired/),
  );
  const renewed = await refresh(pool, RefreshToken);
  expect((await whoIs(pool, renewed?.AccessToken)).Username).toBeTruthy();
  await pool.advanceClock(7 * 86_400);
  await expect(refresh(pool, renewed?.RefreshToken)).rejects.toEqual(
    refusal('NotAuthorizedException', /Refresh Token has expired/),
  );
});

test('an administrator ends every session, and a new one begins with a sign-in', async ({
  pool,
}) => {
  const name = await person(pool, 'ended');
  const { AccessToken, RefreshToken } = await signIn(pool, name);
  await pool.client.send(new AdminUserGlobalSignOutCommand({ UserPoolId, Username: name }));
  await expect(whoIs(pool, AccessToken)).rejects.toEqual(
    refusal('NotAuthorizedException', /has been revoked/),
  );
  await expect(refresh(pool, RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  expect((await whoIs(pool, (await signIn(pool, name)).AccessToken)).Username).toBeTruthy();
});

test('a client that does not rotate keeps its refresh token', async ({ pool }) => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'steady',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const ClientId = UserPoolClient?.ClientId ?? '';
  const { RefreshToken } = await signIn(pool, await person(pool, 'steady'), {}, ClientId);
  expect((await refresh(pool, RefreshToken, { ClientId }))?.RefreshToken).toBeUndefined();
  expect((await refresh(pool, RefreshToken, { ClientId }))?.AccessToken).toBeTruthy();
});

test('a global sign-out or disabling the user ends every session', async ({ pool }) => {
  const name = await person(pool, 'everywhere');
  const sessions = [await signIn(pool, name), await signIn(pool, name)];
  await pool.client.send(new GlobalSignOutCommand({ AccessToken: sessions[0]?.AccessToken }));
  for (const { AccessToken, RefreshToken } of sessions) {
    await expect(whoIs(pool, AccessToken)).rejects.toEqual(refusal('NotAuthorizedException'));
    await expect(refresh(pool, RefreshToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  }
  const before = await signIn(pool, name);
  await pool.client.send(new AdminDisableUserCommand({ UserPoolId, Username: name }));
  await expect(whoIs(pool, before.AccessToken)).rejects.toEqual(refusal('NotAuthorizedException'));
  await expect(signIn(pool, name)).rejects.toEqual(refusal('NotAuthorizedException', /disabled/));
  await expect(signIn(pool, name, { PASSWORD: 'wrong-one' })).rejects.toEqual(
    refusal('NotAuthorizedException', /Incorrect username or password/),
  );
  await pool.client.send(new AdminEnableUserCommand({ UserPoolId, Username: name }));
  await expect(refresh(pool, before.RefreshToken)).rejects.toEqual(
    refusal('NotAuthorizedException'),
  );
});

test('a refresh token works only for the client that it was issued to', async ({ pool }) => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId,
      ClientName: 'other',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const { ClientId = '' } = UserPoolClient ?? {};
  const { RefreshToken } = await signIn(pool, await person(pool, 'of-another'), {}, ClientId);
  await expect(refresh(pool, RefreshToken)).rejects.toEqual(
    refusal('NotAuthorizedException', /Invalid Refresh Token/),
  );
  expect((await refresh(pool, RefreshToken, { ClientId }))?.AccessToken).toBeTruthy();
});

test('a client with a secret requires its proof in every call', async ({ pool }) => {
  const name = await person(pool, 'secretive');
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
  await expect(signIn(pool, name, {}, ClientId)).rejects.toEqual(denied(/was not received/));
  const other = { SECRET_HASH: hash('somebody@example.com') };
  await expect(signIn(pool, name, other, ClientId)).rejects.toEqual(denied(/does not match/));
  const tokens = await signIn(pool, name, { SECRET_HASH: hash(name) }, ClientId);
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
  const { Username = '' } = await whoIs(pool, tokens.AccessToken);
  expect((await byHash(hash(Username))).AuthenticationResult?.AccessToken).toBeTruthy();
  await expect(refresh(pool, tokens.RefreshToken, { ClientId })).rejects.toEqual(denied(/secret/));
  expect(
    (await refresh(pool, tokens.RefreshToken, { ClientId, ClientSecret }))?.AccessToken,
  ).toBeTruthy();
  await expect(revoke(pool, tokens.RefreshToken, { ClientId })).rejects.toEqual(denied(/secret/));
  await revoke(pool, tokens.RefreshToken, { ClientId, ClientSecret });
  const forgotten = (SecretHash?: string) =>
    pool.client.send(new ForgotPasswordCommand({ ClientId, Username: name, SecretHash }));
  await expect(forgotten()).rejects.toEqual(denied(/was not received/));
  await expect(forgotten(hash('somebody@example.com'))).rejects.toEqual(denied(/does not match/));
  await forgotten(hash(name));
});

test('a client without error hiding tells which users exist, and accepts only its own flows', async ({
  pool,
}) => {
  const name = await person(pool, 'careless');
  const clientOf = async (more: object) => {
    const command = { UserPoolId, ClientName: 'careless', ...more };
    const made = await pool.client.send(new CreateUserPoolClientCommand(command));
    return made.UserPoolClient?.ClientId ?? '';
  };
  const telling = await clientOf({ ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'] });
  await expect(signIn(pool, 'nobody@example.com', {}, telling)).rejects.toEqual(
    refusal('UserNotFoundException'),
  );
  await expect(signIn(pool, 'nobody@example.com')).rejects.toEqual(
    refusal('NotAuthorizedException'),
  );
  await expect(signIn(pool, name, {}, await clientOf({}))).rejects.toEqual(
    refusal('InvalidParameterException', /flow not enabled/),
  );
});
