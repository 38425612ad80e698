import { expect } from 'vitest';
import { sql } from 'drizzle-orm';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { addUser, removeUser } from '../../support/pool-user.ts';
import { test } from '../../support/saga-test.ts';

test.override('sagaOptions', { retryBudgetSeconds: 2, propagationGraceSeconds: 1 });

const OPERATOR = { actor: 'operator', reason: null } as const;

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

const fails = (operation: string, error: string, times?: number): Rule => ({
  operation,
  ...(times !== undefined && { times }),
  fault: { kind: 'error', error },
});

test('a read that is refused after a lost reply does not undo the good user', async ({ saga }) => {
  await saga.pool.setFaults([
    { operation: 'AdminCreateUser', times: 1, fault: { kind: 'replyLost', effect: 'after' } },
    fails('AdminGetUser', 'ExpiredTokenException', 1),
  ]);
  const registration = await saga.register();
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.pool.calls())['AdminDeleteUser']).toBeUndefined();
});

test.for(['InvalidSignatureException', 'ExpiredTokenException', 'UnrecognizedClientException'])(
  'credentials that are refused for a moment (%s) recover without an operator',
  async (error, { saga }) => {
    await saga.pool.setFaults([fails('AdminCreateUser', error, 2)]);
    const registration = await saga.register();
    expect(await saga.ending(registration.id)).toBe('completed');
  },
);

test('credentials that stay refused for five seconds fail the registration, and no user was created', async ({
  saga,
}) => {
  await saga.pool.setFaults([fails('AdminCreateUser', 'ExpiredTokenException')]);
  const { id } = await saga.register();
  // The budget is spent before: the run goes on until it may decide.
  await saga.until(id, ({ credentialsRefusedSince }) => credentialsRefusedSince !== null);
  await saga.db.execute(sql`UPDATE registrations
    SET credentials_refused_since = credentials_refused_since - interval '5 seconds'
    WHERE id = ${id}::uuid`);
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('identity_provider_refused');
  const row = await saga.row(id);
  expect(row).toMatchObject({ status: 'failed', failure: { cause: 'provider_refused' } });
  expect(row.steps['deleteUser']).toBeUndefined();
});

test('a missing permission fails the registration at once', async ({ saga }) => {
  await saga.pool.setFaults([fails('AdminCreateUser', 'AccessDeniedException')]);
  const { id } = await saga.register();
  expect(await saga.ending(id)).toBe('identity_provider_refused');
  expect((await saga.pool.calls())['AdminCreateUser']?.calls).toBe(1);
});

test('no refusal fails the registration while an earlier create may still land', async ({
  saga,
}) => {
  await saga.pool.setFaults([
    {
      operation: 'AdminCreateUser',
      times: 1,
      fault: { kind: 'replyLost', effect: 'after', lateMs: 600 },
    },
    { ...fails('AdminGetUser', 'AccessDeniedException'), times: 1 },
  ]);
  const registration = await saga.register();
  expect(await saga.ending(registration.id)).toBe('completed');
});

test('an address that exists but cannot be read parks the run with its cause', async ({ saga }) => {
  await saga.pool.setFaults([fails('AdminCreateUser', 'AliasExistsException')]);
  const registration = await saga.register();
  const { id } = registration;
  const parked = await saga.untilStatus(id, 'roles_pending');
  expect(parked.failure).toMatchObject({ code: 'user_not_visible', cause: 'exists_unreadable' });

  // The schedule makes one attempt.
  await saga.pool.clearCalls();
  await saga.db.execute(sql`UPDATE registrations SET next_resume_at = clock_timestamp()
    WHERE id = ${id}::uuid`);
  await saga.resumeDue();
  expect((await saga.row(id)).status).toBe('roles_pending');
  expect((await saga.pool.calls())['AdminCreateUser']?.calls).toBe(1);

  await saga.pool.clearFaults();
  await saga.db.execute(sql`UPDATE registrations SET next_resume_at = clock_timestamp()
    WHERE id = ${id}::uuid`);
  await saga.resumeDue();
  expect(await saga.ending(id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['viewer']);
});

test('a registration that is parked without a user can be cancelled: nothing is deleted', async ({
  saga,
}) => {
  await saga.pool.setFaults([fails('AdminCreateUser', 'AliasExistsException')]);
  const { id } = await saga.register();
  await saga.untilStatus(id, 'roles_pending');
  await requestCancel(saga.db, id, OPERATOR);
  await saga.runs.cancel(id);
  expect(await saga.ending(id)).toBe('CancelledFailure');
  expect((await saga.row(id)).steps['deleteUser']).toBeUndefined();
  expect((await saga.pool.calls())['AdminDeleteUser']).toBeUndefined();
});

test('a slow create names its cause, and a retry starts it again', async ({ saga }) => {
  await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault: { kind: 'throttle' } }]);
  const { id } = await saga.register();
  const slow = await saga.until(id, ({ failure }) => failure !== null);
  expect(slow).toMatchObject({
    status: 'running',
    failure: { code: 'identity_provider_throttled', cause: 'throttled_parked' },
  });
  await saga.pool.clearFaults();
  expect((await requestRetry(saga.db, id, OPERATOR)).kind).toBe('done');
  expect((await saga.row(id)).failure).toBeNull();
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('completed');
});

test('a retry of a run that makes progress is refused', async ({ saga }) => {
  await saga.pool.setFaults([
    { operation: 'AdminCreateUser', times: 1, fault: { kind: 'latency', ms: 1500 } },
  ]);
  const { id } = await saga.register();
  await saga.untilStatus(id, 'running');
  expect((await requestRetry(saga.db, id, OPERATOR)).kind).toBe('not_parked');
  expect(await saga.ending(id)).toBe('completed');
});

test('a retry ends with email_taken when a foreign user still has the address', async ({
  saga,
}) => {
  await saga.pool.setFaults([fails('AdminCreateUser', 'AliasExistsException')]);
  const registration = await saga.register();
  await saga.untilStatus(registration.id, 'roles_pending');
  await saga.pool.clearFaults();
  await addUser(saga.pool, registration.email);
  await requestRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('email_taken');
  await removeUser(saga.pool, registration.email);
});
