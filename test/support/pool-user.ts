import {
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  AdminRemoveUserFromGroupCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { TestPool } from './cognito.ts';

type Pool = Pick<TestPool, 'client' | 'userPoolId'>;

/** Makes a user behind Registrar's back; with a mark where one is given. */
export async function addUser(
  pool: Pool,
  email: string,
  { mark, role }: { readonly mark?: string; readonly role?: string } = {},
): Promise<void> {
  const at = { UserPoolId: pool.userPoolId, Username: email };
  await pool.client.send(
    new AdminCreateUserCommand({
      ...at,
      MessageAction: 'SUPPRESS',
      UserAttributes: [
        { Name: 'email', Value: email },
        { Name: 'given_name', Value: 'Somebody' },
        ...(mark === undefined ? [] : [{ Name: 'custom:registration_id', Value: mark }]),
      ],
    }),
  );
  if (role !== undefined) {
    await pool.client.send(new AdminAddUserToGroupCommand({ ...at, GroupName: role }));
  }
}

/** The sub of a user. */
export async function userIdOf({ client, userPoolId }: Pool, email: string): Promise<string> {
  const at = { UserPoolId: userPoolId, Username: email };
  const { UserAttributes = [] } = await client.send(new AdminGetUserCommand(at));
  return UserAttributes.find(({ Name }) => Name === 'sub')?.Value ?? '';
}

export async function removeUser(pool: Pool, email: string): Promise<void> {
  await pool.client.send(
    new AdminDeleteUserCommand({ UserPoolId: pool.userPoolId, Username: email }),
  );
}

export async function addRole(pool: Pool, email: string, role: string): Promise<void> {
  await pool.client.send(
    new AdminAddUserToGroupCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      GroupName: role,
    }),
  );
}

export async function removeRole(pool: Pool, email: string, role: string): Promise<void> {
  await pool.client.send(
    new AdminRemoveUserFromGroupCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      GroupName: role,
    }),
  );
}

/** Everything the pool says of a user and its roles, to compare byte for byte. */
export async function portrait(pool: Pool, email: string): Promise<string> {
  const at = { UserPoolId: pool.userPoolId, Username: email };
  const user = await pool.client.send(new AdminGetUserCommand(at));
  const groups = await pool.client.send(new AdminListGroupsForUserCommand(at));
  const { $metadata: _of, ...same } = user;
  // A group's own date changes with every other member.
  return JSON.stringify({ same, groups: groups.Groups?.map(({ GroupName }) => GroupName) });
}
