import {
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminDeleteUserCommand,
  AdminDisableUserCommand,
  AdminEnableUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  AdminRemoveUserFromGroupCommand,
  AdminSetUserPasswordCommand,
  AdminUserGlobalSignOutCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect, vi } from 'vitest';
import { test } from '../../../support/base-test.ts';
import type { TestPool } from '../../../support/cognito.ts';
import { addPerson, attributesOf, tokensOf } from '../../../support/pool-people.ts';

let UserPoolId: string;
let next = 0;

test.beforeAll(async ({ pool }) => {
  UserPoolId = pool.userPoolId;
});

test.afterEach(({ pool }) => pool.clearFaults());

const freshAddress = (): string => `user-${(next += 1)}@example.com`;

const create = (pool: TestPool, Username: string) =>
  pool.client.send(new AdminCreateUserCommand({ UserPoolId, Username, MessageAction: 'SUPPRESS' }));

const addTo = (pool: TestPool, Username: string, GroupName: string) =>
  pool.client.send(new AdminAddUserToGroupCommand({ UserPoolId, Username, GroupName }));

const read = (pool: TestPool, Username: string) =>
  pool.client.send(new AdminGetUserCommand({ UserPoolId, Username }));

const exists = (pool: TestPool, Username: string): Promise<boolean> =>
  read(pool, Username).then(
    () => true,
    () => false,
  );

const isEnabled = async (pool: TestPool, Username: string): Promise<boolean> =>
  (await read(pool, Username)).Enabled ?? false;

const disable = (pool: TestPool, Username: string) =>
  pool.client.send(new AdminDisableUserCommand({ UserPoolId, Username }));

const enable = (pool: TestPool, Username: string) =>
  pool.client.send(new AdminEnableUserCommand({ UserPoolId, Username }));

/** An access token of each person who has signed in. */
const tokens = new Map<string, string>();

const rolesOf = async (pool: TestPool, Username: string): Promise<string[]> => {
  const command = new AdminListGroupsForUserCommand({ UserPoolId, Username });
  const { Groups = [] } = await pool.client.send(command);
  return Groups.map(({ GroupName = '' }) => GroupName);
};

const removeFrom = (pool: TestPool, Username: string, GroupName: string) =>
  pool.client.send(new AdminRemoveUserFromGroupCommand({ UserPoolId, Username, GroupName }));

interface LateCall {
  readonly operation: string;
  readonly prepare: (pool: TestPool, address: string) => Promise<unknown>;
  readonly call: (pool: TestPool, address: string) => Promise<unknown>;
  readonly landed: (pool: TestPool, address: string) => Promise<boolean>;
}

const LATE_CALLS: readonly LateCall[] = [
  {
    operation: 'AdminCreateUser',
    prepare: async () => undefined,
    call: (pool, address) => create(pool, address),
    landed: exists,
  },
  {
    operation: 'AdminDeleteUser',
    prepare: (pool, address) => create(pool, address),
    call: (pool, Username) =>
      pool.client.send(new AdminDeleteUserCommand({ UserPoolId, Username })),
    landed: async (pool, address) => !(await exists(pool, address)),
  },
  {
    operation: 'AdminAddUserToGroup',
    prepare: (pool, address) => create(pool, address),
    call: (pool, address) => addTo(pool, address, 'viewer'),
    landed: async (pool, address) => (await rolesOf(pool, address)).includes('viewer'),
  },
  {
    operation: 'AdminRemoveUserFromGroup',
    prepare: async (pool, address) => {
      await create(pool, address);
      await addTo(pool, address, 'viewer');
    },
    call: (pool, address) => removeFrom(pool, address, 'viewer'),
    landed: async (pool, address) => !(await rolesOf(pool, address)).includes('viewer'),
  },
  {
    operation: 'AdminSetUserPassword',
    prepare: (pool, address) => create(pool, address),
    call: (pool, Username) =>
      pool.client.send(
        new AdminSetUserPasswordCommand({
          UserPoolId,
          Username,
          Password: 'Chosen-Passw0rd',
          Permanent: true,
        }),
      ),
    landed: async (pool, Username) => {
      return (await read(pool, Username)).UserStatus === 'CONFIRMED';
    },
  },
  {
    operation: 'AdminDisableUser',
    prepare: (pool, address) => create(pool, address),
    call: (pool, address) => disable(pool, address),
    landed: async (pool, address) => !(await isEnabled(pool, address)),
  },
  {
    operation: 'AdminEnableUser',
    prepare: async (pool, address) => {
      await create(pool, address);
      await disable(pool, address);
    },
    call: (pool, address) => enable(pool, address),
    landed: isEnabled,
  },
  {
    operation: 'AdminUserGlobalSignOut',
    prepare: async (pool, address) => {
      await addPerson(pool, address.split('@')[0] ?? '');
      const { AccessToken } = await tokensOf(pool, address);
      tokens.set(address, AccessToken);
    },
    call: (pool, Username) =>
      pool.client.send(new AdminUserGlobalSignOutCommand({ UserPoolId, Username })),
    landed: (pool, address) =>
      attributesOf(pool, tokens.get(address) ?? '').then(
        () => false,
        () => true,
      ),
  },
];

