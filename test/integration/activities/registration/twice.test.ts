import { expect } from 'vitest';
import { createUser } from '../../../../activities/registration/create-user.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { setPassword } from '../../../../activities/registration/set-password.ts';
import { assignRole, removeRole } from '../../../../activities/registration/roles.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import {
  beginCompensation,
  requireCleanup,
} from '../../../../src/ledger/registrations/compensation.ts';
import { park, acknowledgeInstruction } from '../../../../src/ledger/registrations/park.ts';
import { readSealed } from '../../../../src/ledger/registrations/password.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { recordCreateAttempt } from '../../../../src/ledger/registrations/create-attempt.ts';
import { beginSteps, complete } from '../../../../src/ledger/registrations/transitions.ts';
import { stepDone } from '../../../../src/ledger/work/steps.ts';
import { requestRetry, requestRoles } from '../../../../src/ledger/registrations/instructions.ts';
import { closeProved } from '../../../support/close-proved.ts';
import { signsIn } from '../../../support/passwords.ts';
import { addUser, portrait } from '../../../support/pool-user.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import { known } from '../../../support/known.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const FAILED = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
const CANCELLED = publicFailure('registration_cancelled');
const PASSWORD = 'chosen by a person';
const LOST_PASSWORD = {
  operation: 'AdminSetUserPassword',
  times: 1,
  fault: { kind: 'replyLost', effect: 'after' },
} as const;
const USED_PASSWORD = {
  operation: 'AdminSetUserPassword',
  after: 1,
  fault: { kind: 'error', error: 'PasswordHistoryPolicyViolationException' },
} as const;

test.afterEach(async ({ steps }) => {
  await steps.pool.clearFaults();
  await steps.pool.clearCalls();
});

const created = async (steps: Steps, roles?: readonly string[]) =>
  known(await createUser(steps.context(), await steps.begun(roles)));
const compensating = async (steps: Steps) => {
  const row = await created(steps);
  await beginCompensation(steps.db, row.id, FAILED, CANCELLED, {});
  return row;
};
const events = async (steps: Steps, id: string) =>
  (await readTimeline(steps.db, id)).map(({ event }) => event);

test('createUser repeated with a stale row makes one user', async ({ steps }) => {
  const stale = await steps.begun();
  const first = await createUser(steps.context(), stale);
  const again = await createUser(steps.context(), stale);
  expect(await steps.effects('AdminCreateUser')).toBe(1);
  expect(again).toMatchObject({ createOutcome: 'created', userId: first.userId });
  expect(again.userCreatedAt).toEqual(first.userCreatedAt);
});

test('createUser repeated with the current row calls Cognito once', async ({ steps }) => {
  const row = await created(steps);
  await createUser(steps.context(), row);
  expect((await steps.pool.calls())['AdminCreateUser']?.calls).toBe(1);
});

test('assignRole repeated calls Cognito once', async ({ steps }) => {
  const { id } = await created(steps, ['viewer', 'manager']);
  await assignRole(steps.context(), id, 'viewer');
  await assignRole(steps.context(), id, 'viewer');
  expect((await steps.pool.calls())['AdminAddUserToGroup']).toEqual({ calls: 1, done: 1 });
  expect((await steps.row(id)).rolesAssigned).toEqual(['viewer']);
});

test('assignRole does not assign a role that is not requested any more', async ({ steps }) => {
  const { id } = await created(steps, ['viewer']);
  await assignRole(steps.context(), id, 'manager');
  expect(await steps.effects('AdminAddUserToGroup')).toBe(0);
});

test('removeRole repeated calls Cognito once, and never for a role that is requested', async ({
  steps,
}) => {
  const { id } = await created(steps, ['viewer']);
  await assignRole(steps.context(), id, 'viewer');
  await removeRole(steps.context(), id, 'viewer');
  expect(await steps.effects('AdminRemoveUserFromGroup')).toBe(0);
  await park(steps.db, id, parkInput('a'));
  await requestRoles(steps.db, id, { ...OPERATOR, roles: ['manager'] });
  await removeRole(steps.context(), id, 'viewer');
  await removeRole(steps.context(), id, 'viewer');
  expect((await steps.pool.calls())['AdminRemoveUserFromGroup']).toEqual({ calls: 1, done: 1 });
});

