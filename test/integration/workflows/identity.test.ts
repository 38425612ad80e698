import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { addUser, portrait, removeUser } from '../../support/pool-user.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
  await saga.allowAudit();
});

const registerWith = async (saga: Saga, faults: readonly Rule[], roles = ['viewer']) => {
  await saga.pool.setFaults(faults);
  return await saga.register({ roles });
};

test('credentials refused from the start fail the registration and delete nothing', async ({
  saga,
}) => {
  const registration = await registerWith(saga, [{ operation: '*', fault: { kind: 'refused' } }]);
  expect(await saga.ending(registration.id)).toBe('identity_provider_refused');
  expect(await saga.row(registration.id)).toMatchObject({
    status: 'failed',
    failure: { code: 'identity_provider_refused' },
    compensationFailures: [],
  });
  const calls = await saga.pool.calls();
  expect(calls['AdminCreateUser']).toEqual({ calls: 1, done: 0 });
  expect(calls['AdminDeleteUser']).toBeUndefined();
  expect(calls['AdminGetUser']).toBeUndefined();
});

test('credentials refused later park the run and keep the user, and a retry completes it', async ({
  saga,
}) => {
  const registration = await registerWith(saga, [
    { operation: 'AdminAddUserToGroup', fault: { kind: 'refused' } },
  ]);
  const parked = await saga.untilStatus(registration.id, 'roles_pending');
  expect(parked.failure?.code).toBe('identity_provider_refused');
  expect((await saga.world(registration)).mark).toBe(registration.id);
  // Definitive for now: the budget is not spent on it.
  expect((await saga.pool.calls())['AdminAddUserToGroup']?.calls).toBeLessThanOrEqual(2);

  await saga.pool.clearFaults();
  await requestRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
});

test('a throttling error is transient although its HTTP status is 400', async ({ saga }) => {
  const registration = await registerWith(saga, [
    { operation: 'AdminCreateUser', times: 2, fault: { kind: 'throttle' } },
    { operation: 'AdminAddUserToGroup', times: 2, fault: { kind: 'throttle' } },
  ]);
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['viewer']);
});

test('an account of another person is untouched, and the registration ends with email_taken', async ({
  saga,
}) => {
  const email = 'stranger@example.com';
  await addUser(saga.pool, email, { role: 'manager' });
  const before = await portrait(saga.pool, email);
  const registration = await saga.register({ email, roles: ['admin'] });
  expect(await saga.ending(registration.id)).toBe('email_taken');
  expect(await saga.row(registration.id)).toMatchObject({
    status: 'failed',
    failure: { code: 'email_taken' },
    userId: null,
  });
  expect(await portrait(saga.pool, email)).toBe(before);
});

const MARKS: [string, (saga: Saga) => Promise<string>][] = [
  ['a mark that no row has', async () => randomUUID()],
  ['a mark that is no id', async () => 'somebody'],
  [
    'the mark of a completed registration',
    async (saga) => {
      const other = await saga.register();
      await saga.ending(other.id);
      return other.id;
    },
  ],
];

test.for(MARKS)('an account with %s belongs to another person', async ([, markOf], { saga }) => {
  const email = `${randomUUID()}@example.com`;
  await addUser(saga.pool, email, { mark: await markOf(saga), role: 'viewer' });
  const before = await portrait(saga.pool, email);
  const registration = await saga.register({ email, roles: ['admin'] });
  expect(await saga.ending(registration.id)).toBe('email_taken');
  expect(await portrait(saga.pool, email)).toBe(before);
});

test('a leftover of a failed registration of this ledger is replaced', async ({ saga }) => {
  const failed = await registerWith(saga, [
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
  ]);
  expect(await saga.ending(failed.id)).toBe('registration_failed');
  await saga.pool.clearFaults();
  await addUser(saga.pool, failed.email, { mark: failed.id, role: 'admin' });

  const registration = await saga.register({ email: failed.email });
  expect(await saga.ending(registration.id)).toBe('completed');
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: ['viewer'],
    status: 'completed',
  });
});

test('a leftover that cannot be deleted yet is replaced once it can', async ({ saga }) => {
  const failed = await registerWith(saga, [
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
  ]);
  await saga.ending(failed.id);
  await saga.pool.clearFaults();
  await addUser(saga.pool, failed.email, { mark: failed.id, role: 'admin' });
  await saga.pool.setFaults([
    { operation: 'AdminDeleteUser', times: 2, fault: { kind: 'server' } },
  ]);
  const registration = await saga.register({ email: failed.email });
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['viewer']);
});

test('a user deleted while the run was parked ends it with user_vanished', async ({ saga }) => {
  const registration = await registerWith(saga, [
    { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } },
  ]);
  const { userCreatedAt } = await saga.untilStatus(registration.id, 'roles_pending');
  await saga.pool.clearFaults();
  await removeUser(saga.pool, registration.email);
  // Within the grace a missing user would count as lag.
  await saga.eventually(async () => Date.now() - (userCreatedAt?.getTime() ?? 0) > 1000);
  await requestRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('user_vanished');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
});

test('a missing role fails the registration and leaves nothing behind', async ({ saga }) => {
  const registration = await registerWith(saga, [], ['viewer', 'no-such-role', 'researcher']);
  expect(await saga.ending(registration.id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect((await saga.row(registration.id)).rolesAssigned).toEqual([]);
});

test('an audit event that is refused for good fails the registration and leaves no user', async ({
  saga,
}) => {
  await saga.refuseAudit('user.registered', 'definitive');
  const registration = await saga.register();
  expect(await saga.ending(registration.id)).toBe('registration_failed');
  expect(await saga.row(registration.id)).toMatchObject({
    status: 'failed',
    failure: { code: 'registration_failed', detail: expect.stringContaining('Please try again') },
  });
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect(await saga.events(registration.id)).not.toContain('user.registered');
});

test('a refused closing event does not keep the row open, and the sweep appends it', async ({
  saga,
}) => {
  await saga.refuseAudit('registration.failed', 'definitive');
  const registration = await registerWith(saga, [], ['no-such-role']);
  expect(await saga.ending(registration.id)).toBe('registration_failed');
  expect((await saga.row(registration.id)).status).toBe('failed');
  expect(await saga.events(registration.id)).not.toContain('registration.failed');
  await saga.allowAudit();
  for (let sweeps = 0; sweeps < 2; sweeps += 1) await saga.sweep();
  expect(await saga.events(registration.id)).toEqual([
    'registration.requested',
    'registration.compensating',
    'registration.failed',
  ]);
});
