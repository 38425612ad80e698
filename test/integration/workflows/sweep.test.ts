import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { workflowIdOf } from '../../../src/domain/registration.ts';
import { verifyAuditTrail } from '../../../src/ledger/audit/verify-trail.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { readRegistration } from '../../../src/ledger/registrations/read.ts';
import { addUser, portrait, removeRole, removeUser } from '../../support/pool-user.ts';
import type { Saga } from '../../support/saga.ts';
import { TEST_NAMESPACE } from '../../support/temporal.ts';
import { test } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const NO_ROLE_YET: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

const park = async (saga: Saga) => {
  await saga.pool.setFaults([NO_ROLE_YET]);
  const registration = await saga.register();
  await saga.untilStatus(registration.id, 'roles_pending');
  await saga.pool.clearFaults();
  return registration;
};
/** As if it had happened longer ago than the sweep waits for. */
const older = (saga: Saga, id: string, column: 'accepted_at' | 'instruction_at') =>
  saga.db.execute(
    sql.raw(`UPDATE registrations SET ${column} = now() - interval '1 minute' WHERE id = '${id}'`),
  );
const toldBy = (saga: Saga, id: string) =>
  saga.db.execute(sql`SELECT id FROM outbox
    WHERE registration_id = ${id} AND kind = 'user.created'`);

const reopen = (saga: Saga, id: string) =>
  saga.db.execute(
    sql.raw(`UPDATE registrations SET status = 'running', finished_at = NULL WHERE id = '${id}'`),
  );
/** The server has lost the run and its history. */
const lose = async (saga: Saga, id: string) => {
  await saga.client.workflowService.deleteWorkflowExecution({
    namespace: TEST_NAMESPACE,
    workflowExecution: { workflowId: workflowIdOf(id) },
  });
  await saga.eventually(async () => (await saga.runs.describe(id)).kind === 'not_found');
};

test('the sweep starts a run for an accepted row that is old enough', async ({ saga }) => {
  const registration = await saga.accept();
  expect((await saga.sweep()).started).toBe(0);
  await older(saga, registration.id, 'accepted_at');
  expect((await saga.sweep()).started).toBe(1);
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).status).toBe('completed');
  expect((await saga.sweep()).started).toBe(0);
});

test('the sweep does not touch an open run', async ({ saga }) => {
  const registration = await park(saga);
  const before = await saga.row(registration.id);
  expect(await saga.sweep()).toMatchObject({ started: 0, restarted: 0, compensated: 0, failed: 0 });
  expect(await saga.row(registration.id)).toEqual(before);
  await saga.handle(registration.id).cancel();
  await saga.ending(registration.id);
});

test('a parked run that the server has lost keeps its user, and a retry completes it', async ({
  saga,
}) => {
  const registration = await park(saga);
  await lose(saga, registration.id);
  expect((await saga.sweep()).restarted).toBe(1);
  await saga.eventually(async () => {
    const { searchAttributes } = await saga.handle(registration.id).describe();
    return searchAttributes['RegistrationStatus']?.[0] === 'roles_pending';
  });
  expect(await saga.world(registration)).toEqual({
    mark: registration.id,
    roles: [],
    status: 'roles_pending',
  });
  await requestRetry(saga.db, registration.id, OPERATOR);
  await saga.runs.resume(registration.id, 'operator');
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.world(registration)).roles).toEqual(['viewer']);
});

