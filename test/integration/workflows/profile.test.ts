import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { recordProfileReply } from '../../../src/ledger/registrations/profile.ts';
import { requestCancel } from '../../../src/ledger/registrations/instructions.ts';
import { test } from '../../support/saga-test.ts';
import type { Saga } from '../../support/saga.ts';
import { removeUser } from '../../support/pool-user.ts';
import type { ProfileFault } from '../../support/profile-site.ts';

test.override('sagaOptions', { propagationGraceSeconds: 2 });

const AWAY = { kind: 'status', status: 503 } as const;

test.afterEach(async ({ saga }) => {
  await saga.pool.clearFaults();
  (await saga.profileSite()).clear();
});

async function registerWith(saga: Saga, ...faults: readonly ProfileFault[]) {
  (await saga.profileSite()).setFaults(...faults);
  return await saga.register({ wantsProfile: true });
}
async function cancel(saga: Saga, id: string): Promise<void> {
  await requestCancel(saga.db, id, { actor: 'operator', reason: null });
  await saga.runs.cancel(id);
}

test('a registration with a profile completes in one workflow task, and its history holds no address', async ({
  saga,
}) => {
  const registration = await registerWith(saga);
  expect(await saga.ending(registration.id)).toBe('completed');
  const row = await saga.row(registration.id);
  const site = await saga.profileSite();
  expect(await site.of(row.id)).toEqual({
    id: row.profileId,
    registrationId: row.id,
    userId: row.userId,
    email: row.email,
  });
  expect(Object.keys(row.steps)).toEqual(
    expect.arrayContaining(['createUser', 'createProfile', 'assignRole:viewer', 'complete']),
  );
  const { events } = await saga.handle(row.id).fetchHistory();
  expect(events?.length).toBeLessThanOrEqual(6);
  const text = JSON.stringify(events).replaceAll(/"data":"([^"]*)"/g, (_, data: string) =>
    Buffer.from(data, 'base64').toString('utf8'),
  );
  expect(text).not.toContain('example.com');
});

test('a registration without a profile never meets the profile service', async ({ saga }) => {
  const registration = await saga.register();
  expect(await saga.ending(registration.id)).toBe('completed');
  expect((await saga.profileSite()).requests).toEqual([]);
  expect((await saga.row(registration.id)).profileId).toBeNull();
});

test('a create that lands after a cancel leaves no profile', async ({ saga }) => {
  const registration = await registerWith(saga, {
    method: 'PUT',
    fault: { kind: 'lost', effect: { lateMs: 1000 } },
  });
  const site = await saga.profileSite();
  await saga.eventually(() => Promise.resolve(site.asked('PUT') > 0));
  await cancel(saga, registration.id);
  expect(await saga.ending(registration.id)).toBe('CancelledFailure');
  await site.untilLateEffects();
  expect(await site.of(registration.id)).toBeNull();
  expect(site.asked('DELETE', registration.id)).toBeGreaterThanOrEqual(2);
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'cancelled' });
});

test('a reply after the registration has closed has the profile deleted by the sweep', async ({
  saga,
}) => {
  const registration = await registerWith(saga, {
    method: 'PUT',
    fault: { kind: 'lost', effect: 'before' },
  });
  const { id } = registration;
  const site = await saga.profileSite();
  await saga.eventually(() => Promise.resolve(site.asked('PUT') > 0));
  await cancel(saga, id);
  await saga.ending(id);
  site.clear();
  expect(await recordProfileReply(saga.db, id, { kind: 'created', profileId: 'p-1' })).toBe(
    'closed',
  );
  expect((await saga.sweep({ dryRun: true })).strayProfilesDeleted).toBe(1);
  expect(site.asked('DELETE', id)).toBe(0);
  expect((await saga.sweep()).strayProfilesDeleted).toBe(1);
  expect(site.asked('DELETE', id)).toBe(1);
  expect((await saga.sweep()).strayProfilesDeleted).toBe(0);
});

