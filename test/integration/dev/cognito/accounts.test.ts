import {
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminSetUserPasswordCommand,
  AdminUpdateUserAttributesCommand,
  ChangePasswordCommand,
  CreateUserPoolClientCommand,
  DeleteUserPoolCommand,
  DescribeUserPoolClientCommand,
  GetUserAttributeVerificationCodeCommand,
  ListDevicesCommand,
  ListUsersCommand,
  UpdateUserAttributesCommand,
  UpdateUserPoolClientCommand,
  UpdateUserPoolCommand,
  VerifyUserAttributeCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePool } from '../../../../dev/cognito/pool.ts';
import { createTestPool, type TestPool } from '../../../support/cognito.ts';
import {
  addPerson,
  attributesOf,
  lastCode,
  PASSWORD,
  signIn as signInAt,
  tokensOf,
} from '../../../support/pool-people.ts';

let pool: TestPool;
let UserPoolId: string;
let ClientId: string;

beforeAll(async () => {
  pool = await createTestPool();
  UserPoolId = pool.userPoolId;
  ClientId = pool.clientId;
});
afterAll(() => pool.remove());

const named = (name: string) => expect.objectContaining({ name });

/** `permanent`: the password is the user's own. */
const person = (name: string, verified: boolean, permanent = true) =>
  addPerson(pool, name, { verified, temporary: !permanent });

const signIn = (name: string, password = PASSWORD, client = ClientId) =>
  signInAt(pool, name, password, client);

const accessToken = async (name: string) => (await tokensOf(pool, name)).AccessToken;

const codeFor = (email: string) => lastCode(pool, email);

const attributes = (AccessToken: string) => attributesOf(pool, AccessToken);

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
  const verify = () =>
    client.send(
      new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code: items[0]?.code }),
    );
  const faster = { ...at, Username: 'new@example.com' };
  await client.send(new AdminCreateUserCommand({ ...faster, MessageAction: 'SUPPRESS' }));
  await expect(verify()).rejects.toEqual(named('AliasExistsException'));
  await client.send(new AdminDeleteUserCommand(faster));
  await verify();
  expect(await attributes(AccessToken)).toMatchObject({
    email: 'new@example.com',
    email_verified: 'true',
  });
  await client.send(new DeleteUserPoolCommand(at));
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
