import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { createQuotas, QuotaSpent, withInvitationQuota } from '../../../activities/quota.ts';
import { createCognito } from '../../../src/cognito/adapter.ts';
import { takeQuotaCall, type Quota } from '../../../src/ledger/quota.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import { addUser } from '../../support/pool-user.ts';
import { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

test.override('sagaOptions', { rates: { createRps: 1, updateRps: 1 } });

const OPERATOR = { actor: 'operator', reason: null } as const;
const ILL = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } } as const;
/** Longer than any test. */
const LONG = 1000;

/** Others have taken the calls of so many seconds already. */
async function others(saga: Saga, quota: Quota, seconds: number): Promise<void> {
  const nobody = { registrationId: null, step: null, since: null };
  await takeQuotaCall(saga.db, { ...nobody, quota, perSecond: 1 / seconds }, LONG * 1000);
}

async function placesOf(saga: Saga, quota: Quota): Promise<number> {
  const [row] = await saga.db.execute<{ places: number }>(
    sql`SELECT count(*)::int AS places FROM quota_places WHERE quota = ${quota}`,
  );
  return row?.places ?? 0;
}

async function timersOf(saga: Saga, id: string): Promise<number> {
  const { events } = await saga.handle(id).fetchHistory();
  return (events ?? []).filter((event) => event.timerStartedEventAttributes).length;
}

const waits = (saga: Saga, id: string) =>
  saga.eventually(async () => (await timersOf(saga, id)) > 0);

async function cancel(saga: Saga, id: string): Promise<void> {
  await requestCancel(saga.db, id, OPERATOR);
  await saga.runs.cancel(id);
}