test('setPassword repeated calls Cognito once and wipes the seal', async ({ steps }) => {
  const { id, email } = known(await createUser(steps.context(), await steps.begun([], PASSWORD)));
  const first = await setPassword(steps.context(), id);
  expect(await setPassword(steps.context(), id)).toEqual(first);
  expect((await steps.pool.calls())['AdminSetUserPassword']).toEqual({ calls: 1, done: 1 });
  expect(await signsIn(steps.pool, email, PASSWORD)).toBe(true);
  expect((await readSealed(steps.db, id)).sealed).toBeNull();
});

test('setPassword after a lost reply sets the same password again', async ({ steps }) => {
  const { id, email } = known(await createUser(steps.context(), await steps.begun([], PASSWORD)));
  await steps.pool.setFaults([LOST_PASSWORD]);
  await expect(setPassword(steps.context(), id)).rejects.toThrow('reply_lost');
  await setPassword(steps.context(), id);
  expect(await steps.effects('AdminSetUserPassword')).toBe(2);
  expect(await signsIn(steps.pool, email, PASSWORD)).toBe(true);
});

test('setPassword after a lost reply succeeds in a pool that forbids used passwords', async ({
  steps,
}) => {
  const { id, email } = known(await createUser(steps.context(), await steps.begun([], PASSWORD)));
  await steps.pool.setFaults([LOST_PASSWORD, USED_PASSWORD]);
  await expect(setPassword(steps.context(), id)).rejects.toThrow('reply_lost');
  expect((await setPassword(steps.context(), id)).passwordSetAt).not.toBeNull();
  expect(await signsIn(steps.pool, email, PASSWORD)).toBe(true);
});

test('setPassword is rejected when the pool calls the password used at the first attempt', async ({
  steps,
}) => {
  const { id } = known(await createUser(steps.context(), await steps.begun([], PASSWORD)));
  await steps.pool.setFaults([{ ...USED_PASSWORD, after: 0 }]);
  await expect(setPassword(steps.context(), id)).rejects.toThrow('password_rejected');
  expect((await steps.row(id)).passwordSetAt).toBeNull();
});

test('setPassword attempts that overlap do not report the seal as lost', async ({ steps }) => {
  const { id } = known(await createUser(steps.context(), await steps.begun([], PASSWORD)));
  const results = await Promise.allSettled(
    Array.from({ length: 40 }, () => setPassword(steps.context(), id)),
  );
  expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
});

test('registerAtOnce repeated with a password sets it once', async ({ steps }) => {
  const { id, email } = await steps.begun(['viewer'], PASSWORD);
  const first = await registerAtOnce(steps.context(), id);
  const second = await registerAtOnce(steps.context(), id);
  expect(first.row).toMatchObject({ status: 'completed', invitation: { status: 'none' } });
  expect(second.row).toEqual(first.row);
  expect(await steps.effects('AdminSetUserPassword')).toBe(1);
  expect(await signsIn(steps.pool, email, PASSWORD)).toBe(true);
});

test('registerAtOnce repeated makes one user, one role and one completion event', async ({
  steps,
}) => {
  const { id } = await steps.begun();
  const first = await registerAtOnce(steps.context(), id);
  const second = await registerAtOnce(steps.context(), id);
  expect(first.row.status).toBe('completed');
  expect(second.row).toEqual(first.row);
  expect(await steps.effects('AdminCreateUser')).toBe(1);
  expect(await steps.effects('AdminAddUserToGroup')).toBe(1);
  expect(await events(steps, id)).toEqual(['registration.requested', 'user.registered']);
});

test('two concurrent registerAtOnce make one user and one completion event', async ({ steps }) => {
  const { id } = await steps.begun();
  const results = await Promise.allSettled([
    registerAtOnce(steps.context(), id),
    registerAtOnce(steps.context(), id),
  ]);
  // One may lose a conflict between the two, which Temporal would try again.
  const lost = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  expect(lost.length).toBeLessThan(2);
  for (const error of lost) expect(error).toMatchObject({ nonRetryable: false });
  expect((await steps.row(id)).status).toBe('completed');
  expect(await steps.effects('AdminCreateUser')).toBe(1);
  expect(await events(steps, id)).toEqual(['registration.requested', 'user.registered']);
});

test('complete repeated makes one event and one invitation', async ({ steps }) => {
  const { id } = await created(steps);
  await assignRole(steps.context(), id, 'viewer');
  const first = await complete(steps.db, id, ['viewer'], { complete: stepDone(1) });
  const second = await complete(steps.db, id, ['viewer'], { complete: stepDone(2) });
  expect([first.kind, second.kind]).toEqual(['completed', 'completed']);
  expect(second.registration).toEqual(first.registration);
  expect(await events(steps, id)).toEqual(['registration.requested', 'user.registered']);
});

