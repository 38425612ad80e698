import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { wishCancel, wishRetry } from '../../src/ledger/wishes.ts';
import { workflowIdOf, type Registration } from '../../src/domain/registration.ts';
import { Saga } from '../stack/saga.ts';
import { createScript, type Path } from '../stack/script.ts';
import { TEST_NAMESPACE } from '../stack/temporal.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;

let fast: Saga;
let ordinary: Saga;
beforeAll(async () => {
  [fast, ordinary] = await Promise.all([
    Saga.start(),
    Saga.start({ wrap: createScript('ordinary').wrap }),
  ]);
});
afterEach(async () => {
  await Promise.all([fast.pool.clearFaults(), ordinary.pool.clearFaults()]);
});
afterAll(async () => {
  await Promise.all([fast.stop(), ordinary.stop()]);
});
const sagaOn = (path: Path): Saga => (path === 'fast' ? fast : ordinary);

/** Everything there is of a registration, in the pool and in the ledger. */
async function everything(saga: Saga, registration: Registration): Promise<object> {
  return {
    world: await saga.world(registration),
    row: await saga.row(registration.id),
    events: await saga.events(registration.id),
  };
}

/** Resets as the UI does, to the first workflow task or the last. @returns the new run's id */
async function reset(saga: Saga, id: string, to: 'first' | 'last'): Promise<string> {
  const { events } = await saga.handle(id).fetchHistory();
  const tasks = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const at = to === 'first' ? tasks[0] : tasks.at(-1);
  if (!at?.eventId) throw new Error('no workflow task to reset to');
  const { runId } = await saga.client.workflowService.resetWorkflowExecution({
    namespace: TEST_NAMESPACE,
    workflowExecution: { workflowId: workflowIdOf(id) },
    workflowTaskFinishEventId: at.eventId,
    requestId: randomUUID(),
    reason: 'test',
  });
  return runId;
}

/** The parked run has said what it waits for, and nothing of it is under way. */
async function untilItWaits(saga: Saga, id: string, runId?: string): Promise<void> {
  await saga.eventually(async () => {
    const now = await saga.handle(id).describe();
    const shown = now.searchAttributes['RegistrationStatus']?.[0] === 'roles_pending';
    const same = runId === undefined || now.runId === runId;
    return same && shown && (now.raw.pendingActivities ?? []).length === 0;
  });
}

const PATHS: readonly Path[] = ['fast', 'ordinary'];
const CASES = PATHS.flatMap((path) => (['first', 'last'] as const).map((to) => ({ path, to })));

test.each(CASES)('reset of a completed run to its $to task, $path path', async ({ path, to }) => {
  const saga = sagaOn(path);
  const registration = await saga.register({ roles: ['viewer', 'researcher'] });
  await saga.ending(registration.id);
  const before = await everything(saga, registration);
  await reset(saga, registration.id, to);
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await everything(saga, registration)).toEqual(before);
});

test.each(CASES)('reset of a cancelled run to its $to task, $path path', async ({ path, to }) => {
  const saga = sagaOn(path);
  await saga.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const registration = await saga.register();
  await saga.untilStatus(registration.id, 'roles_pending');
  await wishCancel(saga.db, registration.id, OPERATOR);
  await saga.runs.cancel(registration.id);
  await saga.ending(registration.id);
  await saga.pool.clearFaults();
  const before = await everything(saga, registration);
  await reset(saga, registration.id, to);
  await saga.ending(registration.id);
  expect(await everything(saga, registration)).toEqual(before);
});

test.each(CASES)('reset of a parked run to its $to task, $path path', async ({ path, to }) => {
  const saga = sagaOn(path);
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group: 'viewer' }, fault: { kind: 'server' } },
  ]);
  const registration = await saga.register({ roles: ['viewer', 'researcher'] });
  await saga.untilStatus(registration.id, 'roles_pending');
  await untilItWaits(saga, registration.id);
  const before = await everything(saga, registration);
  await saga.pool.clearFaults();
  const runId = await reset(saga, registration.id, to);
  await untilItWaits(saga, registration.id, runId);
  expect(await everything(saga, registration)).toEqual(before);

  await wishRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['researcher', 'viewer']);
});

test('reset of a parked run that was cancelled meanwhile does not bring it back', async () => {
  await fast.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const registration = await fast.register();
  await fast.untilStatus(registration.id, 'roles_pending');
  await fast.handle(registration.id).cancel();
  await fast.ending(registration.id);
  await reset(fast, registration.id, 'first');
  await fast.ending(registration.id);
  expect(await fast.world(registration)).toEqual({ mark: null, roles: [], status: 'cancelled' });
});
