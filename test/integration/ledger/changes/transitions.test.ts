import { describe, expect } from 'vitest';
import { CHANGE_STATUSES, isOpenChange } from '../../../../src/domain/change.ts';
import {
  requestChangeCancel,
  requestChangeRetry,
} from '../../../../src/ledger/changes/instructions.ts';
import {
  changeResumeProgress,
  claimChangesForResume,
  parkChange,
} from '../../../../src/ledger/changes/park.ts';
import {
  beginChange,
  beginRestoring,
  closeChange,
  recordChangeSteps,
} from '../../../../src/ledger/changes/transitions.ts';
import { appendUnrecordedEvents } from '../../../../src/ledger/unrecorded-events.ts';
import { readChangeTimeline } from '../../../../src/ledger/changes/read.ts';
import { stepDone } from '../../../../src/ledger/work/steps.ts';
import { ALICE, countByKind, PARKED, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { CANCELS, FAILS, Person } from './person-under-test.ts';

const START = { rolesBefore: ['viewer'], enabledBefore: true };

describe('the begin of a change', () => {
  test.for(CHANGE_STATUSES)(
    'acts in status %s only where the change is open',
    async (status, { ledger }) => {
      const person = await Person.registered(ledger);
      const before = await person.at(status, 'roles');
      const { kind, change } = await beginChange(ledger.db, before.id, START, null);
      expect(kind).toBe(isOpenChange(status) ? 'begun' : 'not_forward');
      expect(change.status).toBe(status === 'accepted' ? 'running' : status);
      expect(change.begunAt !== null).toBe(true);
    },
  );

  test('keeps what was read first, whatever a later run reads', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id, begunAt } = await person.begun('roles');
    const later = { rolesBefore: ['editor'], enabledBefore: false };
    const { change } = await beginChange(ledger.db, id, later, null);
    expect(change).toMatchObject({ rolesBefore: ['viewer'], enabledBefore: true, begunAt });
  });

  test('turns added roles into all roles, once', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id, roles } = await person.begun('roles', { addsRoles: true, roles: ['editor'] });
    expect(roles.toSorted()).toEqual(['editor', 'viewer']);
    const later = { rolesBefore: ['other'], enabledBefore: true };
    const { change } = await beginChange(ledger.db, id, later, null);
    expect(change.roles.toSorted()).toEqual(['editor', 'viewer']);
  });

  test.for(['disable', 'delete', 'enable', 'roles', 'sign_out'] as const)(
    'of kind %s ends sessions only where the account is about to be closed',
    async (kind, { ledger }) => {
      const person = await Person.registered(ledger);
      await person.begun(kind);
      const sessions = kind === 'disable' || kind === 'delete';
      expect(await person.cutOffs()).toEqual({ sessions, roles: false });
    },
  );

  test('leaves alone what is to be cancelled or is being put back', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const told = await person.begun('roles');
    await requestChangeCancel(ledger.db, told.id, ALICE);
    const restoring = await person.begun('enable');
    await beginRestoring(ledger.db, restoring.id, FAILS, {});
    for (const { id } of [told, restoring]) {
      const before = await person.row(id);
      const { kind, change } = await beginChange(ledger.db, id, START, null);
      expect(kind).toBe('not_forward');
      expect({ ...change, readAt: null }).toEqual({ ...before, readAt: null });
    }
  });
});

describe('a parked change', () => {
  test('says what it waits for, is due later, and is resumed with a full budget', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('disable');
    const parked = await person.parked(id);
    expect(parked).toMatchObject({ status: 'parked', failure: PARKED, resumeAttempts: 1 });
    expect(parked.nextResumeAt?.getTime()).toBeGreaterThan(parked.readAt.database.getTime());
    const resumed = await requestChangeRetry(ledger.db, id, ALICE);
    expect(resumed).toMatchObject({
      kind: 'done',
      change: { status: 'running', failure: null, resumeAttempts: 0, nextResumeAt: null },
    });
  });

  test('parks once under one key, however often that is repeated', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('disable');
    const parked = await times(20, () => person.parked(id, 'run/1'));
    expect(parked.at(-1)?.resumeAttempts).toBe(1);
    const events = await person.events(id);
    expect(events.filter((event) => event === 'change.parked')).toHaveLength(1);
  });

  test('is not parked again by a late transaction of an old run', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('disable');
    await person.parked(id, 'old run', 0);
    await requestChangeRetry(ledger.db, id, ALICE);
    // Not seen by the new run yet.
    expect((await person.parked(id, 'old run, reset', 0)).status).toBe('running');
    // Another run has parked it since.
    const other = await person.begun('enable');
    await person.parked(other.id, 'new run', 0);
    expect((await person.parked(other.id, 'old run', 0)).resumeAttempts).toBe(1);
  });

  test('with another key of another person parks on its own', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const [one, two] = [await person.begun('enable'), await person.begun('enable')];
    await person.parked(one.id, 'same key');
    expect((await person.parked(two.id, 'same key')).status).toBe('parked');
  });

  test('is claimed once it is due, by one of two schedules', async ({ emptyLedger: ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('disable');
    const parks = { failure: PARKED, steps: {}, key: 'run', resumeIntervalSeconds: 0 };
    await parkChange(ledger.db, id, parks);
    const claims = await Promise.all([
      claimChangesForResume(ledger.db, 10, 300),
      claimChangesForResume(ledger.db, 10, 300),
    ]);
    expect(claims.flat()).toEqual([{ id, userId: person.userId, resumeAttempts: 1 }]);
    expect(await changeResumeProgress(ledger.db, [id])).toEqual([
      { id, status: 'parked', resumeAttempts: 1 },
    ]);
  });
});