test('deleteUser repeated deletes once, and never after the row is closed', async ({ steps }) => {
  const { id } = await compensating(steps);
  await deleteUser(steps.context(), id);
  const { userDeletedAt } = await steps.row(id);
  await deleteUser(steps.context(), id);
  expect(await steps.effects('AdminDeleteUser')).toBe(1);
  expect((await steps.row(id)).userDeletedAt).toEqual(userDeletedAt);
  await closeProved(steps.db, id);
  await steps.pool.clearCalls();
  await deleteUser(steps.context(), id);
  expect(await steps.pool.calls()).toEqual({});
});

test('deleteUser deletes nothing of a row that goes forward or is completed', async ({ steps }) => {
  const { id } = await created(steps);
  await deleteUser(steps.context(), id);
  await assignRole(steps.context(), id, 'viewer');
  await complete(steps.db, id, ['viewer'], {});
  await deleteUser(steps.context(), id);
  expect(await steps.effects('AdminDeleteUser')).toBe(0);
});

test.for([
  ['no mark', {}],
  ['another mark', { mark: 'ffffffff-ffff-4fff-8fff-ffffffffffff' }],
] as const)('deleteUser leaves a user with %s alone', async ([, user], { steps }) => {
  const row = await steps.begun();
  // An attempt of create without a reply: whoever has the address now may be ours, or not.
  await recordCreateAttempt(steps.db, row);
  await addUser(steps.pool, row.email, { ...user, role: 'admin' });
  const before = await portrait(steps.pool, row.email);
  await beginCompensation(steps.db, row.id, FAILED, CANCELLED, {});
  await deleteUser(steps.context(), row.id);
  expect(await portrait(steps.pool, row.email)).toBe(before);
});

test('beginSteps, acknowledgeInstruction and park have the same effect when repeated', async ({
  steps,
}) => {
  const { id } = await created(steps);
  expect(await beginSteps(steps.db, id)).toEqual(await beginSteps(steps.db, id));
  const parked = await park(steps.db, id, parkInput('run/1'));
  expect(await park(steps.db, id, parkInput('run/1'))).toEqual(parked);
  await requestRetry(steps.db, id, OPERATOR);
  const taken = await acknowledgeInstruction(steps.db, id);
  expect(await acknowledgeInstruction(steps.db, id)).toEqual(taken);
  expect(await events(steps, id)).toEqual([
    'registration.requested',
    'registration.parked',
    'registration.retry_requested',
    'registration.resumed',
  ]);
});

test('a park whose reply was lost does not park a run that was resumed meanwhile', async ({
  steps,
}) => {
  const { id } = await created(steps);
  await park(steps.db, id, parkInput('run/1'));
  await requestRetry(steps.db, id, OPERATOR);
  await acknowledgeInstruction(steps.db, id);
  expect((await park(steps.db, id, parkInput('run/1'))).status).toBe('running');
});

test('beginCompensation, requireCleanup and close have the same effect when repeated', async ({
  steps,
}) => {
  const { id } = await compensating(steps);
  const begun = await steps.row(id);
  expect(await beginCompensation(steps.db, id, FAILED, CANCELLED, {})).toEqual(begun);
  const failures = [{ step: 'deleteUser', ...publicFailure('server_error') }];
  const required = await requireCleanup(steps.db, id, failures, {});
  expect(await requireCleanup(steps.db, id, failures, {})).toEqual(required);
  const closed = await closeProved(steps.db, id);
  expect(await closeProved(steps.db, id)).toEqual(closed);
  expect((await requireCleanup(steps.db, id, failures, {})).status).toBe('failed');
  expect(await events(steps, id)).toEqual([
    'registration.requested',
    'registration.compensating',
    'registration.cleanup_required',
    'registration.failed',
  ]);
});

test('the first cause of a compensation decides its final status', async ({ steps }) => {
  const { id } = await compensating(steps);
  const cancelled = { closesAs: 'cancelled', failure: CANCELLED } as const;
  await beginCompensation(steps.db, id, cancelled, CANCELLED, {});
  expect((await closeProved(steps.db, id)).status).toBe('failed');
});

function parkInput(key: string) {
  return {
    failure: publicFailure('provider_unavailable_parked'),
    steps: {},
    key,
    resumeIntervalSeconds: 300,
  };
}
