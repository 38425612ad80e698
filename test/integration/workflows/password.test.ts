import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { createCognito } from '../../../src/cognito/adapter.ts';
import { workflowIdOf } from '../../../src/domain/registration.ts';
import { readSealed } from '../../../src/ledger/registrations/password.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { createSealing } from '../../../src/secrets/sealing.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { sealed, signsIn } from '../../support/passwords.ts';
import type { Saga } from '../../support/saga.ts';
import { TEST_NAMESPACE } from '../../support/temporal.ts';
import { test } from '../../support/saga-test.ts';
import type { Known } from '../../support/known.ts';

const PASSWORD = 'chosen by a person';
const OPERATOR = { actor: 'operator', reason: null } as const;
const ILL_AT_PASSWORD = { operation: 'AdminSetUserPassword', fault: { kind: 'server' } } as const;
const ILL_AT_ROLES = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } } as const;

test.afterEach(async ({ sagas: { fast: saga } }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

const sealOf = async (saga: Saga, id: string) => (await readSealed(saga.db, id)).sealed;
const calls = async (saga: Saga) => (await saga.pool.calls())['AdminSetUserPassword']?.calls ?? 0;

async function parked(
  saga: Saga,
  fault: typeof ILL_AT_PASSWORD | typeof ILL_AT_ROLES,
): Promise<Known> {
  await saga.pool.setFaults([fault]);
  const registration = await saga.register({ password: PASSWORD });
  await saga.untilStatus(registration.id, 'roles_pending');
  await saga.pool.clearFaults();
  return registration;
}

async function retried(saga: Saga, { id }: Known): Promise<string> {
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
  return await saga.ending(id);
}

async function expectNothingLeft(saga: Saga, registration: Known, code: string): Promise<void> {
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect((await saga.row(registration.id)).failure?.code).toBe(code);
  expect(await sealOf(saga, registration.id)).toBeNull();
}

test('the password is set between the user and the roles, and steps and receipt show it', async ({
  sagas: { ordinary },
}) => {
  const { id, email } = await ordinary.register({ password: PASSWORD });
  expect(await ordinary.ending(id)).toBe('completed');
  expect(await signsIn(ordinary.pool, email, PASSWORD)).toBe(true);
  const { events } = await ordinary.handle(id).fetchHistory();
  const activities = (events ?? []).map((e) => e.activityTaskScheduledEventAttributes?.activityId);
  const steps = ['createUser', 'setPassword', 'assignRole:viewer', 'complete'];
  expect(activities.filter((activity) => steps.includes(activity ?? ''))).toEqual(steps);
  const row = await ordinary.row(id);
  expect(row.steps['setPassword']).toEqual({ status: 'done', attempts: 1, lastError: null });
  expect(row.invitation.status).toBe('none');
});

test('a password sealed with a missing key ends with seal_lost and deletes the user', async ({
  sagas: { fast: saga },
}) => {
  const id = randomUUID();
  const strange = createSealing([{ id: 'gone', key: randomBytes(32) }]);
  const sealedPassword = sealed(PASSWORD, id, strange);
  const registration = await saga.register({ id, invite: false, sealedPassword });
  expect(await saga.ending(id)).toBe('seal_lost');
  await expectNothingLeft(saga, registration, 'seal_lost');
});

test('a sealed password of another registration ends with seal_lost', async ({
  sagas: { fast: saga },
}) => {
  const sealedPassword = sealed(PASSWORD, randomUUID());
  const registration = await saga.register({ invite: false, sealedPassword });
  expect(await saga.ending(registration.id)).toBe('seal_lost');
  await expectNothingLeft(saga, registration, 'seal_lost');
});

test('a run parked before the password was set keeps the sealed password and uses it', async ({
  sagas: { fast: saga },
}) => {
  const registration = await parked(saga, ILL_AT_PASSWORD);
  expect(await sealOf(saga, registration.id)).not.toBeNull();
  expect(await retried(saga, registration)).toBe('completed');
  expect(await signsIn(saga.pool, registration.email, PASSWORD)).toBe(true);
  expect(await sealOf(saga, registration.id)).toBeNull();
});

test('a sealed password that expires while parked is wiped, and the run is compensated', async ({
  sagas: { fast: saga },
}) => {
  const registration = await parked(saga, ILL_AT_PASSWORD);
  expect((await saga.sweep()).sealsWiped).toBe(0);
  await saga.db.execute(sql`UPDATE registrations
    SET accepted_at = now() - interval '25 hours', sealed_at = now() - interval '25 hours' WHERE id = ${registration.id}`);
  expect((await saga.sweep({ dryRun: true })).sealsWiped).toBe(0);
  expect((await saga.sweep()).sealsWiped).toBe(1);
  await saga.resumeDue();
  expect(await saga.ending(registration.id)).toBe('seal_lost');
  await expectNothingLeft(saga, registration, 'seal_lost');
});

test('a run parked after the password was set does not set it again', async ({
  sagas: { fast: saga },
}) => {
  const registration = await parked(saga, ILL_AT_ROLES);
  expect(await sealOf(saga, registration.id)).toBeNull();
  expect(await signsIn(saga.pool, registration.email, PASSWORD)).toBe(true);
  expect(await retried(saga, registration)).toBe('completed');
  expect(await calls(saga)).toBe(1);
});

test('a run reset to its first task does not set the password again', async ({
  sagas: { fast: saga },
}) => {
  const registration = await parked(saga, ILL_AT_ROLES);
  const { events } = await saga.handle(registration.id).fetchHistory();
  const first = (events ?? []).find((event) => event.workflowTaskCompletedEventAttributes);
  await saga.client.workflowService.resetWorkflowExecution({
    namespace: TEST_NAMESPACE,
    workflowExecution: { workflowId: workflowIdOf(registration.id) },
    workflowTaskFinishEventId: first?.eventId ?? null,
    requestId: randomUUID(),
    reason: 'test',
  });
  expect(await retried(saga, registration)).toBe('completed');
  expect(await calls(saga)).toBe(1);
});

test('cancelling a parked run wipes the sealed password and deletes the user', async ({
  sagas: { fast: saga },
}) => {
  const registration = await parked(saga, ILL_AT_PASSWORD);
  await requestCancel(saga.db, registration.id, OPERATOR);
  await saga.runs.cancel(registration.id);
  expect(await saga.ending(registration.id)).toBe('CancelledFailure');
  expect((await saga.world(registration)).mark).toBeNull();
  expect(await sealOf(saga, registration.id)).toBeNull();
});

test('setting the password waits while the user is not visible, as roles do', async ({
  sagas: { fast: saga },
}) => {
  const hides = ['AdminSetUserPassword'];
  const fault = { kind: 'lag', ms: 600, hides } as const;
  await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault }]);
  const { id, email } = await saga.register({ password: PASSWORD });
  expect(await saga.ending(id)).toBe('completed');
  expect(await signsIn(saga.pool, email, PASSWORD)).toBe(true);
  expect(await calls(saga)).toBeGreaterThan(1);
});

