import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  AdminRemoveUserFromGroupCommand,
  AdminSetUserPasswordCommand,
  CreateGroupCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  DeleteUserAttributesCommand,
  DeleteUserPoolCommand,
  DescribeUserPoolClientCommand,
  DescribeUserPoolCommand,
  InitiateAuthCommand,
  ListGroupsCommand,
  ListUsersCommand,
  ListUsersInGroupCommand,
  SignUpCommand,
  UpdateUserAttributesCommand,
  UpdateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { JwtVerifier } from 'aws-jwt-verify';
import type { Jwks } from 'aws-jwt-verify/jwk';
import { expect } from 'vitest';
import { makePool } from '../../../../dev/cognito/pool.ts';
import { type TestPool } from '../../../support/cognito.ts';
import { test } from '../../../support/base-test.ts';

let UserPoolId: string;

test.beforeAll(async ({ pool }) => {
  UserPoolId = pool.userPoolId;
});

const create = (pool: TestPool, Username: string, more: object = {}) =>
  pool.client.send(
    new AdminCreateUserCommand({ UserPoolId, Username, MessageAction: 'SUPPRESS', ...more }),
  );

const named = (name: string) => expect.objectContaining({ name });

test('users are found by e-mail in any case, and the username is a generated id', async ({
  pool,
}) => {
  const { User } = await create(pool, 'Ada@Example.com', {
    UserAttributes: [
      { Name: 'email', Value: 'Ada@Example.com' },
      { Name: 'custom:registration_id', Value: 'r-1' },
    ],
  });
  const sub = User?.Attributes?.find(({ Name }) => Name === 'sub')?.Value;
  expect(User?.Username).toBe(sub);
  await expect(create(pool, 'ada@example.com')).rejects.toEqual(named('UsernameExistsException'));
  for (const Username of ['ADA@example.com', sub]) {
    const found = await pool.client.send(new AdminGetUserCommand({ UserPoolId, Username }));
    expect(found.Username).toBe(sub);
    expect(found.UserAttributes).toContainEqual({ Name: 'custom:registration_id', Value: 'r-1' });
  }
});

test('fifty creates of one address at once make one user', async ({ pool }) => {
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) =>
      create(pool, i % 2 ? 'Many@example.com' : 'many@example.com'),
    ),
  );
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const { Users } = await pool.client.send(
    new ListUsersCommand({ UserPoolId, Filter: 'email="MANY@example.com"' }),
  );
  expect(Users).toHaveLength(1);
});

test('an unknown attribute or an invalid address makes no user', async ({ pool }) => {
  const refused = named('InvalidParameterException');
  const UserAttributes = [{ Name: 'custom:other', Value: 'x' }];
  await expect(create(pool, 'schema@example.com', { UserAttributes })).rejects.toEqual(refused);
  await expect(create(pool, 'no-address')).rejects.toEqual(refused);
  await expect(
    pool.client.send(new AdminGetUserCommand({ UserPoolId, Username: 'schema@example.com' })),
  ).rejects.toEqual(named('UserNotFoundException'));
});

test('RESEND mails a new temporary password, only while the first one is not used', async ({
  pool,
}) => {
  const resend = (Username: string) =>
    create(pool, Username, { MessageAction: 'RESEND', DesiredDeliveryMediums: ['EMAIL'] });
  await expect(resend('nobody@example.com')).rejects.toEqual(named('UserNotFoundException'));
  const { User } = await create(pool, 'invited@example.com');
  expect((await pool.mail()).filter(({ to }) => to === 'invited@example.com')).toHaveLength(0);
  expect((await resend('Invited@example.com')).User?.Username).toBe(User?.Username);
  await resend('invited@example.com');
  const mail = (await pool.mail()).filter(({ to }) => to === 'invited@example.com');
  expect(mail).toHaveLength(2);
  expect(mail[0]?.code).not.toBe(mail[1]?.code);
  const signIn = await pool.client.send(
    new InitiateAuthCommand({
      ClientId: pool.clientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: 'invited@example.com', PASSWORD: mail[1]?.code ?? '' },
    }),
  );
  expect(signIn.ChallengeName).toBe('NEW_PASSWORD_REQUIRED');
  await setPassword(pool, 'invited@example.com', 'chosen-by-her');
  await expect(resend('invited@example.com')).rejects.toEqual(
    named('UnsupportedUserStateException'),
  );
});

