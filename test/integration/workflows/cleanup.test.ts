import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { Saga } from '../../support/saga.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const NO_ROLE: Rule = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
};

let saga: Saga;
beforeAll(async () => {
  saga = await Saga.start();
});
afterEach(async () => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});
afterAll(async () => {
  await saga.stop();
});

const stuck = async (...more: Rule[]) => {
  await saga.pool.setFaults([
    NO_ROLE,
    { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
    ...more,
  ]);
  const registration = await saga.register();
  const row = await saga.untilStatus(registration.id, 'cleanup_required');
  await saga.untilAttempt(registration.id, 'deleteUser', 2);
  return { id: registration.id, registration, row };
};
const retry = async (id: string) => {
  expect((await requestRetry(saga.db, id, OPERATOR)).kind).toBe('done');
  await saga.runs.resume(id, 'operator');
};

test('cleanup_required names both failures and keeps saying so until it is done', async () => {
  const { id, registration, row } = await stuck();
  expect(row.failure?.code).toBe('registration_failed');
  expect(row.compensationFailures).toEqual([
    { step: 'deleteUser', code: 'identity_provider_unavailable', detail: expect.any(String) },
  ]);
  expect((await saga.handle(id).describe()).searchAttributes['RegistrationStatus']).toEqual([
    'cleanup_required',
  ]);
  const before = (await saga.pool.calls())['AdminDeleteUser']?.calls ?? 0;
  await retry(id);
  expect((await saga.row(id)).status).toBe('cleanup_required');
  await saga.untilCalled('AdminDeleteUser', before + 1);
  // Still broken: the retry changed nothing but made an attempt at once.
  await saga.untilAttempt(id, 'deleteUser', 2);
  expect(await saga.world(registration)).toMatchObject({ mark: id, status: 'cleanup_required' });

  await saga.pool.clearFaults();
  await retry(id);
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect((await saga.row(id)).steps['deleteUser']?.status).toBe('done');
});

test('a retry while an attempt is in flight, and that attempt fails: still trying', async () => {
  const { id, registration } = await stuck();
  await saga.pool.clearCalls();
  await saga.pool.setFaults([
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'latency', ms: 1500 } },
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'server' } },
  ]);
  await retry(id);
  await saga.untilCalled('AdminDeleteUser');
  await retry(id);
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  // One run all the way: nothing had to be mended by the sweep.
  expect((await saga.pool.calls())['AdminDeleteUser']).toEqual({ calls: 2, done: 1 });
});

test('cancel of a stuck cleanup changes nothing, through the API and in the UI', async () => {
  const { id, registration } = await stuck();
  expect((await requestCancel(saga.db, id, OPERATOR)).kind).toBe('compensating');
  await saga.handle(id).cancel();
  await saga.pool.clearFaults();
  await retry(id);
  await saga.ending(id);
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
});

test('cancel of a parked run: cancelled, nothing left', async () => {
  await saga.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const registration = await saga.register();
  await saga.untilStatus(registration.id, 'roles_pending');
  expect((await requestCancel(saga.db, registration.id, OPERATOR)).kind).toBe('done');
  await saga.runs.cancel(registration.id);
  expect(await saga.ending(registration.id)).toBe('CancelledFailure');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'cancelled' });
  expect((await saga.row(registration.id)).failure?.code).toBe('registration_cancelled');
  expect((await requestCancel(saga.db, registration.id, OPERATOR)).kind).toBe('already_closed');
});
