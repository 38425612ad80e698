import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { test } from '../../../support/saga-test.ts';

const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };
const NO_REMOVAL: Rule = { operation: 'AdminRemoveUserFromGroup', fault: { kind: 'server' } };

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test.for(['disable', 'sign_out', 'delete'] as const)(
  'a %s does not wait for a parked change of roles, which ends cancelled',
  async (kind, { persons }) => {
    const person = await persons.add();
    await persons.saga.pool.setFaults([ILL]);
    const roles = await persons.changeRoles(person, ['researcher']);
    const behind = await persons.changeRoles(person, ['manager']);
    await persons.untilParked(roles);
    const change = await persons.change(person, kind);
    expect((await persons.closed(change)).status).toBe('completed');
    expect((await persons.closed(roles)).status).toBe('cancelled');
    expect((await persons.closed(behind)).status).toBe('cancelled');
    await persons.runEnded(person);
    const account = await persons.account(person);
    expect(account?.roles).toEqual(kind === 'delete' ? undefined : ['viewer']);
  },
);

test('a disable does not wait for roles that cannot be put back', async ({ persons }) => {
  const person = await persons.add();
  const { pool } = persons.saga;
  await pool.setFaults([
    { operation: 'AdminRemoveUserFromGroup', fault: { kind: 'server' } },
    { ...ILL, match: { group: 'manager' } },
  ]);
  const roles = await persons.changeRoles(person, ['researcher', 'manager', 'viewer']);
  await persons.untilParked(roles);
  const change = await persons.change(person, 'disable');
  expect((await persons.closed(change)).status).toBe('completed');
  const stuck = await persons.until(
    roles,
    (row) => row.restoresAs === 'cancelled' && row.status === 'parked',
  );
  expect(stuck.finishedAt).toBeNull();
  await pool.clearFaults();
  await persons.retry(roles);
  expect((await persons.closed(roles)).status).toBe('cancelled');
  expect(await persons.account(person)).toEqual({ enabled: false, roles: ['viewer'] });
});

test('a deletion ends a change of roles that is being put back', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([NO_REMOVAL, { ...ILL, match: { group: 'manager' } }]);
  const roles = await persons.changeRoles(person, ['researcher', 'manager', 'viewer']);
  await persons.untilParked(roles);
  await persons.cancel(roles);
  await persons.until(roles, (row) => row.restoresAs !== null && row.status === 'parked');
  const change = await persons.change(person, 'delete');
  expect((await persons.closed(change)).status).toBe('completed');
  expect((await persons.closed(roles)).status).toBe('cancelled');
  await persons.runEnded(person);
  expect(await persons.account(person)).toBeNull();
});

test('a disable interrupts a change of roles between two attempts', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([ILL]);
  await persons.saga.pool.clearCalls();
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.saga.untilCalled('AdminAddUserToGroup');
  const change = await persons.change(person, 'disable');
  const done = await persons.closed(change);
  expect(done.status).toBe('completed');
  const cancelled = await persons.closed(roles);
  expect(cancelled.status).toBe('cancelled');
  // It never used its budget.
  expect(await persons.events(roles)).not.toContain('change.parked');
  expect(done.finishedAt?.getTime()).toBeLessThan(cancelled.finishedAt?.getTime() ?? 0);
});

test('a change of roles after a disable is performed after it', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([{ operation: 'AdminDisableUser', fault: { kind: 'server' } }]);
  const disable = await persons.change(person, 'disable');
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(disable);
  expect((await persons.row(roles.id)).status).toBe('accepted');
  await persons.saga.pool.clearFaults();
  await persons.retry(disable);
  expect((await persons.closed(roles)).status).toBe('completed');
  expect(await persons.account(person)).toEqual({ enabled: false, roles: ['researcher'] });
});