describe('at one call a second', () => {
  test.beforeEach(async ({ saga }) => {
    await saga.db.execute(sql`DELETE FROM quota_slots`);
    await saga.db.execute(sql`DELETE FROM quota_places`);
    await saga.pool.clearCalls();
  });
  test.afterEach(async ({ saga }) => {
    await saga.pool.clearFaults();
  });

  test('a run waits for the quota by one timer and one more activity, which is no attempt', async ({
    saga,
  }) => {
    await others(saga, 'create', 3);
    const registration = await saga.register();
    expect(await saga.ending(registration.id)).toBe('completed');
    const { steps } = await saga.row(registration.id);
    expect(steps['createUser']).toEqual({ status: 'done', attempts: 1, lastError: null });
    expect(await timersOf(saga, registration.id)).toBe(1);
    expect((await saga.pool.calls())['AdminCreateUser']?.calls).toBe(1);
  });

  test('a run cancelled while it waits to create ends at once and creates no user', async ({
    saga,
  }) => {
    await others(saga, 'create', LONG);
    const registration = await saga.register();
    await waits(saga, registration.id);
    await cancel(saga, registration.id);
    expect(await saga.ending(registration.id)).toBe('CancelledFailure');
    expect((await saga.row(registration.id)).status).toBe('cancelled');
    expect((await saga.pool.calls())['AdminCreateUser']).toBeUndefined();
  });

  test('a run cancelled while it waits for roles deletes its user before other waiting runs', async ({
    saga,
  }) => {
    await others(saga, 'update', LONG);
    const registration = await saga.register({ roles: ['viewer', 'manager'] });
    await waits(saga, registration.id);
    await cancel(saga, registration.id);
    expect(await saga.ending(registration.id)).toBe('CancelledFailure');
    expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'cancelled' });
    expect((await saga.pool.calls())['AdminAddUserToGroup']).toBeUndefined();
  });

  test('runs cancelled while they wait leave no place in the queue', async ({ saga }) => {
    const registrations = await Promise.all(Array.from({ length: 8 }, () => saga.register()));
    await saga.eventually(async () => (await placesOf(saga, 'create')) >= 5);
    for (const { id } of registrations) await cancel(saga, id);
    for (const { id } of registrations) await saga.ending(id);
    expect(await placesOf(saga, 'create')).toBe(0);
  });

  test('an administrator waits for two of ten public sign-ups at most', async ({ saga }) => {
    const signup = { door: 'signup', roles: [], invite: false } as const;
    const signups = await Promise.all(Array.from({ length: 12 }, () => saga.register(signup)));
    await saga.eventually(async () => (await placesOf(saga, 'create')) >= 10);
    // Calls that are taken already, at most a second ahead, come before.
    const before = 12 - (await placesOf(saga, 'create'));
    const administrator = await saga.register({ roles: [] });
    expect(await saga.ending(administrator.id)).toBe('completed');
    const { userCreatedAt: at } = await saga.row(administrator.id);
    const rows = await Promise.all(signups.map(({ id }) => saga.row(id)));
    const earlier = rows.filter(({ userCreatedAt }) => userCreatedAt && at && userCreatedAt < at);
    expect(earlier.length - before).toBeLessThanOrEqual(2);
    for (const { id } of signups) await cancel(saga, id);
    for (const { id } of signups) await saga.ending(id);
  });

  test('deletions wait only for each other, and end', async ({ saga }) => {
    await others(saga, 'update', LONG);
    const registrations = await Promise.all([saga.register(), saga.register()]);
    for (const { id } of registrations) await waits(saga, id);
    for (const { id } of registrations) await cancel(saga, id);
    for (const registration of registrations) {
      expect(await saga.ending(registration.id)).toBe('CancelledFailure');
      expect((await saga.world(registration)).mark).toBeNull();
    }
  });

  test('a cleanup without a quota call is not reported as done and is repeated', async ({
    saga,
  }) => {
    await saga.pool.setFaults([{ operation: 'AdminDeleteUser', fault: { kind: 'server' } }]);
    const stuck = await saga.register({ roles: ['no such role'] });
    await saga.untilStatus(stuck.id, 'cleanup_required');
    await saga.untilAttempt(stuck.id, 'deleteUser', 2);
    await saga.pool.clearFaults();
    await others(saga, 'update', LONG);
    await others(saga, 'compensation', LONG);
    const again = async () => {
      await requestRetry(saga.db, stuck.id, OPERATOR);
      await saga.runs.resume(stuck.id, 'operator');
    };
    await again();
    await saga.until(stuck.id, ({ instruction }) => instruction?.acknowledgedAt != null);
    await saga.untilAttempt(stuck.id, 'deleteUser', 2);
    expect(await saga.world(stuck)).toMatchObject({ mark: stuck.id, status: 'cleanup_required' });
    await saga.db.execute(sql`DELETE FROM quota_slots`);
    await again();
    expect(await saga.ending(stuck.id)).toBe('registration_failed');
    expect(await saga.world(stuck)).toEqual({ mark: null, roles: [], status: 'failed' });
  });

  test('an invitation uses the quota of creations and is deferred when that is exhausted', async ({
    saga,
  }) => {
    const email = 'invited@example.com';
    await addUser(saga.pool, email);
    const cognito = createCognito(saga.pool.client, saga.pool.userPoolId);
    const provider = withInvitationQuota(
      cognito,
      createQuotas(saga.db, { createRps: 1, updateRps: 1 }),
    );
    const send = () => provider.sendInvitation(email, AbortSignal.timeout(4000));
    await send();
    expect(await saga.pool.mail()).toHaveLength(1);
    await others(saga, 'create', LONG);
    await expect(send()).rejects.toMatchObject({ name: 'TooManyRequestsException' });
    expect(await saga.pool.mail()).toHaveLength(1);
  });

  test('a quota call that is not granted before the attempt is cut off is not used', async ({
    saga,
  }) => {
    const quotas = createQuotas(saga.db, { createRps: 2, updateRps: 2 });
    const ended = new AbortController();
    const acquireQuota = quotas.acquirer({
      registrationId: randomUUID(),
      queuesAs: 'createUser',
      withinMs: 4000,
      signal: ended.signal,
    });
    await acquireQuota('create');
    const waiting = acquireQuota('create');
    ended.abort();
    await expect(waiting).rejects.toThrow(QuotaSpent);
  });
});

test('attempts between quota waits count, and the retry budget is spent once', async () => {
  const saga = await Saga.start({ rates: { createRps: 0, updateRps: 0.5 } });
  try {
    await saga.pool.setFaults([ILL]);
    const registration = await saga.register();
    const row = await saga.untilStatus(registration.id, 'roles_pending');
    // One at once, and a budget of one second has three; two seconds apart.
    expect((await saga.pool.calls())['AdminAddUserToGroup']?.calls).toBe(4);
    expect(row.steps['assignRole:viewer']).toMatchObject({ status: 'failed', attempts: 4 });
    expect(await timersOf(saga, registration.id)).toBeGreaterThan(0);
    await cancel(saga, registration.id);
    await saga.ending(registration.id);
  } finally {
    await saga.stop();
  }
});

test('a rate of 0 is unlimited and runs no quota statement', async () => {
  const saga = await Saga.start({ rates: { createRps: 0, updateRps: 0 } });
  try {
    await saga.ownerDb.execute(sql`DROP TABLE quota_slots, quota_places`);
    const registration = await saga.register();
    expect(await saga.ending(registration.id)).toBe('completed');
  } finally {
    await saga.stop();
  }
});