describe('putting back', () => {
  test('keeps why while it waits for something else, and closes with that', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('roles');
    const restoring = await beginRestoring(ledger.db, id, FAILS, {});
    expect(restoring).toMatchObject({
      status: 'running',
      restoresAs: 'failed',
      failure: FAILS.failure,
    });
    const parked = await person.parked(id);
    expect(parked).toMatchObject({ status: 'parked', failure: PARKED, restoresAs: 'failed' });
    const retried = await requestChangeRetry(ledger.db, id, ALICE);
    expect(retried).toMatchObject({ change: { status: 'running', failure: FAILS.failure } });
    const closed = await closeChange(ledger.db, id, {});
    expect(closed).toMatchObject({ status: 'failed', failure: FAILS.failure });
    expect(await person.events(id)).toEqual([
      'change.requested',
      'change.restoring',
      'change.parked',
      'change.retry_requested',
      'change.failed',
    ]);
  });

  test('ends cancelled where that was requested, whatever failed meanwhile', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('enable');
    await requestChangeCancel(ledger.db, id, ALICE);
    const restoring = await beginRestoring(ledger.db, id, FAILS, {});
    expect(restoring).toMatchObject({ restoresAs: 'cancelled', failure: CANCELS.failure });
    await closeChange(ledger.db, id, {});
    const closed = (await readChangeTimeline(ledger.db, id)).at(-1);
    expect(closed).toMatchObject({ event: 'change.cancelled', actor: 'alice' });
  });

  test('of fifty simultaneous begins and closes happens once', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('roles');
    const told: string[] = [];
    await times(50, async (index) => {
      if (index % 2 === 0) return await beginRestoring(ledger.db, id, FAILS, {});
      return await closeChange(ledger.db, id, {}, ({ status }) => told.push(status));
    });
    await closeChange(ledger.db, id, {}, ({ status }) => told.push(status));
    expect(told).toEqual(['failed']);
    expect(countByKind(await person.events(id))).toEqual({
      'change.requested': 1,
      'change.restoring': 1,
      'change.failed': 1,
    });
  });

  test('is not parked by a late transaction of what went forward before', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id, resumeAttempts } = await person.begun('roles');
    const restoring = await beginRestoring(ledger.db, id, FAILS, {});
    expect((await person.parked(id, 'late', resumeAttempts)).status).toBe('running');
    expect((await person.parked(id, 'now', restoring.resumeAttempts)).status).toBe('parked');
  });

  test('turns the steps that were taken back into compensated ones, and no others', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('roles', { roles: ['editor'] });
    const failed = { status: 'retrying', attempts: 3, lastError: 'role_missing' } as const;
    await recordChangeSteps(ledger.db, id, {
      'assignRole:editor': stepDone(1),
      'removeRole:viewer': failed,
    });
    await beginRestoring(ledger.db, id, FAILS, {});
    const { steps } = await closeChange(ledger.db, id, { 'removeRole:editor': stepDone(1) });
    expect(steps).toEqual({
      'assignRole:editor': { ...stepDone(1), status: 'compensated' },
      'removeRole:viewer': { ...failed, status: 'failed' },
      'removeRole:editor': stepDone(1),
    });
  });

  test('does not begin for a sign-out or deletion that has begun, unless that has failed', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    for (const kind of ['sign_out', 'delete'] as const) {
      const { id } = await person.begun(kind);
      expect((await beginRestoring(ledger.db, id, CANCELS, {})).restoresAs).toBeNull();
      expect((await beginRestoring(ledger.db, id, FAILS, {})).restoresAs).toBe('failed');
      expect((await closeChange(ledger.db, id, {})).status).toBe('failed');
    }
  });

  test('closes no change that goes forward', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('roles');
    expect((await closeChange(ledger.db, id, {})).status).toBe('running');
  });

  test('closes also while the trail refuses the event, which the sweep appends later', async ({
    emptyLedger: ledger,
  }) => {
    const person = await Person.registered(ledger);
    const { id } = await person.begun('roles');
    await beginRestoring(ledger.db, id, FAILS, {});
    await ledger.refuseAudit('change.failed');
    const closed = await closeChange(ledger.db, id, {});
    expect(closed).toMatchObject({ status: 'failed', unrecordedEvents: ['change.failed'] });
    expect(await appendUnrecordedEvents(ledger.db, 10)).toBe(0);
    await ledger.allowAudit();
    expect(await appendUnrecordedEvents(ledger.db, 10)).toBe(1);
    expect(await appendUnrecordedEvents(ledger.db, 10)).toBe(0);
    expect((await readChangeTimeline(ledger.db, id)).at(-1)).toMatchObject({
      event: 'change.failed',
      details: { changeId: id, code: FAILS.failure.code },
    });
  });
});
