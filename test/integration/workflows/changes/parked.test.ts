import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { test } from '../../../support/saga-test.ts';

const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test('a change of roles parks, and a retry by an operator completes it', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  const parked = await persons.untilParked(change);
  expect(parked.failure).toMatchObject({ code: 'identity_provider_unavailable' });
  expect(parked.steps['assignRole:researcher']).toMatchObject({ status: 'failed' });
  await persons.untilRunWaits(person);
  // Nothing was removed before the new role was there.
  expect((await persons.account(person))?.roles).toEqual(['viewer']);
  await persons.saga.pool.clearFaults();
  expect(await persons.retry(change)).toBe('done');
  expect((await persons.closed(change)).status).toBe('completed');
  expect((await persons.account(person))?.roles).toEqual(['researcher']);
  expect(await persons.events(change)).toEqual([
    'change.requested',
    'change.parked',
    'change.retry_requested',
    'change.resumed',
    'user.roles_changed',
  ]);
  await persons.runEnded(person);
});

test('the schedule resumes a parked change that is due, with one attempt', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(change);
  await persons.untilRunWaits(person);
  await saga.pool.clearCalls();
  await saga.userRuns.wake(person.userId, 'schedule');
  const again = await persons.until(change, ({ resumeAttempts }) => resumeAttempts === 2);
  expect(again.status).toBe('parked');
  expect((await saga.pool.calls())['AdminAddUserToGroup']?.calls).toBe(1);
  await saga.pool.clearFaults();
  await saga.db.execute(`UPDATE changes SET next_resume_at = now() WHERE id = '${change.id}'`);
  await saga.resumeDue();
  expect((await persons.closed(change)).status).toBe('completed');
  expect(await persons.events(change)).toEqual([
    'change.requested',
    'change.parked',
    'change.parked',
    'user.roles_changed',
  ]);
});

test('a change that cannot read the account parks, and can be cancelled without a write', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([{ operation: 'AdminGetUser', fault: { kind: 'refused' } }]);
  const change = await persons.change(person, 'delete');
  const parked = await persons.untilParked(change);
  expect(parked).toMatchObject({ begunAt: null, failure: { code: 'identity_provider_refused' } });
  await saga.pool.clearCalls();
  expect(await persons.cancel(change)).toBe('closed');
  await saga.userRuns.wake(person.userId, 'interrupt');
  await persons.runEnded(person);
  expect(await saga.pool.calls()).toEqual({});
  await saga.pool.clearFaults();
  expect(await persons.account(person)).toEqual({ enabled: true, roles: ['viewer'] });
});

test('changes after a parked one wait for it, in their order', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([{ ...ILL, match: { group: 'researcher' } }]);
  const first = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(first);
  const second = await persons.changeRoles(person, ['manager']);
  const third = await persons.change(person, 'enable');
  await persons.untilRunWaits(person);
  expect((await persons.row(second.id)).status).toBe('accepted');
  expect((await persons.row(third.id)).status).toBe('accepted');
  await persons.saga.pool.clearFaults();
  await persons.retry(first);
  for (const change of [first, second, third]) {
    expect((await persons.closed(change)).status).toBe('completed');
  }
  expect((await persons.account(person))?.roles).toEqual(['manager']);
});

test('the memo of the run names the change that is performed', async ({ persons }) => {
  const person = await persons.add();
  await persons.saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(change);
  const run = await persons.saga.userRuns.describe(person.userId);
  expect(run).toMatchObject({ kind: 'open', changeId: change.id });
  await persons.cancel(change);
  await persons.closed(change);
});
