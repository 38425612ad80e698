import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import type { Persons } from '../../../support/persons.ts';
import { test as base } from '../../../support/saga-test.ts';

/** A write whose reply is lost lands within it, after everything else is done but the wait for it. */
const GRACE_SECONDS = 4;
const LATE_MS = 3000;

const test = base.override('sagaOptions', { propagationGraceSeconds: GRACE_SECONDS });

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

const lost = (operation: string, match: Rule['match'], lateMs = LATE_MS): Rule => ({
  operation,
  ...(match && { match }),
  times: 1,
  fault: { kind: 'replyLost', effect: 'after', lateMs },
});

const landed = (persons: Persons) =>
  persons.saga.eventually(async () => (await persons.saga.pool.late()) === 0);

test.for([
  ['without a reply', { kind: 'replyLost', effect: 'after', lateMs: LATE_MS }],
  ['with an error of the service', { kind: 'server', lateMs: LATE_MS }],
] as const)(
  'an assignment that ended %s and lands after a cancel does not stay',
  async ([, fault], { persons }) => {
    const person = await persons.add();
    const add = { operation: 'AdminAddUserToGroup', match: { group: 'researcher' } };
    await persons.saga.pool.setFaults([
      { ...add, times: 1, fault },
      { ...add, after: 1, fault: { kind: 'server' } },
    ]);
    await persons.saga.pool.clearCalls();
    const change = await persons.changeRoles(person, ['researcher']);
    await persons.saga.untilCalled('AdminAddUserToGroup', 2);
    await persons.cancel(change);
    expect((await persons.closed(change)).status).toBe('cancelled');
    await landed(persons);
    expect((await persons.account(person))?.roles).toEqual(['viewer']);
  },
);

test('a removal without a reply that lands after a later change gave the role back does not take it away', async ({
  persons,
}) => {
  const person = await persons.add(['viewer', 'manager']);
  await persons.saga.pool.setFaults([lost('AdminRemoveUserFromGroup', { group: 'viewer' })]);
  const first = await persons.changeRoles(person, ['manager']);
  const second = await persons.changeRoles(person, ['manager', 'viewer']);
  expect((await persons.closed(first)).status).toBe('completed');
  expect((await persons.closed(second)).status).toBe('completed');
  await landed(persons);
  expect((await persons.account(person))?.roles).toEqual(['manager', 'viewer']);
});

test('an assignment without a reply that lands after a later change removed the role does not stay', async ({
  persons,
}) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([lost('AdminAddUserToGroup', { group: 'researcher' })]);
  const first = await persons.changeRoles(person, ['researcher', 'viewer']);
  const second = await persons.changeRoles(person, ['viewer']);
  expect((await persons.closed(first)).status).toBe('completed');
  expect((await persons.closed(second)).status).toBe('completed');
  await landed(persons);
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
});

test('an assignment of the registration that lands after a change removed the role does not stay', async ({
  persons,
}) => {
  await persons.saga.pool.setFaults([lost('AdminAddUserToGroup', { group: 'manager' })]);
  const person = await persons.add(['manager']);
  const change = await persons.changeRoles(person, ['viewer']);
  expect((await persons.closed(change)).status).toBe('completed');
  await landed(persons);
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
});

test.for([
  ['disable', 'enable', 'AdminDisableUser'],
  ['enable', 'disable', 'AdminEnableUser'],
] as const)(
  'a %s without a reply that lands after an %s does not undo it',
  async ([first, second, operation], { persons }) => {
    const person = await persons.add();
    if (first === 'enable') await persons.closed(await persons.change(person, 'disable'));
    await persons.saga.pool.setFaults([lost(operation, { username: person.username })]);
    const one = await persons.change(person, first);
    expect((await persons.closed(one)).status).toBe('completed');
    const other = await persons.change(person, second);
    expect((await persons.closed(other)).status).toBe('completed');
    await landed(persons);
    expect((await persons.account(person))?.enabled).toBe(second === 'enable');
  },
);

test('a disable without a reply that lands after it was cancelled leaves the account enabled', async ({
  persons,
}) => {
  const person = await persons.add();
  const disable = { operation: 'AdminDisableUser', match: { username: person.username } };
  await persons.saga.pool.setFaults([
    lost('AdminDisableUser', disable.match),
    { ...disable, after: 1, fault: { kind: 'server' } },
  ]);
  const change = await persons.change(person, 'disable');
  await persons.untilParked(change);
  await persons.cancel(change);
  expect((await persons.closed(change)).status).toBe('cancelled');
  await landed(persons);
  expect((await persons.account(person))?.enabled).toBe(true);
});

test('a deletion does not wait for writes that may land late', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([
    lost('AdminAddUserToGroup', { group: 'researcher' }, 20_000),
    { operation: 'AdminAddUserToGroup', after: 1, fault: { kind: 'server' } },
  ]);
  await persons.saga.pool.clearCalls();
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.saga.untilCalled('AdminAddUserToGroup');
  const change = await persons.change(person, 'delete');
  expect((await persons.closed(change)).status).toBe('completed');
  expect((await persons.closed(roles)).status).toBe('cancelled');
  expect(await persons.saga.pool.late()).toBe(1);
});

test('a deletion ends the wait of a change that is being confirmed', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([lost('AdminAddUserToGroup', { group: 'manager' }, 20_000)]);
  const first = await persons.changeRoles(person, ['viewer', 'manager']);
  await persons.closed(first);
  const second = await persons.changeRoles(person, ['viewer']);
  await persons.until(second, ({ steps }) => steps['removeRole:manager']?.status === 'done');
  const change = await persons.change(person, 'delete');
  expect((await persons.closed(change)).status).toBe('completed');
  expect((await persons.closed(second)).status).toBe('cancelled');
});

test('a read that lags does not keep a change from writing what it must', async ({ persons }) => {
  const person = await persons.add(['viewer']);
  await persons.saga.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { group: 'researcher' },
      fault: { kind: 'lag', ms: 3000, hides: ['AdminListGroupsForUser'] },
    },
  ]);
  const first = await persons.changeRoles(person, ['researcher']);
  await persons.closed(first);
  // The read does not show the role that is to go.
  const second = await persons.changeRoles(person, ['viewer']);
  const row = await persons.closed(second);
  expect(row).toMatchObject({ status: 'completed', rolesBefore: ['researcher'] });
  await persons.saga.pool.clearFaults();
  await persons.saga.eventually(
    async () => (await persons.account(person))?.roles.join() === 'viewer',
  );
});