const setPassword = (pool: TestPool, Username: string, Password: string) =>
  pool.client.send(
    new AdminSetUserPasswordCommand({ UserPoolId, Username, Password, Permanent: true }),
  );

test('the pool asks for eight characters and nothing else', async ({ pool }) => {
  await create(pool, 'short@example.com');
  await expect(setPassword(pool, 'short@example.com', 'seven77')).rejects.toEqual(
    named('InvalidPasswordException'),
  );
  await setPassword(pool, 'short@example.com', 'eight888');
});

test('a missing group and a missing user are different errors', async ({ pool }) => {
  await create(pool, 'grouped@example.com');
  const add = (Username: string, GroupName: string) =>
    pool.client.send(new AdminAddUserToGroupCommand({ UserPoolId, Username, GroupName }));
  await expect(add('grouped@example.com', 'no-such-role')).rejects.toEqual(
    named('ResourceNotFoundException'),
  );
  await expect(add('nobody@example.com', 'viewer')).rejects.toEqual(named('UserNotFoundException'));
  await Promise.all(
    ['viewer', 'researcher', 'viewer'].map((role) => add('grouped@example.com', role)),
  );
  const rolesOf = async (Username: string) => {
    const command = new AdminListGroupsForUserCommand({ UserPoolId, Username });
    return (await pool.client.send(command)).Groups?.map(({ GroupName }) => GroupName).toSorted();
  };
  expect(await rolesOf('Grouped@example.com')).toEqual(['researcher', 'viewer']);
  await pool.client.send(
    new AdminRemoveUserFromGroupCommand({
      UserPoolId,
      Username: 'grouped@example.com',
      GroupName: 'viewer',
    }),
  );
  expect(await rolesOf('grouped@example.com')).toEqual(['researcher']);
});

test('deleting a user removes its memberships, and a second deletion finds no user', async ({
  pool,
}) => {
  await create(pool, 'gone@example.com');
  const whom = { UserPoolId, Username: 'gone@example.com' };
  await pool.client.send(new AdminAddUserToGroupCommand({ ...whom, GroupName: 'manager' }));
  await pool.client.send(new AdminDeleteUserCommand(whom));
  await expect(pool.client.send(new AdminDeleteUserCommand(whom))).rejects.toEqual(
    named('UserNotFoundException'),
  );
  const members = await pool.client.send(
    new ListUsersInGroupCommand({ UserPoolId, GroupName: 'manager' }),
  );
  expect(members.Users).toEqual([]);
});

test('an unknown pool is ResourceNotFoundException', async ({ pool }) => {
  await expect(
    pool.client.send(new DescribeUserPoolCommand({ UserPoolId: 'local_nowhere' })),
  ).rejects.toEqual(named('ResourceNotFoundException'));
});