test.for(LATE_CALLS)(
  '$operation without a reply takes effect later',
  async ({ operation, prepare, call, landed }, { pool }) => {
    const address = freshAddress();
    await prepare(pool, address);
    await pool.setFaults([
      { operation, times: 1, fault: { kind: 'replyLost', effect: 'after', lateMs: 1000 } },
    ]);
    await expect(call(pool, address)).rejects.toEqual(
      expect.objectContaining({ code: 'ECONNRESET' }),
    );
    expect([await landed(pool, address), await pool.late()]).toEqual([false, 1]);
    await vi.waitFor(async () => expect(await pool.late()).toBe(0), { timeout: 5_000 });
    expect(await landed(pool, address)).toBe(true);
  },
);

test('a late request takes effect on what is there by then', async ({ pool }) => {
  const address = freshAddress();
  await create(pool, address);
  await addTo(pool, address, 'viewer');
  await pool.setFaults([
    {
      operation: 'AdminRemoveUserFromGroup',
      fault: { kind: 'replyLost', effect: 'after', lateMs: 300 },
    },
  ]);
  await expect(removeFrom(pool, address, 'viewer')).rejects.toThrow('socket hang up');
  await addTo(pool, address, 'viewer');
  await vi.waitFor(async () => expect(await rolesOf(pool, address)).toEqual([]), {
    timeout: 5_000,
  });
});

test('a late disabling wins over an enabling that was answered before it, and ends new sessions', async ({
  pool,
}) => {
  const address = freshAddress();
  await addPerson(pool, address.split('@')[0] ?? '');
  await pool.setFaults([
    { operation: 'AdminDisableUser', fault: { kind: 'replyLost', effect: 'after', lateMs: 500 } },
  ]);
  await expect(disable(pool, address)).rejects.toThrow('socket hang up');
  await enable(pool, address);
  const { AccessToken } = await tokensOf(pool, address);
  await vi.waitFor(async () => expect(await pool.late()).toBe(0), { timeout: 5_000 });
  expect(await isEnabled(pool, address)).toBe(false);
  await enable(pool, address);
  await expect(attributesOf(pool, AccessToken)).rejects.toThrow('revoked');
});

test('a late write to a user who was deleted since has no effect', async ({ pool }) => {
  const address = freshAddress();
  await create(pool, address);
  await pool.setFaults([{ operation: 'AdminEnableUser', fault: { kind: 'server', lateMs: 300 } }]);
  await expect(enable(pool, address)).rejects.toEqual(
    expect.objectContaining({ name: 'ServiceUnavailable' }),
  );
  await pool.client.send(new AdminDeleteUserCommand({ UserPoolId, Username: address }));
  await vi.waitFor(async () => expect(await pool.late()).toBe(0), { timeout: 5_000 });
  expect(await exists(pool, address)).toBe(false);
});
