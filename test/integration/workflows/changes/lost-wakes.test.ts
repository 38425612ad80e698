import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { reset, resetPointsOf } from '../../../support/resets.ts';
import { test } from '../../../support/saga-test.ts';

const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };
/** Accepted so long ago that the sweep looks at it. */
const AGED = `UPDATE changes SET accepted_at = accepted_at - interval '1 minute'`;

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
});

test('a disable of which the run was not told does not wait for a parked change of roles', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  const disable = await persons.accept(person, 'disable');
  await saga.db.execute(AGED);
  const report = await saga.sweep();
  expect((await persons.closed(disable)).status).toBe('completed');
  expect((await persons.closed(roles)).status).toBe('cancelled');
  expect(report).toMatchObject({ changesStarted: 1, changesRestarted: 0 });
  expect(await saga.sweep()).toMatchObject({ changesStarted: 0, changesRestarted: 0 });
});

test('the sweep does not wake a run for a change that it waits with, nor for those behind it', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  await persons.accept(person, 'roles', { roles: ['manager'] });
  await saga.db.execute(AGED);
  expect(await saga.sweep()).toMatchObject({ changesStarted: 0, changesRestarted: 0 });
});

test('a run that was reset to where it waited learns of the change that goes first now', async ({
  persons,
}) => {
  const { saga } = persons;
  const person = await persons.add();
  await saga.pool.setFaults([ILL]);
  const roles = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  const point = (await resetPointsOf(persons.handle(person.userId))).at(-1);
  if (!point) throw new Error('no point to reset to');
  await saga.pool.setFaults([{ operation: 'AdminDisableUser', fault: { kind: 'server' } }]);
  await persons.retry(roles);
  await persons.closed(roles);
  const disable = await persons.change(person, 'disable');
  await persons.untilParked(disable);
  await saga.pool.clearFaults();
  // Without the signals since: the run waits for the change that is completed.
  const runId = await reset(saga, point, { withoutSignals: true });
  await persons.untilRunWaits(person, runId);
  await saga.sweep();
  await persons.until(disable, (row) => row.runId === runId);
});
