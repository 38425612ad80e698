import {
  AdminAddUserToGroupCommand,
  AdminDeleteUserCommand,
  AdminDisableUserCommand,
  AdminEnableUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  AdminRemoveUserFromGroupCommand,
  AdminUserGlobalSignOutCommand,
  GetTokensFromRefreshTokenCommand,
  ListUsersCommand,
  ListUsersInGroupCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect, vi } from 'vitest';
import { test } from '../../../support/base-test.ts';
import type { TestPool } from '../../../support/cognito.ts';
import { addPerson, attributesOf, tokensOf } from '../../../support/pool-people.ts';

const LAG_MS = 60_000;

test.afterEach(({ pool }) => pool.clearFaults());

/** Calls about one user of a pool, and what each list says of the user. */
function administration({ client, userPoolId: UserPoolId }: TestPool, Username: string) {
  const at = { UserPoolId, Username };
  const inGroup = async (GroupName: string) => {
    const { Users = [] } = await client.send(
      new ListUsersInGroupCommand({ UserPoolId, GroupName }),
    );
    return Users.find(({ Attributes }) => Attributes?.some(({ Value }) => Value === Username));
  };
  return {
    add: (GroupName: string) => client.send(new AdminAddUserToGroupCommand({ ...at, GroupName })),
    remove: (GroupName: string) =>
      client.send(new AdminRemoveUserFromGroupCommand({ ...at, GroupName })),
    disable: () => client.send(new AdminDisableUserCommand(at)),
    enable: () => client.send(new AdminEnableUserCommand(at)),
    signOut: () => client.send(new AdminUserGlobalSignOutCommand(at)),
    delete: () => client.send(new AdminDeleteUserCommand(at)),
    read: () => client.send(new AdminGetUserCommand(at)),
    inGroup,
    groups: async () => {
      const { Groups = [] } = await client.send(new AdminListGroupsForUserCommand(at));
      return Groups.map(({ GroupName }) => GroupName);
    },
    listed: async () => {
      const Filter = `email = "${Username}"`;
      const { Users = [] } = await client.send(new ListUsersCommand({ UserPoolId, Filter }));
      return Users[0];
    },
  };
}

test('a membership that lags is missing from the lists until the lag is over', async ({ pool }) => {
  const ada = administration(pool, await addPerson(pool, 'lag-member'));
  await ada.add('viewer');
  await pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'lag', ms: 800 } },
    { operation: 'AdminRemoveUserFromGroup', fault: { kind: 'lag', ms: 800 } },
  ]);
  await ada.add('manager');
  await ada.remove('viewer');
  expect(await ada.groups()).toEqual(['viewer']);
  expect(await ada.inGroup('viewer')).toBeDefined();
  expect(await ada.inGroup('manager')).toBeUndefined();
  await vi.waitFor(async () => expect(await ada.groups()).toEqual(['manager']), { timeout: 5_000 });
  expect(await ada.inGroup('viewer')).toBeUndefined();
  expect(await ada.inGroup('manager')).toBeDefined();
});

test('a list that a fault does not name shows the write at once', async ({ pool }) => {
  const ada = administration(pool, await addPerson(pool, 'lag-named'));
  await pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'lag', ms: LAG_MS, hides: ['ListUsersInGroup'] },
    },
  ]);
  await ada.add('manager');
  expect(await ada.groups()).toEqual(['manager']);
  expect(await ada.inGroup('manager')).toBeUndefined();
});

test('lists show a disabled user as enabled while the disabling lags, and the user alone is read as it is', async ({
  pool,
}) => {
  const ada = administration(pool, await addPerson(pool, 'lag-disabled'));
  await ada.add('manager');
  await pool.setFaults([
    { operation: 'AdminDisableUser', times: 1, fault: { kind: 'lag', ms: LAG_MS } },
  ]);
  await ada.disable();
  expect((await ada.inGroup('manager'))?.Enabled).toBe(true);
  expect((await ada.listed())?.Enabled).toBe(true);
  expect((await ada.read()).Enabled).toBe(false);
  await pool.setFaults([
    {
      operation: 'AdminDisableUser',
      times: 1,
      fault: { kind: 'lag', ms: 800, hides: ['AdminGetUser'] },
    },
  ]);
  const bob = administration(pool, await addPerson(pool, 'lag-read'));
  await bob.disable();
  expect((await bob.read()).Enabled).toBe(true);
  await vi.waitFor(async () => expect((await bob.read()).Enabled).toBe(false), { timeout: 5_000 });
});

test('a deleted user stays in the lists while the deletion lags, and nobody can write to the user', async ({
  pool,
}) => {
  const ada = administration(pool, await addPerson(pool, 'lag-deleted'));
  await ada.add('manager');
  await pool.setFaults([{ operation: 'AdminDeleteUser', fault: { kind: 'lag', ms: LAG_MS } }]);
  await ada.delete();
  expect(await ada.inGroup('manager')).toBeDefined();
  expect(await ada.groups()).toEqual(['manager']);
  for (const write of [ada.disable, ada.enable, ada.signOut, ada.delete, ada.read]) {
    await expect(write()).rejects.toEqual(
      expect.objectContaining({ name: 'UserNotFoundException' }),
    );
  }
});

test('tokens of a deleted user are refused', async ({ pool }) => {
  const name = await addPerson(pool, 'tokens-deleted');
  const { AccessToken, RefreshToken } = await tokensOf(pool, name);
  await administration(pool, name).delete();
  await expect(attributesOf(pool, AccessToken)).rejects.toEqual(
    expect.objectContaining({ name: 'UserNotFoundException' }),
  );
  const refresh = new GetTokensFromRefreshTokenCommand({ ClientId: pool.clientId, RefreshToken });
  await expect(pool.client.send(refresh)).rejects.toEqual(
    expect.objectContaining({ name: 'NotAuthorizedException' }),
  );
});
