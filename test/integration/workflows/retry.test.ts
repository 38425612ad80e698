import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { requestHashOf } from '../../../src/ledger/registrations/accept.ts';
import { requestRetry, requestRoles } from '../../../src/ledger/registrations/instructions.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: 'because' } as const;
const RESUME_SECONDS = 3600;

test.override('sagaOptions', { retryBudgetSeconds: 2, resumeIntervalSeconds: RESUME_SECONDS });

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

/** As if the time of every parked row had come. */
const dueNow = (saga: Saga) =>
  saga.db.execute(sql`UPDATE registrations SET next_resume_at = now() - interval '1 second'
    WHERE status = 'roles_pending'`);

const park = async (saga: Saga, group = '*', roles = ['viewer', 'researcher']) => {
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group }, fault: { kind: 'server' } },
  ]);
  const registration = await saga.register({ roles });
  const row = await saga.untilStatus(registration.id, 'roles_pending');
  return { registration, row };
};

test('three 503 at every operation are retried, and the registration completes', async ({
  saga,
}) => {
  await saga.pool.setFaults(
    ['AdminCreateUser', 'AdminAddUserToGroup'].map((operation) => ({
      operation,
      times: 3,
      fault: { kind: 'server' },
    })),
  );
  const registration = await saga.register();
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['viewer'],
    status: 'completed',
  });
  expect(await saga.events(registration.id)).toEqual(['registration.requested', 'user.registered']);
  expect((await saga.pool.calls())['AdminDeleteUser']).toBeUndefined();
});

test('attempts are counted over all activities of a step, the one at once included', async ({
  saga,
}) => {
  await saga.pool.setFaults([
    // One at once and the budget's four: the first of the slow ones succeeds.
    { operation: 'AdminCreateUser', times: 5, fault: { kind: 'server' } },
    {
      operation: 'AdminAddUserToGroup',
      match: { group: 'viewer' },
      times: 1,
      fault: { kind: 'server' },
    },
  ]);
  const registration = await saga.register({ roles: ['researcher', 'viewer'] });
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.row(registration.id)).steps).toEqual({
    createUser: { status: 'done', attempts: 6, lastError: null },
    'assignRole:researcher': { status: 'done', attempts: 1, lastError: null },
    'assignRole:viewer': { status: 'done', attempts: 2, lastError: null },
    complete: { status: 'done', attempts: 1, lastError: null },
  });
});

test('attempts of the next activity count on from the first one', async ({ saga }) => {
  await saga.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { group: 'viewer' },
      times: 2,
      fault: { kind: 'server' },
    },
  ]);
  const registration = await saga.register({ roles: ['researcher', 'viewer'] });
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.row(registration.id)).steps).toMatchObject({
    'assignRole:researcher': { status: 'done', attempts: 1, lastError: null },
    'assignRole:viewer': { status: 'done', attempts: 3, lastError: null },
  });
});

test('503 beyond the retry budget parks the run with visible causes', async ({ saga }) => {
  const { registration, row } = await park(saga, 'viewer');
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['researcher'],
    status: 'roles_pending',
  });
  expect(row.failure?.code).toBe('identity_provider_unavailable');
  expect(row.steps['assignRole:viewer']).toEqual({
    status: 'failed',
    // One at once, and a budget of two seconds has four.
    attempts: 5,
    lastError: 'identity_provider_unavailable',
  });
  expect(row.rolesAssigned).toEqual(['researcher']);
  expect(row.nextResumeAt).not.toBeNull();
  await saga.eventually(async () => {
    const { searchAttributes } = await saga.handle(registration.id).describe();
    return searchAttributes['RegistrationStatus']?.[0] === 'roles_pending';
  });

  await saga.pool.clearFaults();
  await requestRetry(saga.db, registration.id, OPERATOR);
  expect((await saga.row(registration.id)).status).toBe('running');
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['researcher', 'viewer'],
    status: 'completed',
  });
  expect((await saga.row(registration.id)).failure).toBeNull();
});

