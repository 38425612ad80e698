import {
  AdminAddUserToGroupCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-cognito-identity-provider';
import { describe, expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { addUser, portrait } from '../../support/pool-user.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

// A create may land 3.5 s late: longer than the next attempt waits, shorter than the grace.
test.override('sagaOptions', { propagationGraceSeconds: 5 });

const OPERATOR = { actor: 'operator', reason: null } as const;
const LOST: Rule = {
  operation: 'AdminCreateUser',
  times: 1,
  fault: { kind: 'replyLost', effect: 'after' },
};
const REFUSED_THEN: Rule = {
  operation: 'AdminCreateUser',
  after: 1,
  fault: { kind: 'error', error: 'InvalidParameterException' },
};
const NOTHING = { mark: null, roles: [], status: 'failed' };

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  await saga.pool.clearCalls();
});

const registerWith = async (saga: Saga, ...faults: Rule[]) => {
  await saga.pool.setFaults(faults);
  return await saga.register();
};

const untilLateCreatesLand = (saga: Saga): Promise<void> =>
  saga.eventually(async () => (await saga.pool.late()) === 0);

/** The pool hides the user from role assignments no longer: only the group is unknown to it. */
const untilVisible = (saga: Saga, Username: string): Promise<void> =>
  saga.eventually(async () => {
    const at = { UserPoolId: saga.pool.userPoolId, Username, GroupName: 'no-such-role' };
    const error: unknown = await saga.pool.client
      .send(new AdminAddUserToGroupCommand(at))
      .catch((reason: unknown) => reason);
    return error instanceof ResourceNotFoundException;
  });

describe('the reply of AdminCreateUser is lost', () => {
  test('a create whose reply is lost after its effect completes with that one user', async ({
    saga,
  }) => {
    const registration = await registerWith(saga, LOST);
    expect(await saga.ending(registration.id)).toBe('completed');
    expect(await saga.world(registration)).toEqual({
      mark: registration.id,
      roles: ['viewer'],
      status: 'completed',
    });
    expect((await saga.pool.calls())['AdminCreateUser']).toEqual({ calls: 1, done: 1 });
  });

  test('a create whose reply is lost before its effect is repeated after 2 s at the earliest', async ({
    saga,
  }) => {
    const since = Date.now();
    const registration = await registerWith(saga, {
      ...LOST,
      fault: { kind: 'replyLost', effect: 'before' },
    });
    expect(await saga.ending(registration.id)).toBe('completed');
    expect(Date.now() - since).toBeGreaterThanOrEqual(2000);
    expect((await saga.pool.calls())['AdminCreateUser']).toEqual({ calls: 2, done: 1 });
  });

  test('a lost create reply followed by a missing role leaves no user', async ({ saga }) => {
    const registration = await registerWith(saga, LOST, {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    });
    expect(await saga.ending(registration.id)).toBe('registration_failed');
    expect(await saga.world(registration)).toEqual(NOTHING);
  });

  test('a create that lands after the next one was refused leaves no user', async ({ saga }) => {
    const registration = await registerWith(
      saga,
      { ...LOST, fault: { kind: 'replyLost', effect: 'after', lateMs: 3500 } },
      REFUSED_THEN,
    );
    expect(await saga.ending(registration.id)).toBe('registration_rejected');
    await untilLateCreatesLand(saga);
    expect(await saga.world(registration)).toEqual(NOTHING);
    // It did land, and was deleted.
    const calls = await saga.pool.calls();
    expect(calls['AdminCreateUser']?.done).toBe(1);
    expect(calls['AdminDeleteUser']?.done).toBe(1);
  });

  test('a create that lands after a cancel leaves no user', async ({ saga }) => {
    const registration = await registerWith(saga, {
      ...LOST,
      fault: { kind: 'replyLost', effect: 'after', lateMs: 1500 },
    });
    await saga.untilCalled('AdminCreateUser');
    await saga.handle(registration.id).cancel();
    expect(await saga.ending(registration.id)).toBe('CancelledFailure');
    await untilLateCreatesLand(saga);
    expect(await saga.world(registration)).toEqual({ ...NOTHING, status: 'cancelled' });
    expect((await saga.pool.calls())['AdminCreateUser']?.done).toBe(1);
  });

  test('a foreign user who takes the address after a lost create survives the cancel', async ({
    saga,
  }) => {
    const registration = await registerWith(saga, {
      ...LOST,
      fault: { kind: 'replyLost', effect: 'before' },
    });
    await saga.untilCalled('AdminCreateUser');
    await addUser(saga.pool, registration.email, { role: 'admin' });
    const before = await portrait(saga.pool, registration.email);
    await saga.handle(registration.id).cancel();
    expect(await saga.ending(registration.id)).toBe('CancelledFailure');
    expect((await saga.row(registration.id)).status).toBe('cancelled');
    expect(await portrait(saga.pool, registration.email)).toBe(before);
  });

  test('a delivery failure after the creation is adopted like a lost reply', async ({ saga }) => {
    const registration = await registerWith(saga, {
      operation: 'AdminCreateUser',
      times: 1,
      fault: { kind: 'deliveryFailure' },
    });
    expect(await saga.ending(registration.id)).toBe('completed');
    expect((await saga.pool.calls())['AdminCreateUser']).toEqual({ calls: 1, done: 1 });
  });
});

describe('a new user is not visible at once', () => {
  test('a user who becomes visible within the grace completes without parking', async ({
    saga,
  }) => {
    const registration = await registerWith(saga, {
      operation: 'AdminCreateUser',
      times: 1,
      fault: { kind: 'lag', ms: 2500 },
    });
    expect(await saga.ending(registration.id)).toBe('completed');
    expect(await saga.events(registration.id)).toEqual([
      'registration.requested',
      'user.registered',
    ]);
    expect((await saga.world(registration)).roles).toEqual(['viewer']);
  });

  test('a user who stays invisible beyond the grace parks the run on every retry until visible', async ({
    saga,
  }) => {
    const registration = await registerWith(saga, {
      operation: 'AdminCreateUser',
      times: 1,
      fault: { kind: 'lag', ms: 9000, hides: ['AdminAddUserToGroup'] },
    });
    const parked = await saga.untilStatus(registration.id, 'roles_pending');
    expect(parked.failure?.code).toBe('user_not_visible');

    await requestRetry(saga.db, registration.id, OPERATOR);
    await saga.runs.resume(registration.id, 'operator');
    await saga.until(registration.id, ({ resumeAttempts }) => resumeAttempts === 1);
    const again = await saga.untilStatus(registration.id, 'roles_pending');
    expect(again.failure?.code).toBe('user_not_visible');
    expect(again.userCreatedAt).toEqual(parked.userCreatedAt);

    await untilVisible(saga, registration.email);
    await requestRetry(saga.db, registration.id, OPERATOR);
    await saga.runs.resume(registration.id, 'operator');
    expect(await saga.ending(registration.id)).toBe('completed');
    expect((await saga.world(registration)).roles).toEqual(['viewer']);
  });

  test('a delete that meets replication lag still deletes the user', async ({ saga }) => {
    const registration = await registerWith(
      saga,
      { operation: 'AdminCreateUser', times: 1, fault: { kind: 'lag', ms: 1500 } },
      {
        operation: 'AdminAddUserToGroup',
        fault: { kind: 'error', error: 'ResourceNotFoundException' },
      },
    );
    expect(await saga.ending(registration.id)).toBe('registration_failed');
    expect(await saga.world(registration)).toEqual(NOTHING);
    expect((await saga.pool.calls())['AdminDeleteUser']?.done).toBe(1);
  });
});
