import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import { requestCancel } from '../../../src/ledger/registrations/instructions.ts';
import type { ActivityName, Path } from '../../support/script.ts';
import { test } from '../../support/saga-test.ts';

const NO_ROLE: Rule = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
};
const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };

interface Moment {
  readonly at: ActivityName;
  readonly when: 'before' | 'after';
  readonly faults?: readonly Rule[];
  /** The failure it ends with, where the activity in flight still wrote one. */
  readonly code?: string;
  /** The activity in flight still completes it: terminate came too late. */
  readonly whole?: true;
}

const FORWARD: readonly Moment[] = [
  { at: 'createUser', when: 'before' },
  { at: 'createUser', when: 'after' },
  { at: 'createProfile', when: 'before' },
  { at: 'createProfile', when: 'after' },
  { at: 'assignRole', when: 'before' },
  { at: 'assignRole', when: 'after' },
  { at: 'complete', when: 'before', whole: true },
  { at: 'complete', when: 'after', whole: true },
  { at: 'park', when: 'before', faults: [ILL] },
  { at: 'park', when: 'after', faults: [ILL] },
];
const BACKWARD: readonly Moment[] = [
  { at: 'beginCompensation', when: 'before', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'beginCompensation', when: 'after', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'deleteProfile', when: 'before', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'deleteProfile', when: 'after', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'deleteUser', when: 'before', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'deleteUser', when: 'after', faults: [NO_ROLE], code: 'registration_failed' },
  { at: 'close', when: 'before', faults: [NO_ROLE], code: 'registration_failed' },
];
const AT_ONCE: readonly Moment[] = [
  { at: 'registerAtOnce', when: 'before', whole: true },
  { at: 'registerAtOnce', when: 'after', whole: true },
  { at: 'registerAtOnce', when: 'after', faults: [ILL] },
];

test.afterEach(async ({ sagas: { fast }, sagas: { ordinary } }) => {
  await Promise.all([fast.pool.clearFaults(), ordinary.pool.clearFaults()]);
});

describe.each<{ path: Path; moments: readonly Moment[] }>([
  { path: 'fast', moments: [...AT_ONCE, ...BACKWARD] },
  { path: 'ordinary', moments: [...FORWARD, ...BACKWARD] },
])('terminated on the $path path', ({ path, moments }) => {
  test.for(moments)(
    'a run terminated $when $at is closed by the sweep and leaves no user and no profile',
    async (moment, { sagas: { fast }, sagas: { ordinary }, scripts }) => {
      const saga = path === 'fast' ? fast : ordinary;
      await saga.pool.setFaults(moment.faults ?? []);
      const held = scripts[path].hold(moment.at, moment.when);
      const registration = await saga.register({ wantsProfile: true });
      await held.reached;
      await saga.handle(registration.id).terminate('test');
      held.letGo();
      await held.over;
      await saga.pool.clearFaults();

      await saga.eventually(async () => {
        await saga.sweep();
        return (await saga.row(registration.id)).finishedAt !== null;
      });
      const { status, failure } = await saga.row(registration.id);
      expect({ ...(await saga.world(registration)), failure: failure?.code }).toEqual(
        moment.whole
          ? { mark: registration.id, roles: ['viewer'], status, failure: undefined }
          : { mark: null, roles: [], status: 'failed', failure: moment.code ?? 'terminated' },
      );
      const profile = await (await saga.profileSite()).of(registration.id);
      expect(profile !== null).toBe(moment.whole === true);
      expect((await saga.events(registration.id)).at(-1)).toBe(
        moment.whole ? 'user.registered' : 'registration.failed',
      );
      await saga.eventually(
        async () => (await saga.runs.describe(registration.id)).kind !== 'open',
      );
    },
  );
});

test('after a termination the row names the run that compensated, not the terminated one', async ({
  sagas: { fast },
}) => {
  await fast.pool.setFaults([ILL]);
  const { id } = await fast.register();
  await fast.untilStatus(id, 'roles_pending');
  const dead = (await fast.handle(id).describe()).runId;
  await fast.handle(id).terminate();
  await fast.pool.clearFaults();
  await fast.sweep();
  const row = await fast.untilStatus(id, 'failed');
  expect(row.runId).not.toBe(dead);
  expect(row.runId).toBe((await fast.handle(id).describe()).runId);
});

