import { expect } from 'vitest';
import type { Registration } from '../../../src/domain/registration.ts';
import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { ENDINGS } from '../replay/endings.ts';
import {
  everything,
  everythingButTheRun,
  reset,
  resetPoints,
  untilItWaits,
} from '../../support/resets.ts';
import type { Saga } from '../../support/saga.ts';
import type { Path } from '../../support/script.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const ILL = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } } as const;
const NO_ROLE = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
} as const;
const PATHS: readonly Path[] = ['fast', 'ordinary'];

test.afterEach(async ({ sagas }) => {
  for (const path of PATHS) await sagas[path].pool.clearFaults();
});

/** A run that was reset to where it waited waits again; the sweep, which comes every minute, ends it. */
async function untilItEnds(saga: Saga, id: string, runId: string): Promise<void> {
  await saga.eventually(async () => {
    const now = await saga.handle(id).describe();
    expect(now.runId).toBe(runId);
    if (now.status.name !== 'RUNNING') return true;
    await saga.sweep();
    return false;
  });
}

async function retried(saga: Saga, { id }: Registration): Promise<string> {
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  return await saga.ending(id);
}

// A closed row stays closed: whoever is there keeps the account, whoever is not stays away, and
// nothing is told twice.
test.for(ENDINGS)('reset of $name to every task', async ({ path, run, ending }, { sagas }) => {
  const saga = sagas[path];
  const registration = await run(saga);
  const { id } = registration;
  expect(await saga.ending(id)).toBe(ending);
  await saga.pool.clearFaults();
  const before = await everything(saga, registration);
  const points = await resetPoints(saga, id);
  expect(points.length).toBeGreaterThanOrEqual(1);
  for (const point of points) {
    const runId = await reset(saga, point);
    await untilItEnds(saga, id, runId);
    expect(await everything(saga, registration)).toEqual(before);
  }
});

test.for(PATHS)('reset of a parked run to every task, %s path', async (path, { sagas }) => {
  const saga = sagas[path];
  await saga.pool.setFaults([{ ...ILL, match: { group: 'viewer' } }]);
  const registration = await saga.register({ roles: ['viewer', 'researcher'] });
  const { id } = registration;
  await untilItWaits(saga, id, 'roles_pending');
  const before = await everythingButTheRun(saga, registration);
  const points = await resetPoints(saga, id);
  expect(points.length).toBeGreaterThan(1);
  for (const point of points) {
    const runId = await reset(saga, point);
    await untilItWaits(saga, id, 'roles_pending', runId);
    expect(await everythingButTheRun(saga, registration)).toEqual(before);
  }
  await saga.pool.clearFaults();
  expect(await retried(saga, registration)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['researcher', 'viewer']);
});

test('reset of a run that the schedule woke and that parked again, to its last task', async ({
  sagas,
}) => {
  const saga = sagas.fast;
  await saga.pool.setFaults([ILL]);
  const registration = await saga.register();
  const { id } = registration;
  await untilItWaits(saga, id, 'roles_pending');
  await saga.runs.resume(id, 'schedule');
  await saga.until(id, ({ resumeAttempts }) => resumeAttempts === 2);
  await untilItWaits(saga, id, 'roles_pending');
  const points = await resetPoints(saga, id);
  const parkedEvents = async () =>
    (await saga.events(id)).filter((event) => event === 'registration.parked').length;
  const before = await parkedEvents();
  const last = points.at(-1);
  if (!last) throw new Error('no task to reset to');
  const runId = await reset(saga, last);
  await untilItWaits(saga, id, 'roles_pending', runId);
  expect(await parkedEvents()).toBe(before);
});

test('reset of a run whose cleanup is stuck to every task', async ({ sagas }) => {
  const saga = sagas.fast;
  const stuck = { operation: 'AdminDeleteUser', fault: { kind: 'server' } } as const;
  await saga.pool.setFaults([NO_ROLE, stuck]);
  const registration = await saga.register();
  const { id } = registration;
  await untilItWaits(saga, id, 'cleanup_required');
  const before = await everythingButTheRun(saga, registration);
  const points = await resetPoints(saga, id);
  expect(points.length).toBeGreaterThan(1);
  for (const point of points) {
    const runId = await reset(saga, point);
    await untilItWaits(saga, id, 'cleanup_required', runId);
    expect(await everythingButTheRun(saga, registration)).toEqual(before);
  }
  await saga.pool.clearFaults();
  expect(await retried(saga, registration)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
});

test('reset of a parked run that was cancelled meanwhile does not bring it back', async ({
  sagas,
}) => {
  const saga = sagas.fast;
  await saga.pool.setFaults([ILL]);
  const registration = await saga.register();
  const { id } = registration;
  await saga.untilStatus(id, 'roles_pending');
  await saga.handle(id).cancel();
  await saga.ending(id);
  const [first] = await resetPoints(saga, id);
  if (!first) throw new Error('no task to reset to');
  await reset(saga, first);
  await saga.ending(id);
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'cancelled' });
});