test('a run lost during compensation is restarted and only compensates', async ({ saga }) => {
  await saga.pool.setFaults([
    { ...NO_ROLE_YET, fault: { kind: 'error', error: 'ResourceNotFoundException' } },
    { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
  ]);
  const registration = await saga.register();
  await saga.untilStatus(registration.id, 'cleanup_required');
  await lose(saga, registration.id);
  await saga.pool.clearFaults();
  expect((await saga.sweep()).restarted).toBe(1);
  expect(await saga.ending(registration.id)).toBe('registration_failed');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect((await saga.pool.calls())['AdminCreateUser']?.calls).toBe(1);
});

describe('an instruction that was written and never sent is delivered', () => {
  test('the sweep delivers an instruction to retry that was never signalled', async ({ saga }) => {
    const registration = await park(saga);
    await requestRetry(saga.db, registration.id, OPERATOR);
    expect((await saga.sweep()).instructionsDelivered).toBe(0);
    await older(saga, registration.id, 'instruction_at');
    expect((await saga.sweep()).instructionsDelivered).toBe(1);
    expect(await saga.ending(registration.id)).toBe('completed');
    expect((await saga.sweep()).instructionsDelivered).toBe(0);
  });

  test('the sweep delivers an instruction to cancel that was never signalled', async ({ saga }) => {
    const registration = await park(saga);
    await requestCancel(saga.db, registration.id, OPERATOR);
    await older(saga, registration.id, 'instruction_at');
    expect((await saga.sweep()).instructionsDelivered).toBe(1);
    expect(await saga.ending(registration.id)).toBe('CancelledFailure');
    expect((await saga.world(registration)).mark).toBeNull();
  });

  test('the sweep cancels a registration whose run never started, and no user is created', async ({
    saga,
  }) => {
    const registration = await saga.accept();
    await requestCancel(saga.db, registration.id, OPERATOR);
    await older(saga, registration.id, 'accepted_at');
    expect((await saga.sweep()).started).toBe(1);
    await saga.untilStatus(registration.id, 'cancelled');
    await saga.ending(registration.id);
    expect((await saga.pool.calls())['AdminCreateUser']).toBeUndefined();
    expect(await saga.events(registration.id)).toEqual([
      'registration.requested',
      'registration.cancel_requested',
      'registration.compensating',
      'registration.cancelled',
    ]);
  });
});

describe('a run that completed over an open row', () => {
  test('the sweep completes an open row whose run completed, with one event', async ({ saga }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    await reopen(saga, registration.id);
    expect((await saga.sweep()).completed).toBe(1);
    expect((await saga.row(registration.id)).status).toBe('completed');
    expect(await saga.events(registration.id)).toEqual([
      'registration.requested',
      'user.registered',
    ]);
    expect(await toldBy(saga, registration.id)).toHaveLength(1);
  });

  test('the sweep queues a lost event again under the same id', async ({ saga }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    const before = await toldBy(saga, registration.id);
    await reopen(saga, registration.id);
    await saga.db.execute(sql`DELETE FROM outbox WHERE registration_id = ${registration.id}`);
    expect((await saga.sweep()).completed).toBe(1);
    expect(await toldBy(saga, registration.id)).toEqual(before);
  });

  test('the sweep completes a row and assigns its lost role', async ({ saga }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    await reopen(saga, registration.id);
    await removeRole(saga.pool, registration.email, 'viewer');
    await saga.sweep();
    expect(await saga.world(registration)).toEqual({
      mark: registration.id,
      roles: ['viewer'],
      status: 'completed',
    });
  });

  test('the sweep completes a row with exactly the roles requested meanwhile', async ({ saga }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    await reopen(saga, registration.id);
    await saga.db.execute(sql`UPDATE registrations
      SET roles = '{manager}', roles_touched = '{viewer,manager}' WHERE id = ${registration.id}`);
    await saga.pool.setFaults([
      { operation: 'AdminRemoveUserFromGroup', times: 1, fault: { kind: 'server' } },
    ]);
    expect(await saga.sweep()).toMatchObject({ completed: 0, failed: 1 });
    expect((await saga.row(registration.id)).status).toBe('running');
    expect(await saga.sweep()).toMatchObject({ completed: 1, failed: 0 });
    expect(await saga.world(registration)).toEqual({
      mark: registration.id,
      roles: ['manager'],
      status: 'completed',
    });
  });

  test('the sweep closes a row without its user as failed, though no run can do it', async ({
    saga,
  }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    await reopen(saga, registration.id);
    await removeUser(saga.pool, registration.email);
    await saga.eventually(async () => {
      await saga.sweep();
      return (await saga.row(registration.id)).status === 'failed';
    });
    expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  });

  test('the sweep closes a row as failed and does not touch a foreign user at its address', async ({
    saga,
  }) => {
    const registration = await saga.register();
    await saga.ending(registration.id);
    await reopen(saga, registration.id);
    await removeUser(saga.pool, registration.email);
    await addUser(saga.pool, registration.email, { mark: 'somebody else', role: 'admin' });
    const before = await portrait(saga.pool, registration.email);
    await saga.eventually(async () => {
      await saga.sweep();
      return (await saga.row(registration.id)).status === 'failed';
    });
    expect(await portrait(saga.pool, registration.email)).toBe(before);
  });
});

test('the sweep makes checkpoints and logs the digest of each, but not in a dry run', async ({
  saga,
}) => {
  const { id } = await saga.accept();
  const checkpoints = async () =>
    await saga.db.execute<{ batch: number; digest: string; events: number }>(
      sql`SELECT batch, digest, count AS events FROM audit_checkpoints ORDER BY batch`,
    );
  const logged: object[] = [];
  const ignore = () => undefined;
  const log = {
    info: (fields: object, message: string) => {
      if (message === 'audit checkpoint') logged.push(fields);
    },
    warn: ignore,
    error: ignore,
  };
  const before = await checkpoints();
  expect((await saga.sweep({ dryRun: true, log })).eventsCheckpointed).toBe(0);
  expect(await checkpoints()).toEqual(before);
  let reported = 0;
  const broken: unknown[] = [];
  await saga.eventually(async () => {
    reported += (await saga.sweep({ log })).eventsCheckpointed;
    return (await verifyAuditTrail(saga.db, (found) => broken.push(found))).uncovered === 0;
  });
  const made = (await checkpoints()).slice(before.length);
  expect(logged).toEqual(made);
  expect(made.reduce((sum, { events }) => sum + events, 0)).toBe(reported);
  expect(reported).toBeGreaterThan(0);
  expect(broken).toEqual([]);
  await requestCancel(saga.db, id, OPERATOR);
  await older(saga, id, 'accepted_at');
  await saga.sweep();
  await saga.untilStatus(id, 'cancelled');
  await saga.ending(id);
});

test('a dry run of the sweep reports what it would do and changes nothing', async ({ saga }) => {
  const [waiting, parked, requested] = [await saga.accept(), await park(saga), await park(saga)];
  await older(saga, waiting.id, 'accepted_at');
  await saga.handle(parked.id).terminate('test');
  await requestRetry(saga.db, requested.id, OPERATOR);
  await older(saga, requested.id, 'instruction_at');
  const rows = () => Promise.all([waiting, parked, requested].map(({ id }) => saga.row(id)));
  const before = await rows();
  const would = { started: 1, compensated: 1, instructionsDelivered: 1 };
  expect(await saga.sweep({ dryRun: true })).toMatchObject(would);
  expect(await rows()).toEqual(before);
  expect((await saga.runs.describe(waiting.id)).kind).toBe('not_found');
  expect(await saga.sweep()).toMatchObject(would);
  for (const { id } of [waiting, parked, requested]) {
    await saga.until(id, ({ finishedAt }) => finishedAt !== null);
    await saga.eventually(async () => (await saga.runs.describe(id)).kind !== 'open');
  }
});

describe('personal data of a failed registration', () => {
  const failed = async (saga: Saga) => {
    const error = 'InvalidParameterException';
    await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault: { kind: 'error', error } }]);
    const registration = await saga.register();
    await saga.untilStatus(registration.id, 'failed');
    await saga.pool.clearFaults();
    await saga.db.execute(sql`UPDATE registrations SET finished_at = now() - interval '2 days'
      WHERE id = ${registration.id}::uuid`);
    return registration;
  };
  const erasedBy = async (saga: Saga, options: Parameters<Saga['sweep']>[0]) =>
    (await saga.sweep(options)).registrationsErased;

  test('is erased by the sweep after the retention, and by no dry run', async ({ saga }) => {
    const { id, email } = await failed(saga);
    expect(await erasedBy(saga, { personalDataRetentionDays: null })).toBe(0);
    expect(await erasedBy(saga, { personalDataRetentionDays: 3 })).toBe(0);
    expect(await erasedBy(saga, { personalDataRetentionDays: 1, dryRun: true })).toBe(0);
    expect((await saga.row(id)).email).toBe(email);
    expect(await erasedBy(saga, { personalDataRetentionDays: 1 })).toBe(1);
    const row = await readRegistration(saga.db, id);
    expect(row).toMatchObject({ status: 'failed', email: null });
    expect(await erasedBy(saga, { personalDataRetentionDays: 1 })).toBe(0);
  });

  test('is not needed to replace a user that it left, nor to delete a stray', async ({ saga }) => {
    const { id, email } = await failed(saga);
    expect(await erasedBy(saga, { personalDataRetentionDays: 1 })).toBe(1);
    const stray = `stray-${email}`;
    await addUser(saga.pool, stray, { mark: id });
    await saga.db.execute(sql`UPDATE registrations SET stray_usernames = ARRAY[${stray}::text]
      WHERE id = ${id}::uuid`);
    expect((await saga.sweep()).straysDeleted).toBe(1);
    await addUser(saga.pool, email, { mark: id });
    const next = await saga.register({ email });
    expect(await saga.ending(next.id)).toBe('completed');
  });
});
