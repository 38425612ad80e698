import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { reset, resetPointsOf } from '../../../support/resets.ts';
import { test } from '../../../support/saga-test.ts';

const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };
/** Accepted so long ago that the sweep looks at it. */
const AGED = `UPDATE changes SET accepted_at = accepted_at - interval '1 minute'`;

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test('a change that nobody woke is started by the sweep', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  const change = await persons.accept(person, 'disable');
  await saga.db.execute(AGED);
  expect(await saga.sweep({ dryRun: true })).toMatchObject({ changesStarted: 1 });
  expect((await persons.row(change.id)).status).toBe('accepted');
  const report = await saga.sweep();
  expect(report).toMatchObject({ changesStarted: 1, changesRestarted: 0, failed: 0 });
  expect((await persons.closed(change)).status).toBe('completed');
  expect(await saga.sweep()).toMatchObject({ changesStarted: 0, changesRestarted: 0 });
});

test.for([
  ['assignRole:researcher', 'before'],
  ['assignRole:researcher', 'after'],
  ['removeRole:viewer', 'after'],
  ['completeChange', 'before'],
  ['completeChange', 'after'],
] as const)(
  'a run that is terminated at %s, %s its work, decides nothing: the change goes on',
  async ([activity, when], { persons, changeScript }) => {
    const { saga } = persons;
    const person = await persons.add();
    const held = changeScript.hold(activity, when);
    const change = await persons.changeRoles(person, ['researcher']);
    await held.reached;
    await persons.handle(person.userId).terminate('test');
    held.letGo();
    await held.over;
    await saga.sweep();
    expect((await persons.closed(change)).status).toBe('completed');
    expect((await persons.account(person))?.roles).toEqual(['researcher']);
    expect(await persons.events(change)).toEqual(['change.requested', 'user.roles_changed']);
  },
);

test('a parked change of a terminated run waits again, and a retry completes it', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  await persons.handle(person.userId).terminate('test');
  expect(await saga.sweep()).toMatchObject({ changesRestarted: 1 });
  await persons.untilRunWaits(person);
  expect((await persons.row(change.id)).status).toBe('parked');
  await saga.pool.clearFaults();
  await persons.retry(change);
  expect((await persons.closed(change)).status).toBe('completed');
});

test('an instruction that nobody sent is delivered by the sweep', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  await saga.db.execute(`UPDATE changes SET instruction = 'cancel', instruction_actor = 'operator',
    instruction_at = now() - interval '1 minute' WHERE id = '${change.id}'`);
  expect(await saga.sweep()).toMatchObject({ instructionsDelivered: 1 });
  expect((await persons.closed(change)).status).toBe('cancelled');
});

test('reset of a finished run to every task changes nothing', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([{ ...ILL, match: { group: 'researcher' } }]);
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.untilParked(roles);
  await saga.pool.clearFaults();
  await persons.retry(roles);
  await persons.closed(roles);
  await persons.runEnded(person);
  const everything = async () => ({
    row: await persons.row(roles.id).then(({ readAt: _readAt, runId: _runId, ...row }) => row),
    events: await persons.events(roles),
    account: await persons.account(person),
  });
  const before = await everything();
  const points = await resetPointsOf(persons.handle(person.userId));
  expect(points.length).toBeGreaterThan(3);
  for (const point of points) {
    await reset(saga, point);
    // A run that was reset to where it waited waits again; the sweep, which comes every minute, ends it.
    await saga.eventually(async () => {
      if ((await persons.handle(person.userId).describe()).status.name !== 'RUNNING') return true;
      await saga.sweep();
      return false;
    });
    expect(await everything()).toEqual(before);
  }
});

test('reset of a run that waits parked waits again, and repeats no event', async ({ persons }) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  const points = await resetPointsOf(persons.handle(person.userId));
  expect(points.length).toBeGreaterThan(1);
  for (const point of points) {
    await persons.untilRunWaits(person, await reset(saga, point));
    expect(await persons.events(change)).toEqual(['change.requested', 'change.parked']);
    expect((await persons.row(change.id)).status).toBe('parked');
  }
  await saga.pool.clearFaults();
  await persons.retry(change);
  expect((await persons.closed(change)).status).toBe('completed');
});
