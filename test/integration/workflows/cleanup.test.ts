import { expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const NO_ROLE: Rule = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
};

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

const stuck = async (saga: Saga, ...more: Rule[]) => {
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
const retry = async (saga: Saga, id: string) => {
  expect((await requestRetry(saga.db, id, OPERATOR)).kind).toBe('done');
  await saga.runs.resume(id, 'operator');
};

test('cleanup_required names both failures and keeps saying so until it is done', async ({
  saga,
}) => {
  const { id, registration, row } = await stuck(saga);
  expect(row.failure?.code).toBe('registration_failed');
  expect(row.compensationFailures).toEqual([
    { step: 'deleteUser', code: 'identity_provider_unavailable', detail: expect.any(String) },
  ]);
  expect((await saga.handle(id).describe()).searchAttributes['RegistrationStatus']).toEqual([
    'cleanup_required',
  ]);
  const before = (await saga.pool.calls())['AdminDeleteUser']?.calls ?? 0;
  await retry(saga, id);
  expect((await saga.row(id)).status).toBe('cleanup_required');
  await saga.untilCalled('AdminDeleteUser', before + 1);
  // Still broken: the retry changed nothing but made an attempt at once.
  await saga.untilAttempt(id, 'deleteUser', 2);
  expect(await saga.world(registration)).toMatchObject({ mark: id, status: 'cleanup_required' });

  await saga.pool.clearFaults();
  await retry(saga, id);
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect((await saga.row(id)).steps['deleteUser']?.status).toBe('done');
});

test('a retry survives an attempt in flight that fails', async ({ saga }) => {
  const { id, registration } = await stuck(saga);
  await saga.pool.clearCalls();
  await saga.pool.setFaults([
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'latency', ms: 1500 } },
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'server' } },
  ]);
  await retry(saga, id);
  await saga.untilCalled('AdminDeleteUser');
  await retry(saga, id);
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  // One run all the way: nothing had to be mended by the sweep.
  expect((await saga.pool.calls())['AdminDeleteUser']).toEqual({ calls: 2, done: 1 });
});

test('cancelling a stuck cleanup changes nothing, through the API and in the UI', async ({
  saga,
}) => {
  const { id, registration } = await stuck(saga);
  expect((await requestCancel(saga.db, id, OPERATOR)).kind).toBe('compensating');
  await saga.handle(id).cancel();
  await saga.pool.clearFaults();
  await retry(saga, id);
  await saga.ending(id);
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
});

test('cancelling a parked run leaves no user', async ({ saga }) => {
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