test('refused credentials park the run at the password and keep the user', async ({
  sagas: { fast: saga },
}) => {
  await saga.pool.setFaults([{ ...ILL_AT_PASSWORD, fault: { kind: 'refused' } }]);
  const registration = await saga.register({ password: PASSWORD });
  const row = await saga.untilStatus(registration.id, 'roles_pending');
  expect(row.failure?.code).toBe('identity_provider_refused');
  expect((await saga.world(registration)).mark).toBe(registration.id);
  await saga.pool.clearFaults();
  expect(await retried(saga, registration)).toBe('completed');
});

/** A row as an old backup has it: the run has completed, and the row knows nothing of it. */
async function restored(saga: Saga, { id }: Known, seal: Uint8Array | null): Promise<void> {
  await saga.db.execute(sql`UPDATE registrations SET status = 'running', password_set_at = NULL,
    sealed_password = ${seal}, create_outcome = NULL, roles_assigned = '{}', finished_at = NULL
    WHERE id = ${id}`);
}

test.for([
  ['with its seal', (id: string) => sealed(PASSWORD, id)],
  ['its seal wiped meanwhile', () => null],
] as const)(
  'a row that lost the record of its run, %s, completes with the current password',
  async ([, seal], { sagas: { fast: saga } }) => {
    const registration = await saga.register({ password: PASSWORD });
    await saga.ending(registration.id);
    await restored(saga, registration, seal(registration.id));
    const provider = createCognito(saga.pool.client, saga.pool.userPoolId);
    const changed = new Secret('changed by its owner');
    await provider.setPassword(registration.email, changed, AbortSignal.timeout(4000));
    expect((await saga.sweep()).completed).toBe(1);
    expect(await saga.world(registration)).toMatchObject({
      mark: registration.id,
      status: 'completed',
    });
    expect(await signsIn(saga.pool, registration.email, changed.reveal())).toBe(true);
    expect(await sealOf(saga, registration.id)).toBeNull();
  },
);

test('an expired password that was set without a recorded reply is kept, and the run completes', async ({
  sagas: { fast: saga },
}) => {
  await saga.pool.setFaults([
    { operation: 'AdminSetUserPassword', fault: { kind: 'replyLost', effect: 'after' } },
  ]);
  const { id, email } = await saga.register({ password: PASSWORD });
  await saga.untilStatus(id, 'roles_pending');
  await saga.pool.clearFaults();
  await saga.db.execute(sql`UPDATE registrations
    SET accepted_at = now() - interval '25 hours', sealed_at = now() - interval '25 hours' WHERE id = ${id}`);
  expect((await saga.sweep()).sealsWiped).toBe(1);
  await saga.resumeDue();
  expect(await saga.ending(id)).toBe('completed');
  expect(await signsIn(saga.pool, email, PASSWORD)).toBe(true);
});

test('a sweep that fails has wiped expired passwords before', async ({ sagas: { fast: saga } }) => {
  const registration = await parked(saga, ILL_AT_PASSWORD);
  await saga.db.execute(sql`UPDATE registrations
    SET accepted_at = now() - interval '25 hours', sealed_at = now() - interval '25 hours' WHERE id = ${registration.id}`);
  await saga.ownerDb.execute(sql`ALTER TABLE audit_checkpoints RENAME TO audit_checkpoints_away`);
  await expect(saga.sweep()).rejects.toMatchObject({ name: 'DatabaseError' });
  await saga.ownerDb.execute(sql`ALTER TABLE audit_checkpoints_away RENAME TO audit_checkpoints`);
  expect(await sealOf(saga, registration.id)).toBeNull();
  expect(await retried(saga, registration)).toBe('seal_lost');
});