test('the end of a run counts from the sweep that first saw it, by no other clock', async ({
  sagas: { fast },
}) => {
  await fast.pool.setFaults([ILL]);
  const { id } = await fast.register();
  await fast.untilStatus(id, 'roles_pending');
  await fast.handle(id).terminate();
  await fast.sweep({ afterEndMs: 3_600_000 });
  expect((await fast.row(id)).status).toBe('roles_pending');
  await fast.db.execute(sql`UPDATE registrations
    SET ended_run_seen_at = ended_run_seen_at - interval '1 hour' WHERE id = ${id}::uuid`);
  await fast.pool.clearFaults();
  await fast.sweep({ afterEndMs: 3_600_000 });
  expect((await fast.untilStatus(id, 'failed')).failure?.cause).toBe('terminated');
});

test('runs terminated while parked or while a cleanup is stuck are closed by the sweep', async ({
  sagas: { fast },
}) => {
  await fast.pool.setFaults([ILL]);
  const parked = await fast.register();
  await fast.untilStatus(parked.id, 'roles_pending');
  await fast.pool.setFaults([NO_ROLE, { operation: 'AdminDeleteUser', fault: { kind: 'server' } }]);
  const stuck = await fast.register();
  await fast.untilStatus(stuck.id, 'cleanup_required');
  for (const { id } of [parked, stuck]) await fast.handle(id).terminate('test');
  await fast.pool.clearFaults();

  expect((await fast.sweep()).compensated).toBe(2);
  expect(await fast.ending(parked.id)).toBe('terminated');
  expect(await fast.ending(stuck.id)).toBe('registration_failed');
  for (const registration of [parked, stuck]) {
    expect(await fast.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  }
});

test('a run terminated after an instruction to cancel ends cancelled', async ({
  sagas: { fast },
}) => {
  await fast.pool.setFaults([ILL]);
  const registration = await fast.register();
  await fast.untilStatus(registration.id, 'roles_pending');
  await requestCancel(fast.db, registration.id, { actor: 'operator', reason: null });
  await fast.handle(registration.id).terminate('test');
  await fast.sweep();
  await fast.untilStatus(registration.id, 'cancelled');
  expect((await fast.world(registration)).mark).toBeNull();
  await fast.eventually(async () => (await fast.runs.describe(registration.id)).kind !== 'open');
});

test('the sweep does not touch a run that has just ended, because calls may be in flight', async ({
  sagas: { fast },
}) => {
  await fast.pool.setFaults([ILL]);
  const registration = await fast.register();
  await fast.untilStatus(registration.id, 'roles_pending');
  await fast.handle(registration.id).terminate('test');
  expect((await fast.sweep({ afterEndMs: 60_000 })).compensated).toBe(0);
  expect((await fast.row(registration.id)).status).toBe('roles_pending');
  expect((await fast.sweep()).compensated).toBe(1);
  expect(await fast.ending(registration.id)).toBe('terminated');
});

test('an activity that resumes after the sweep does nothing', async ({
  sagas: { ordinary },
  scripts,
}) => {
  const held = scripts.ordinary.hold('createUser', 'before');
  const registration = await ordinary.register();
  await held.reached;
  await ordinary.handle(registration.id).terminate('test');
  await ordinary.sweep();
  await ordinary.untilStatus(registration.id, 'failed');
  held.letGo();
  await held.over;
  expect(await ordinary.world(registration)).toEqual({ mark: null, roles: [], status: 'failed' });
  expect(await ordinary.ending(registration.id)).toBe('terminated');
});

test('another worker continues the run of a worker that stops', async ({ sagas: { ordinary } }) => {
  await ordinary.pool.setFaults([
    { operation: 'AdminCreateUser', times: 2, fault: { kind: 'server' } },
  ]);
  const registration = await ordinary.register();
  await ordinary.untilAttempt(registration.id, 'createUser', 2);
  await ordinary.stopWorker();
  expect((await ordinary.row(registration.id)).status).toBe('running');
  await ordinary.startWorker();
  expect(await ordinary.ending(registration.id)).toBe('completed');
  expect(await ordinary.world(registration)).toEqual({
    mark: registration.id,
    roles: ['viewer'],
    status: 'completed',
  });
});
