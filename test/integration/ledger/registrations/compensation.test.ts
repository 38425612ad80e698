import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { publicFailure } from '../../../../src/domain/failure.ts';
import {
  beginCompensation,
  closeRegistration,
  recordAbsence,
  recordUserDeleted,
  requireCleanup,
} from '../../../../src/ledger/registrations/compensation.ts';
import { appendUnrecordedEvents } from '../../../../src/ledger/unrecorded-events.ts';
import {
  recordCreateAttempt,
  recordCreated,
  recordStrayDeleted,
} from '../../../../src/ledger/registrations/create-attempt.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { beginSteps } from '../../../../src/ledger/registrations/transitions.ts';
import { requestCancel, requestRetry } from '../../../../src/ledger/registrations/instructions.ts';
import { CANCELLED, FAILED, STUCK, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

test.afterEach(({ ledger }) => ledger.allowAudit());

describe('beginCompensation', () => {
  test('the first cause of a compensation decides its final status, and a later one changes nothing', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('running');
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    const other = { closesAs: 'cancelled', failure: CANCELLED } as const;
    const again = await beginCompensation(ledger.db, id, other, CANCELLED, {});
    expect(again).toMatchObject({ closesAs: 'failed', failure: FAILED.failure });
    expect((await ledger.events(id)).filter((e) => e === 'registration.compensating')).toHaveLength(
      1,
    );
  });

  test('beginCompensation does not change a completed row', async ({ ledger }) => {
    const before = await ledger.at('completed');
    expect(await beginCompensation(ledger.db, before.id, FAILED, CANCELLED, {})).toEqual(before);
  });

  test('beginCompensation takes a parked row off the schedule', async ({ ledger }) => {
    const { id } = await ledger.at('roles_pending');
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    expect((await ledger.row(id)).nextResumeAt).toBeNull();
  });

  test('beginCompensation merges the states of the steps', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    const failed = { status: 'failed', attempts: 3, lastError: 'user_not_visible' } as const;
    const row = await beginCompensation(ledger.db, id, FAILED, CANCELLED, {
      'assignRole:a"b': failed,
    });
    expect(row.steps).toMatchObject({ createUser: { status: 'done' }, 'assignRole:a"b': failed });
  });
});

describe('requireCleanup', () => {
  test('requireCleanup names the stuck steps, and the trail records it once', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('compensating');
    await requireCleanup(ledger.db, id, STUCK, {});
    const row = await requireCleanup(ledger.db, id, STUCK, {});
    expect(row).toMatchObject({ status: 'cleanup_required', compensationFailures: STUCK });
    const events = await ledger.events(id);
    expect(events.filter((e) => e === 'registration.cleanup_required')).toHaveLength(1);
  });
});

const DONE = { status: 'done', attempts: 1, lastError: null } as const;

describe('close', () => {
  test('close refuses without a proof that no user of ours is left', async ({ ledger }) => {
    const { id } = await ledger.at('compensating');
    expect((await closeRegistration(ledger.db, id)).status).toBe('compensating');
    expect(await ledger.events(id)).not.toContain('registration.failed');
  });

  test('close refuses when a user was recorded after the proof', async ({ ledger }) => {
    const { id } = await ledger.accepted();
    const attempted = await recordCreateAttempt(ledger.db, await beginSteps(ledger.db, id));
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    expect(await recordAbsence(ledger.db, await ledger.row(id), {})).toBe(true);
    await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(attempted).not.toBeNull();
    expect((await closeRegistration(ledger.db, id)).status).toBe('compensating');
  });

  test('a proof is void when a user was recorded since the row was read', async ({ ledger }) => {
    const { id } = await ledger.accepted();
    await recordCreateAttempt(ledger.db, await beginSteps(ledger.db, id));
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    const read = await ledger.row(id);
    await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(await recordAbsence(ledger.db, read, {})).toBe(false);
    expect((await closeRegistration(ledger.db, id)).status).toBe('compensating');
  });

  test('close refuses while a stray user of ours is still to be deleted', async ({ ledger }) => {
    const { id } = await ledger.at('compensating');
    expect(await recordAbsence(ledger.db, await ledger.row(id), {})).toBe(true);
    await recordCreated(ledger.db, id, { username: 'twin', sub: 's' }, null, 1);
    expect((await closeRegistration(ledger.db, id)).status).toBe('compensating');
    await recordStrayDeleted(ledger.db, id, 'twin');
    expect((await closeRegistration(ledger.db, id)).status).toBe('failed');
  });

  test('close marks done steps as compensated and failed ones as failed', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    const failed = { status: 'failed', attempts: 1, lastError: 'registration_failed' } as const;
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, { 'assignRole:viewer': failed });
    await recordUserDeleted(ledger.db, id, { deleteUser: DONE });
    const row = await ledger.close(id);
    expect(row).toMatchObject({
      status: 'failed',
      rolesAssigned: [],
      failure: FAILED.failure,
      steps: {
        createUser: { status: 'compensated' },
        'assignRole:viewer': failed,
        deleteUser: DONE,
      },
    });
    expect(row.finishedAt).not.toBeNull();
    expect(row.userDeletedAt).not.toBeNull();
  });

  test('closing fifty times at once appends one event and returns one time', async ({ ledger }) => {
    const { id } = await ledger.at('compensating');
    const rows = await times(50, () => ledger.close(id));
    expect(new Set(rows.map(({ finishedAt }) => finishedAt?.getTime())).size).toBe(1);
    const events = await ledger.events(id);
    expect(events.filter((event) => event === 'registration.failed')).toHaveLength(1);
  });

  test('the trail names who cancelled, not who retried the stuck cleanup', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    await requestCancel(ledger.db, id, { actor: 'alice', reason: null });
    await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    await requireCleanup(ledger.db, id, STUCK, {});
    await requestRetry(ledger.db, id, { actor: 'bob', reason: null });
    await ledger.close(id);
    const timeline = await readTimeline(ledger.db, id);
    const closing = timeline.find(({ event }) => event === 'registration.cancelled');
    expect(closing?.actor).not.toBe('bob');
  });
});