test('the schedule completes a parked run without an operator and waits longer each time', async ({
  saga,
}) => {
  const { registration, row } = await park(saga);
  expect(row.resumeAttempts).toBe(1);
  await saga.pool.clearCalls();
  await dueNow(saga);
  await saga.resumeDue();
  const again = await saga.row(registration.id);
  expect(again).toMatchObject({ status: 'roles_pending', resumeAttempts: 2 });
  // One attempt per role, and twice the interval.
  expect((await saga.pool.calls())['AdminAddUserToGroup']?.calls).toBe(2);
  const waitMs = (again.nextResumeAt?.getTime() ?? 0) - Date.now();
  expect(waitMs).toBeGreaterThan(RESUME_SECONDS * 1000);
  expect(waitMs).toBeLessThanOrEqual(2 * RESUME_SECONDS * 1000);

  await saga.pool.clearFaults();
  await dueNow(saga);
  await saga.resumeDue();
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await saga.world(registration)).toMatchObject({
    roles: ['researcher', 'viewer'],
    status: 'completed',
  });
});

test('a failing provider ends the resume round after three failures', async ({ saga }) => {
  await saga.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const registrations = await Promise.all(Array.from({ length: 12 }, () => saga.register()));
  for (const { id } of registrations) await saga.untilStatus(id, 'roles_pending');
  await dueNow(saga);
  await saga.resumeDue();
  const rows = await Promise.all(registrations.map(({ id }) => saga.row(id)));
  const tried = rows.filter(({ resumeAttempts }) => resumeAttempts > 1).length;
  expect(tried).toBeGreaterThanOrEqual(3);
  expect(tried).toBeLessThanOrEqual(10);

  await saga.pool.clearFaults();
  await saga.eventually(async () => {
    await dueNow(saga);
    await saga.resumeDue();
    const now = await Promise.all(registrations.map(({ id }) => saga.row(id)));
    return now.every(({ status }) => status === 'completed');
  });
});

test('replacing the roles of a parked run that had one of two assigns exactly the new ones', async ({
  saga,
}) => {
  const { registration } = await park(saga, 'viewer');
  await saga.pool.clearFaults();
  await requestRoles(saga.db, registration.id, { ...OPERATOR, roles: ['manager', 'viewer'] });
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['manager', 'viewer'],
    status: 'completed',
  });
  expect((await saga.row(registration.id)).rolesAssigned).toEqual(['manager', 'viewer']);
  expect(await saga.events(registration.id)).toEqual([
    'registration.requested',
    'registration.parked',
    'registration.roles_requested',
    'registration.resumed',
    'user.registered',
  ]);
});

test('replacing the roles while a replacement is running assigns exactly the last ones', async ({
  saga,
}) => {
  const { registration } = await park(saga, 'viewer');
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'latency', ms: 300 } },
    { operation: 'AdminAddUserToGroup', match: { group: 'admin' }, fault: { kind: 'server' } },
  ]);
  await requestRoles(saga.db, registration.id, { ...OPERATOR, roles: ['admin', 'manager'] });
  await saga.runs.resume(registration.id, 'operator');
  await saga.untilStatus(registration.id, 'roles_pending');
  await requestRoles(saga.db, registration.id, { ...OPERATOR, roles: ['researcher'] });
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['researcher']);
});

test('an instruction that meets a scheduled attempt in flight is not lost when that attempt fails', async ({
  saga,
}) => {
  const { registration } = await park(saga, 'viewer');
  await saga.pool.clearCalls();
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'latency', ms: 1000 } },
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'server' } },
  ]);
  await saga.runs.resume(registration.id, 'schedule');
  await saga.untilCalled('AdminAddUserToGroup');
  await requestRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  // It was running from the instruction on: the failed attempt did not park it again.
  expect(await saga.events(registration.id)).toEqual([
    'registration.requested',
    'registration.parked',
    'registration.retry_requested',
    'registration.resumed',
    'user.registered',
  ]);
});

test('repeating the POST without a key resumes the caller’s own parked run', async ({ saga }) => {
  const { registration } = await park(saga);
  await saga.pool.clearFaults();
  const repeated = await saga.acceptAny({
    email: registration.email,
    roles: ['researcher', 'viewer'],
    requestHash: requestHashOf('another'),
  });
  expect(repeated).toMatchObject({ kind: 'resumed', registration: { id: registration.id } });
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
});