test('pool, client and roles have the settings that setup asks for', async ({ pool }) => {
  const { UserPool } = await pool.client.send(new DescribeUserPoolCommand({ UserPoolId }));
  expect(UserPool).toMatchObject({
    UsernameAttributes: ['email'],
    UsernameConfiguration: { CaseSensitive: false },
  });
  expect(UserPool?.SchemaAttributes).toContainEqual(
    expect.objectContaining({ Name: 'custom:registration_id', Mutable: true }),
  );
  const { UserPoolClient } = await pool.client.send(
    new DescribeUserPoolClientCommand({ UserPoolId, ClientId: pool.clientId }),
  );
  expect(UserPoolClient).toMatchObject({
    AccessTokenValidity: 30,
    RefreshTokenValidity: 7,
    TokenValidityUnits: { AccessToken: 'minutes', RefreshToken: 'days' },
  });
  expect(UserPoolClient?.WriteAttributes).toEqual(['given_name', 'family_name', 'locale']);
  expect(UserPoolClient?.RefreshTokenRotation).toMatchObject({ Feature: 'ENABLED' });
  const first = await pool.client.send(new ListGroupsCommand({ UserPoolId, Limit: 3 }));
  const second = await pool.client.send(
    new ListGroupsCommand({ UserPoolId, Limit: 3, NextToken: first.NextToken }),
  );
  const names = [...(first.Groups ?? []), ...(second.Groups ?? [])].map((g) => g.GroupName);
  expect(names).toEqual(['admin', 'manager', 'researcher', 'viewer']);
  expect(second.NextToken).toBeUndefined();
  await expect(
    pool.client.send(new CreateGroupCommand({ UserPoolId, GroupName: 'admin' })),
  ).rejects.toEqual(named('GroupExistsException'));
});

test('a token names issuer, client and roles, verifies, and cannot write mark, e-mail or username', async ({
  pool,
}) => {
  await create(pool, 'token@example.com');
  await setPassword(pool, 'token@example.com', 'password-1');
  const whom = { UserPoolId, Username: 'token@example.com' };
  await pool.client.send(new AdminAddUserToGroupCommand({ ...whom, GroupName: 'viewer' }));
  const signIn = (password: string) =>
    pool.client.send(
      new InitiateAuthCommand({
        ClientId: pool.clientId,
        AuthFlow: 'USER_PASSWORD_AUTH',
        AuthParameters: { USERNAME: 'Token@example.com', PASSWORD: password },
      }),
    );
  await expect(signIn('password-2')).rejects.toEqual(named('NotAuthorizedException'));
  const { AuthenticationResult } = await signIn('password-1');
  expect(AuthenticationResult).toMatchObject({ ExpiresIn: 1800, TokenType: 'Bearer' });
  const AccessToken = AuthenticationResult?.AccessToken ?? '';
  const verifier = JwtVerifier.create({ issuer: pool.issuer, audience: null });
  // Its own fetcher speaks nothing but https.
  verifier.cacheJwks((await (await fetch(pool.jwksUrl)).json()) as Jwks);
  expect(await verifier.verify(AccessToken)).toMatchObject({
    client_id: pool.clientId,
    token_use: 'access',
    'cognito:groups': ['viewer'],
  });
  expect(await verifier.verify(await pool.token({ scope: 'registrar/write' }))).toMatchObject({
    scope: 'registrar/write',
  });
  const write = (Name: string, Value: string) =>
    pool.client.send(
      new UpdateUserAttributesCommand({ AccessToken, UserAttributes: [{ Name, Value }] }),
    );
  const guarded = ['custom:registration_id', 'email', 'email_verified', 'preferred_username'];
  for (const Name of guarded) {
    await expect(write(Name, 'thief@example.com')).rejects.toEqual(named('NotAuthorizedException'));
    const removal = { AccessToken, UserAttributeNames: [Name] };
    await expect(pool.client.send(new DeleteUserAttributesCommand(removal))).rejects.toEqual(
      named('NotAuthorizedException'),
    );
  }
  await write('given_name', 'Ada');
  const { UserAttributes } = await pool.client.send(new AdminGetUserCommand(whom));
  expect(UserAttributes).toContainEqual({ Name: 'email', Value: 'token@example.com' });
  expect(UserAttributes).toContainEqual({ Name: 'given_name', Value: 'Ada' });
});

