import { AdminUpdateUserAttributesCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { addRole, removeUser } from '../../../support/pool-user.ts';
import { test } from '../../../support/saga-test.ts';

const FAILED = ['change.requested', 'change.restoring', 'change.failed'];
const NO_GROUP = { kind: 'error', error: 'ResourceNotFoundException', status: 400 } as const;

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test('a role that does not exist fails the change, and the roles are put back', async ({
  persons,
}) => {
  const person = await persons.add(['viewer']);
  await persons.saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group: 'manager' }, fault: NO_GROUP },
  ]);
  const change = await persons.changeRoles(person, ['researcher', 'manager']);
  const row = await persons.closed(change);
  expect(row).toMatchObject({
    status: 'failed',
    failure: { code: 'registration_failed', cause: 'change_role_missing' },
  });
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
  expect(await persons.events(change)).toEqual(FAILED);
  await persons.runEnded(person);
});

test('a removal that Cognito rejects fails the change, and the roles are put back', async ({
  persons,
}) => {
  const person = await persons.add(['viewer']);
  const fault = { kind: 'error', error: 'InvalidParameterException', status: 400 } as const;
  await persons.saga.pool.setFaults([{ operation: 'AdminRemoveUserFromGroup', times: 1, fault }]);
  const change = await persons.changeRoles(person, ['researcher']);
  const row = await persons.closed(change);
  expect(row).toMatchObject({ status: 'failed', failure: { cause: 'change_rejected' } });
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
});

test.for(['roles', 'disable', 'enable'] as const)(
  'a change of kind %s fails where the user was deleted by others',
  async (kind, { persons }) => {
    const person = await persons.add();
    await removeUser(persons.saga.pool, person.email);
    const change = await persons.change(person, kind, {
      roles: kind === 'roles' ? ['researcher'] : [],
    });
    const row = await persons.closed(change);
    expect(row).toMatchObject({ status: 'failed', failure: { code: 'user_vanished' } });
    await persons.runEnded(person);
  },
);

test.for(['sign_out', 'delete'] as const)(
  'a change of kind %s is done where the user was deleted by others',
  async (kind, { persons }) => {
    const person = await persons.add();
    await removeUser(persons.saga.pool, person.email);
    const change = await persons.change(person, kind);
    expect((await persons.closed(change)).status).toBe('completed');
  },
);

test('a user who vanishes between two steps of a change of roles fails it', async ({
  persons,
  changeScript,
}) => {
  const person = await persons.add();
  const held = changeScript.hold('removeRole:viewer', 'before');
  const change = await persons.changeRoles(person, ['researcher']);
  await held.reached;
  await removeUser(persons.saga.pool, person.email);
  held.letGo();
  const row = await persons.closed(change);
  expect(row).toMatchObject({ status: 'failed', failure: { code: 'user_vanished' } });
});

test.for(['roles', 'disable', 'enable', 'sign_out', 'delete'] as const)(
  'a change of kind %s writes nothing to a user with another mark',
  async (kind, { persons }) => {
    const { pool } = persons.saga;
    const person = await persons.add();
    await pool.client.send(
      new AdminUpdateUserAttributesCommand({
        UserPoolId: pool.userPoolId,
        Username: person.username,
        UserAttributes: [{ Name: 'custom:registration_id', Value: 'somebody else' }],
      }),
    );
    await pool.clearCalls();
    const change = await persons.change(person, kind, { roles: [] });
    const row = await persons.closed(change);
    expect(row).toMatchObject({ status: 'failed', failure: { code: 'not_ours' } });
    expect(Object.keys(await pool.calls())).toEqual(['AdminGetUser']);
    expect(await persons.account(person)).toEqual({ enabled: true, roles: ['viewer'] });
  },
);

test('a deletion does not delete a user who took the mark off after it began', async ({
  persons,
  changeScript,
}) => {
  const { pool } = persons.saga;
  const person = await persons.add();
  const held = changeScript.hold('deleteUser', 'before');
  const change = await persons.change(person, 'delete');
  await held.reached;
  await pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: pool.userPoolId,
      Username: person.username,
      UserAttributes: [{ Name: 'custom:registration_id', Value: 'somebody else' }],
    }),
  );
  held.letGo();
  const row = await persons.closed(change);
  expect(row).toMatchObject({ status: 'failed', failure: { code: 'not_ours' } });
  expect(await persons.account(person)).not.toBeNull();
});

test('the last administrator is asked for again at execution', async ({ persons }) => {
  const { pool } = persons.saga;
  const [first, second] = [await persons.add(['admin']), await persons.add(['admin'])];
  // Accepted while two could assign every role; both would take one away.
  const disable = await persons.accept(first, 'disable');
  const roles = await persons.accept(second, 'roles', { roles: ['viewer'] });
  await persons.saga.userRuns.wake(first.userId, 'accepted');
  await persons.saga.userRuns.wake(second.userId, 'accepted');
  const ended = [await persons.closed(disable), await persons.closed(roles)];
  for (const row of ended) {
    expect(row).toMatchObject({ status: 'failed', failure: { code: 'last_administrator' } });
  }
  expect(await persons.account(first)).toEqual({ enabled: true, roles: ['admin'] });
  expect(await persons.account(second)).toEqual({ enabled: true, roles: ['admin'] });
  await addRole(pool, (await persons.add([])).email, 'admin');
  const allowed = await persons.change(first, 'delete');
  expect((await persons.closed(allowed)).status).toBe('completed');
});

test('a database that refuses the completion has the roles put back', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.refuseAudit('user.roles_changed', 'definitive');
  const change = await persons.changeRoles(person, ['researcher']);
  const row = await persons.closed(change);
  await saga.allowAudit();
  expect(row).toMatchObject({
    status: 'failed',
    failure: { cause: 'change_refused_by_database' },
  });
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
});

test('a database that refuses the end of a deletion parks it, and a retry completes it', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.refuseAudit('user.deleted', 'definitive');
  const change = await persons.change(person, 'delete');
  await persons.untilParked(change);
  await saga.allowAudit();
  await persons.retry(change);
  expect((await persons.closed(change)).status).toBe('completed');
});