test('a reply that comes while the run is parked lets the schedule resume it, and twice changes nothing', async ({
  saga,
}) => {
  const { id } = await registerWith(saga, {
    method: 'PUT',
    fault: { kind: 'lost', effect: 'before' },
  });
  const parked = await saga.untilStatus(id, 'roles_pending');
  expect(parked.failure).toMatchObject({
    code: 'profile_unavailable',
    cause: 'profile_unavailable_parked',
  });
  expect(parked.steps['createProfile']?.lastError).toBe('profile_unavailable');
  const made = await (await saga.profileSite()).of(id);
  const decision = { kind: 'created', profileId: made?.id ?? '' } as const;
  expect(await recordProfileReply(saga.db, id, decision)).toBe('recorded');
  expect(await recordProfileReply(saga.db, id, decision)).toBe('repeated');
  await saga.resumeDue();
  expect(await saga.ending(id)).toBe('completed');
  expect(await saga.row(id)).toMatchObject({ status: 'completed', profileId: made?.id });
  expect(await recordProfileReply(saga.db, id, decision)).toBe('repeated');
});

test('a refusal that comes while the run is parked takes the user back when it is resumed', async ({
  saga,
}) => {
  const registration = await registerWith(saga, { method: 'PUT', fault: AWAY });
  const { id } = registration;
  await saga.untilStatus(id, 'roles_pending');
  const refusal = { kind: 'refused', failure: 'username_taken' } as const;
  expect(await recordProfileReply(saga.db, id, refusal)).toBe('recorded');
  await saga.runs.resume(id, 'schedule');
  expect(await saga.ending(id)).toBe('username_taken');
  expect(await saga.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
});

test('both failures of a cleanup are in the receipt, and each is retried', async ({ saga }) => {
  const registration = await registerWith(
    saga,
    { method: 'PUT', after: 1, fault: AWAY },
    { method: 'DELETE', fault: AWAY },
  );
  const { id } = registration;
  await saga.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
    { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
  ]);
  const { email } = registration;
  const stuck = await saga.untilStatus(id, 'cleanup_required', 'completed');
  expect(stuck.compensationFailures.map(({ step, code }) => ({ step, code }))).toEqual([
    { step: 'deleteProfile', code: 'profile_unavailable' },
    { step: 'deleteUser', code: 'identity_provider_unavailable' },
  ]);
  for (const step of ['deleteProfile', 'deleteUser']) await saga.untilAttempt(id, step, 2);
  (await saga.profileSite()).clear();
  await saga.pool.clearFaults();
  await saga.runs.resume(id, 'operator');
  expect(await saga.ending(id)).toBe('registration_failed');
  expect(await saga.world({ id, email })).toEqual({ mark: null, roles: [], status: 'failed' });
  expect(await (await saga.profileSite()).of(id)).toBeNull();
});

test('a run that completed, whose row was lost and whose user is gone, leaves no profile', async ({
  saga,
}) => {
  const { id, email } = await registerWith(saga);
  await saga.ending(id);
  await saga.ownerDb.execute(sql`UPDATE registrations SET status = 'running', finished_at = NULL,
    profile_id = NULL, profile_outcome = NULL WHERE id = ${id}::uuid`);
  await removeUser(saga.pool, email);
  await saga.sweep();
  expect(await (await saga.profileSite()).of(id)).toBeNull();
});

test('a run that completed and whose row was lost gets the same profile again', async ({
  saga,
}) => {
  const { id } = await registerWith(saga);
  await saga.ending(id);
  const { profileId } = await saga.row(id);
  await saga.ownerDb.execute(sql`UPDATE registrations SET status = 'running', finished_at = NULL,
    profile_id = NULL, profile_outcome = NULL WHERE id = ${id}::uuid`);
  expect((await saga.row(id)).profileId).toBeNull();
  expect((await saga.sweep()).completed).toBe(1);
  expect(await saga.row(id)).toMatchObject({ status: 'completed', profileId });
});