test('every client may write the attributes that the pool requires, as at AWS', async ({
  pool,
}) => {
  const { client } = pool;
  const { UserPool } = await client.send(
    new CreateUserPoolCommand({
      PoolName: 'requires-email',
      UsernameAttributes: ['email'],
      Schema: [{ Name: 'email', Required: true, Mutable: true }],
    }),
  );
  const at = { UserPoolId: UserPool?.Id, Username: 'required@example.com' };
  const { UserPoolClient } = await client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: at.UserPoolId,
      ClientName: 'narrow',
      WriteAttributes: ['given_name'],
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    }),
  );
  await client.send(new AdminCreateUserCommand({ ...at, MessageAction: 'SUPPRESS' }));
  const Password = 'Password-1';
  await client.send(new AdminSetUserPasswordCommand({ ...at, Password, Permanent: true }));
  const { AuthenticationResult } = await client.send(
    new InitiateAuthCommand({
      ClientId: UserPoolClient?.ClientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: at.Username, PASSWORD: Password },
    }),
  );
  const AccessToken = AuthenticationResult?.AccessToken;
  const write = (Name: string, Value: string) =>
    client.send(
      new UpdateUserAttributesCommand({ AccessToken, UserAttributes: [{ Name, Value }] }),
    );
  await write('email', 'other@example.com');
  await expect(write('family_name', 'X')).rejects.toEqual(named('NotAuthorizedException'));
  await client.send(new DeleteUserPoolCommand({ UserPoolId: at.UserPoolId }));
});

test('self sign-up is refused in a pool whose users only administrators create', async ({
  pool,
}) => {
  await expect(
    pool.client.send(
      new SignUpCommand({
        ClientId: pool.clientId,
        Username: 'uninvited@example.com',
        Password: 'password-1',
      }),
    ),
  ).rejects.toEqual(named('NotAuthorizedException'));
});

test('a pool that is protected is not deleted until its protection ends', async ({ pool }) => {
  const { client } = pool;
  const made = await makePool(client, 'protected', { lasting: true });
  const at = { UserPoolId: made.userPoolId };
  expect(made.clientSecret).toBeTruthy();
  const remove = () => client.send(new DeleteUserPoolCommand(at));
  await expect(remove()).rejects.toEqual(named('InvalidParameterException'));
  expect((await client.send(new DescribeUserPoolCommand(at))).UserPool).toMatchObject({
    DeletionProtection: 'ACTIVE',
    MfaConfiguration: 'OPTIONAL',
  });
  await client.send(new UpdateUserPoolCommand({ ...at, DeletionProtection: 'INACTIVE' }));
  await remove();
});

test('a request to a foreign host reaches neither the service nor the control, nor the keys', async ({
  pool,
}) => {
  const { port } = new URL(pool.endpoint);
  const ask = async (host: string, method: string, path: string, body = '') => {
    const headers = { host, 'x-amz-target': path === '/' ? TARGET : [] };
    const asked = request({ port, host: '127.0.0.1', method, path, headers });
    const [answer] = (await once(asked.end(body), 'response')) as [IncomingMessage];
    return { status: answer.statusCode, text: await text(answer) };
  };
  const TARGET = 'AWSCognitoIdentityProviderService.DescribeUserPool';
  const calls = [
    ['POST', '/', JSON.stringify({ UserPoolId })],
    ['POST', `/_sandbox/tokens?pool=${UserPoolId}`, '{}'],
    ['GET', `/_sandbox/mail?pool=${UserPoolId}`],
    ['GET', `/${UserPoolId}/.well-known/jwks.json`],
  ] as const;
  for (const [method, path, body] of calls) {
    for (const host of ['rebound.example', `rebound.example:${port}`, '192.0.2.7']) {
      expect(await ask(host, method, path, body)).toEqual({
        status: 403,
        text: expect.stringContaining('answers only to loopback names') as unknown,
      });
    }
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
      expect(await ask(host, method, path, body)).toMatchObject({ status: 200 });
    }
  }
});
