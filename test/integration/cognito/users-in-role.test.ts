import {
  CreateGroupCommand,
  ListUsersInGroupCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { createCognito } from '../../../src/cognito/adapter.ts';
import { test } from '../../support/base-test.ts';
import { addRole, addUser } from '../../support/pool-user.ts';

const signal = AbortSignal.timeout(60_000);

test('all pages of a role are read, and disabled members are left out', async ({ pool }) => {
  const provider = createCognito(pool.client, pool.userPoolId);
  const addresses = Array.from({ length: 62 }, (_, i) => `member-${i}@example.com`);
  for (const address of addresses) await addUser(pool, address, { role: 'manager' });
  await addUser(pool, 'other@example.com', { role: 'viewer' });
  await provider.disableUser('member-0@example.com', signal);
  const disabled = await provider.readUser('member-0@example.com', signal);

  const members = await provider.usersInRole('manager', signal);
  expect(members).toHaveLength(61);
  expect(members.map(({ userId }) => userId)).not.toContain(disabled?.sub);
  const last = await provider.readUser('member-61@example.com', signal);
  expect(members).toContainEqual({ username: last?.username, userId: last?.sub });

  const page = { UserPoolId: pool.userPoolId, GroupName: 'manager' };
  const first = await pool.client.send(new ListUsersInGroupCommand({ ...page, Limit: 60 }));
  expect(first.Users).toHaveLength(60);
  const { NextToken } = first;
  const second = await pool.client.send(new ListUsersInGroupCommand({ ...page, NextToken }));
  expect([second.Users?.length, second.NextToken]).toEqual([2, undefined]);
  await expect(
    pool.client.send(new ListUsersInGroupCommand({ ...page, Limit: 61 })),
  ).rejects.toEqual(expect.objectContaining({ name: 'InvalidParameterException' }));
});

test('a role without members, or that the pool does not have, has no users', async ({ pool }) => {
  const provider = createCognito(pool.client, pool.userPoolId);
  const GroupName = 'nobody-has-it';
  await pool.client.send(new CreateGroupCommand({ UserPoolId: pool.userPoolId, GroupName }));
  expect(await provider.usersInRole(GroupName, signal)).toEqual([]);
  expect(await provider.usersInRole('no-such-role', signal)).toEqual([]);
});

test('a pool that does not exist is an error, and not a role without users', async ({ pool }) => {
  const provider = createCognito(pool.client, 'local_nowhere');
  await expect(provider.usersInRole('manager', signal)).rejects.toEqual(
    expect.objectContaining({ name: 'ResourceNotFoundException', aboutPool: true }),
  );
});

test('a user whose membership lags is found once the lag is over', async ({ pool }) => {
  const provider = createCognito(pool.client, pool.userPoolId);
  await addUser(pool, 'late-member@example.com');
  await pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'lag', ms: 500 } }]);
  await addRole(pool, 'late-member@example.com', 'researcher');
  expect(await provider.usersInRole('researcher', signal)).toEqual([]);
  await expect
    .poll(() => provider.usersInRole('researcher', signal), { timeout: 5_000 })
    .toHaveLength(1);
  await pool.clearFaults();
});