describe('a trail that refuses', () => {
  test.for([
    ['failed', 'registration.failed'],
    ['cancelled', 'registration.cancelled'],
  ] as const)(
    'with a refusing audit trail %s closes, and its event is appended once later',
    async ([end, event], { ledger }) => {
      const { id } = await ledger.at('running');
      await beginCompensation(ledger.db, id, { ...FAILED, closesAs: end }, CANCELLED, {});
      await ledger.refuseAudit(event);
      expect((await ledger.close(id)).status).toBe(end);
      expect(await ledger.events(id)).not.toContain(event);

      expect(await appendUnrecordedEvents(ledger.db, 100)).toBe(0);
      await ledger.allowAudit();
      expect(await appendUnrecordedEvents(ledger.db, 100)).toBe(1);
      expect(await appendUnrecordedEvents(ledger.db, 100)).toBe(0);
      const timeline = await readTimeline(ledger.db, id);
      expect(timeline.filter((entry) => entry.event === event)).toMatchObject([
        { userId: `sub-${id}`, details: { code: FAILED.failure.code } },
      ]);
    },
  );

  test('a refusing audit trail prevents neither compensation nor a required cleanup', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('running');
    await ledger.refuseAudit('registration.compensating');
    const begun = await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    expect(begun.status).toBe('compensating');
    await ledger.refuseAudit('registration.cleanup_required');
    const stuck = await requireCleanup(ledger.db, id, STUCK, {});
    expect(stuck.status).toBe('cleanup_required');
  });

  test('a refusal of the audit trail that may pass rolls the close back, and it is repeated', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('compensating');
    await ledger.refuseAudit('registration.failed', '40001');
    await expect(ledger.close(id)).rejects.toMatchObject({ definitive: false });
    expect((await ledger.row(id)).status).toBe('compensating');
    await ledger.allowAudit();
    expect((await ledger.close(id)).status).toBe('failed');
    expect(await ledger.events(id)).toContain('registration.failed');
  });

  test('the sweep appends missing events for a bounded number of rows, each once', async ({
    ledger,
  }) => {
    await ledger.allowAudit();
    await appendUnrecordedEvents(ledger.db, 100);
    await ledger.refuseAudit('registration.failed');
    const ids = await times(3, async () => (await ledger.at('failed')).id);
    for (const id of ids) {
      expect((await ledger.row(id)).unrecordedEvents).toEqual(['registration.failed']);
    }
    await ledger.allowAudit();
    expect(await appendUnrecordedEvents(ledger.db, 1)).toBe(1);
    expect(await appendUnrecordedEvents(ledger.db, 10)).toBe(2);
    expect(await appendUnrecordedEvents(ledger.db, 10)).toBe(0);
    for (const id of ids) {
      expect((await ledger.row(id)).unrecordedEvents).toEqual([]);
      expect(await ledger.events(id)).toContain('registration.failed');
    }
  });
});

test('a user is recorded as deleted only while the row compensates, and the first time counts', async ({
  ledger,
}) => {
  const open = await ledger.at('completed');
  await recordUserDeleted(ledger.db, open.id, {});
  expect((await ledger.row(open.id)).userDeletedAt).toBeNull();

  const { id } = await ledger.at('compensating');
  await recordUserDeleted(ledger.db, id, {});
  const { userDeletedAt } = await ledger.row(id);
  await ledger.db.execute(sql`SELECT 1`);
  await recordUserDeleted(ledger.db, id, {});
  expect((await ledger.row(id)).userDeletedAt).toEqual(userDeletedAt);
});

test('a terminated row keeps its own failure', async ({ ledger }) => {
  const { id } = await ledger.at('running');
  const terminated = { closesAs: 'failed', failure: publicFailure('terminated') } as const;
  await beginCompensation(ledger.db, id, terminated, CANCELLED, {});
  expect(await ledger.close(id)).toMatchObject({ failure: { code: 'terminated' } });
});
