import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { test } from '../../../support/saga-test.ts';

const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };
const BY_RUN = ['change.requested', 'change.cancel_requested', 'change.restoring'];

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test('a change that waits is cancelled at once, and Cognito is not called', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.clearCalls();
  const change = await persons.accept(person, 'disable');
  expect(await persons.cancel(change)).toBe('closed');
  await persons.saga.userRuns.wake(person.userId, 'accepted');
  await persons.runEnded(person);
  expect(await persons.saga.pool.calls()).toEqual({});
  expect(await persons.events(change)).toEqual([
    'change.requested',
    'change.cancel_requested',
    'change.cancelled',
  ]);
});

test.for([
  ['before the first role is added', 'assignRole:researcher', 'before'],
  ['after the first role was added', 'assignRole:researcher', 'after'],
  ['before the old role is removed', 'removeRole:viewer', 'before'],
  ['after the old role was removed', 'removeRole:viewer', 'after'],
  ['before the account is confirmed', 'confirmChange', 'before'],
  ['before the change completes', 'completeChange', 'before'],
] as const)(
  'a change of roles that is cancelled %s puts the roles back',
  async ([, activity, when], { persons, changeScript }) => {
    const person = await persons.add();
    const held = changeScript.hold(activity, when);
    const change = await persons.changeRoles(person, ['researcher']);
    await held.reached;
    expect(await persons.cancel(change)).toBe('done');
    held.letGo();
    const row = await persons.closed(change);
    expect(row).toMatchObject({
      status: 'cancelled',
      failure: { cause: 'change_cancelled' },
      restoresAs: 'cancelled',
    });
    expect(await persons.account(person)).toEqual({ enabled: true, roles: ['viewer'] });
    expect(await persons.events(change)).toEqual([...BY_RUN, 'change.cancelled']);
    await persons.runEnded(person);
  },
);

test('a cancel after the change was completed comes too late', async ({
  persons,
  changeScript,
}) => {
  const person = await persons.add();
  const held = changeScript.hold('completeChange', 'after');
  const change = await persons.changeRoles(person, ['researcher']);
  await held.reached;
  expect(await persons.cancel(change)).toBe('already_closed');
  held.letGo();
  await persons.runEnded(person);
  expect((await persons.account(person))?.roles).toEqual(['researcher']);
});

test.for(['disable', 'enable'] as const)(
  'a cancelled %s leaves the account as it was',
  async (kind, { persons, changeScript }) => {
    const person = await persons.add();
    const isEnabled = kind === 'disable';
    if (!isEnabled) await persons.closed(await persons.change(person, 'disable'));
    const held = changeScript.hold(`${kind}User`, 'after');
    const change = await persons.change(person, kind);
    await held.reached;
    expect((await persons.account(person))?.enabled).toBe(!isEnabled);
    await persons.cancel(change);
    held.letGo();
    const { status, steps } = await persons.closed(change);
    expect(status).toBe('cancelled');
    expect(steps[`${kind}User`]?.status).toBe('compensated');
    expect((await persons.account(person))?.enabled).toBe(isEnabled);
  },
);

test.for([
  ['sign_out', 'signOut'],
  ['delete', 'disableUser'],
] as const)('a %s that has begun goes on', async ([kind, step], { persons, changeScript }) => {
  const person = await persons.add();
  const held = changeScript.hold(step, 'before');
  const change = await persons.change(person, kind);
  await held.reached;
  expect(await persons.cancel(change)).toBe('already_closed');
  held.letGo();
  expect((await persons.closed(change)).status).toBe('completed');
});

test('a parked change that is cancelled is put back, and may park again meanwhile', async ({
  persons,
}) => {
  const { pool } = persons.saga;
  const person = await persons.add(['viewer', 'manager']);
  await pool.setFaults([
    { ...ILL, match: { group: 'researcher' } },
    { operation: 'AdminRemoveUserFromGroup', fault: { kind: 'server' } },
  ]);
  const change = await persons.changeRoles(person, ['researcher', 'viewer']);
  await persons.untilParked(change);
  await persons.cancel(change);
  const stuck = await persons.until(
    change,
    (row) => row.restoresAs !== null && row.status === 'parked',
  );
  expect(stuck.restoringFailure?.cause).toBe('change_cancelled');
  expect(stuck.failure?.code).toBe('identity_provider_unavailable');
  await pool.clearFaults();
  await persons.retry(change);
  const row = await persons.closed(change);
  expect(row).toMatchObject({ status: 'cancelled', failure: { cause: 'change_cancelled' } });
  expect((await persons.account(person))?.roles).toEqual(['manager', 'viewer']);
});

test('Cancel of the run in Temporal cancels the change that it performs, and no other', async ({
  persons,
  changeScript,
}) => {
  const person = await persons.add();
  const held = changeScript.hold('assignRole:researcher', 'after');
  const change = await persons.changeRoles(person, ['researcher']);
  const next = await persons.changeRoles(person, ['manager']);
  await held.reached;
  await persons.handle(person.userId).cancel();
  held.letGo();
  expect((await persons.closed(change)).status).toBe('cancelled');
  expect((await persons.closed(next)).status).toBe('completed');
  expect((await persons.account(person))?.roles).toEqual(['manager']);
  await persons.runEnded(person);
  expect(await persons.events(change)).toEqual([...BY_RUN, 'change.cancelled']);
});

test('Cancel of a run that waits with a parked change cancels that change', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  await persons.saga.pool.clearFaults();
  await persons.handle(person.userId).cancel();
  expect((await persons.closed(change)).status).toBe('cancelled');
  await persons.runEnded(person);
});

test('Cancel in Temporal does not stop a deletion that has begun', async ({
  persons,
  changeScript,
}) => {
  const person = await persons.add();
  const held = changeScript.hold('disableUser', 'after');
  const change = await persons.change(person, 'delete');
  await held.reached;
  await persons.handle(person.userId).cancel();
  held.letGo();
  expect((await persons.closed(change)).status).toBe('completed');
  expect(await persons.account(person)).toBeNull();
  await persons.runEnded(person);
});
