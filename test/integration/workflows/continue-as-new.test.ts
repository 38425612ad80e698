import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { type OwnTemporal, ownTemporal } from '../../support/own-temporal.ts';
import { everything, untilItWaits } from '../../support/resets.ts';
import { Persons } from '../../support/persons.ts';
import { Saga } from '../../support/saga.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
/** Events after which the server suggests it: of a run that has parked twice, not of a first one. */
const SUGGESTED_AFTER = 40;

let temporal: OwnTemporal | undefined;
let saga: Saga;
beforeAll(async () => {
  temporal = await ownTemporal({ 'limit.historyCount.suggestContinueAsNew': SUGGESTED_AFTER });
  if (!temporal) return;
  await temporal.start();
  saga = await Saga.start({ temporalAddress: temporal.address });
});
afterAll(async () => {
  if (!temporal) return;
  await saga.stop();
  await temporal.remove();
});

test('a run that parks again and again continues as a new run with a short history', async (context) => {
  if (!temporal) return context.skip('no Temporal program here');
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group: 'viewer' }, fault: { kind: 'server' } },
  ]);
  const registration = await saga.register({ roles: ['viewer', 'researcher'] });
  const { id } = registration;
  await untilItWaits(saga, id, 'roles_pending');
  const first = await saga.handle(id).describe();
  for (let parks = 2; parks <= 4; parks += 1) {
    await saga.runs.resume(id, 'schedule');
    await saga.until(id, (row) => row.resumeAttempts === parks);
  }
  await saga.eventually(async () => (await saga.handle(id).describe()).runId !== first.runId);
  const later = await saga.handle(id).describe();
  // A new run inherits what its predecessor showed: only the row says that it has looked for itself.
  await saga.until(id, (row) => row.runId === later.runId);
  await untilItWaits(saga, id, 'roles_pending', later.runId);
  expect(later.historyLength).toBeLessThan(SUGGESTED_AFTER);
  // Whoever asked for the first run is told of its successor, and the sweep finds nothing amiss.
  expect(await saga.runs.describe(id)).toMatchObject({ kind: 'open', runId: later.runId });
  const before = await everything(saga, registration);
  expect(await saga.sweep()).toMatchObject({ restarted: 0, compensated: 0, completed: 0 });
  expect(await everything(saga, registration)).toEqual(before);

  await saga.pool.clearFaults();
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('completed');
  expect(await saga.world(registration)).toEqual({
    mark: id,
    roles: ['researcher', 'viewer'],
    status: 'completed',
  });
  expect((await saga.events(id)).filter((event) => event === 'user.registered')).toHaveLength(1);
});

test('a run of a person that parks again and again continues as a new run, and goes on', async (context) => {
  if (!temporal) return context.skip('no Temporal program here');
  const persons = new Persons(saga);
  const person = await persons.add();
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group: 'researcher' }, fault: { kind: 'server' } },
  ]);
  const change = await persons.changeRoles(person, ['researcher']);
  await persons.untilRunWaits(person);
  const first = await persons.handle(person.userId).describe();
  for (let parks = 2; parks <= 5; parks += 1) {
    await saga.userRuns.wake(person.userId, 'schedule');
    await persons.until(change, (row) => row.resumeAttempts === parks);
  }
  await persons.until(change, ({ runId }) => runId !== first.runId);
  await persons.untilRunWaits(person);
  await saga.pool.clearFaults();
  // Until it is asked again it shows what its predecessor showed.
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'latency', ms: 2000 } },
  ]);
  await persons.retry(change);
  await saga.eventually(async () => {
    const { searchAttributes } = await persons.handle(person.userId).describe();
    return (searchAttributes['RegistrationStatus']?.[0] ?? null) === null;
  });
  expect((await persons.closed(change)).status).toBe('completed');
  await persons.runEnded(person);
  expect((await persons.account(person))?.roles).toEqual(['researcher']);
});
