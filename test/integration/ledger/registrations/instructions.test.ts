import { describe, expect } from 'vitest';
import { acknowledgeInstruction } from '../../../../src/ledger/registrations/park.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { STATUSES, type RegistrationStatus } from '../../../../src/domain/status.ts';
import {
  undeliveredInstructions,
  requestCancel,
  requestRetry,
  requestRoles,
} from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, countByKind, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const ROLES = { ...ALICE, roles: ['admin'] };

type Answers = Record<RegistrationStatus, string>;
const CLOSED = {
  completed: 'already_closed',
  failed: 'already_closed',
  cancelled: 'already_closed',
};
const RETRY: Answers = {
  accepted: 'not_parked',
  running: 'not_parked',
  roles_pending: 'done',
  compensating: 'not_parked',
  cleanup_required: 'done',
  completed: 'not_parked',
  failed: 'not_parked',
  cancelled: 'not_parked',
};
const ROLES_ANSWERS: Answers = { ...RETRY, cleanup_required: 'not_parked' };
const CANCEL: Answers = {
  ...CLOSED,
  accepted: 'done',
  running: 'done',
  roles_pending: 'done',
  compensating: 'compensating',
  cleanup_required: 'compensating',
};

describe('each instruction in each status', () => {
  test.for(STATUSES)('an instruction to retry in status %s', async (status, { ledger }) => {
    const before = await ledger.at(status);
    const { kind } = await requestRetry(ledger.db, before.id, ALICE);
    expect(kind).toBe(RETRY[status]);
    const events = await ledger.events(before.id);
    expect(events.includes('registration.retry_requested')).toBe(kind === 'done');
    const after = await ledger.row(before.id);
    expect(after.instruction?.kind ?? null).toBe(kind === 'done' ? 'retry' : null);
    expect(kind === 'done' ? null : after).toEqual(kind === 'done' ? null : before);
  });

  test.for(STATUSES)('an instruction with other roles in status %s', async (status, { ledger }) => {
    const before = await ledger.at(status);
    const { kind } = await requestRoles(ledger.db, before.id, ROLES);
    expect(kind).toBe(ROLES_ANSWERS[status]);
    const after = await ledger.row(before.id);
    expect(after.roles).toEqual(kind === 'done' ? ['admin'] : before.roles);
    expect(kind === 'done' ? null : after).toEqual(kind === 'done' ? null : before);
  });

  test.for(STATUSES)('an instruction to cancel in status %s', async (status, { ledger }) => {
    const before = await ledger.at(status);
    const { kind } = await requestCancel(ledger.db, before.id, ALICE);
    expect(kind).toBe(CANCEL[status]);
    const audited = (await ledger.events(before.id)).includes('registration.cancel_requested');
    expect(audited).toBe(kind !== 'already_closed');
    const after = await ledger.row(before.id);
    expect(after.instruction?.kind ?? null).toBe(kind === 'done' ? 'cancel' : null);
    expect({ ...after, instruction: null }).toEqual(before);
  });

  test('an instruction for an unknown id is not found', async ({ ledger }) => {
    const id = '00000000-0000-4000-8000-000000000000';
    expect(await requestRetry(ledger.db, id, ALICE)).toEqual({ kind: 'not_parked' });
    expect(await requestRoles(ledger.db, id, ROLES)).toEqual({ kind: 'not_parked' });
    expect(await requestCancel(ledger.db, id, ALICE)).toEqual({ kind: 'already_closed' });
  });
});

describe('an instruction to go on', () => {
  test('an instruction resumes a parked row with a full budget, off the schedule and without its failure', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('roles_pending');
    const result = await requestRetry(ledger.db, id, ALICE);
    expect(result).toMatchObject({
      registration: {
        status: 'running',
        failure: null,
        nextResumeAt: null,
        resumeAttempts: 0,
        instruction: { kind: 'retry', actor: 'alice', reason: 'because', acknowledgedAt: null },
      },
    });
  });

  test('an instruction on a stuck cleanup leaves it stuck until it is done', async ({ ledger }) => {
    const before = await ledger.at('cleanup_required');
    await requestRetry(ledger.db, before.id, ALICE);
    const after = await ledger.row(before.id);
    expect(after).toMatchObject({
      status: 'cleanup_required',
      failure: before.failure,
      closesAs: before.closesAs,
    });
  });

  test('of fifty simultaneous instructions one resumes the row, with one event', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('roles_pending');
    const results = await times(50, () => requestRetry(ledger.db, id, ALICE));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ done: 1, not_parked: 49 });
    const events = await ledger.events(id);
    expect(events.filter((e) => e === 'registration.retry_requested')).toHaveLength(1);
  });

  test('an instruction with other roles records every role that may be assigned', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('roles_pending', { roles: ['a', 'b'] });
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['c,"d"', 'b'] });
    const row = await ledger.row(id);
    expect(row.roles).toEqual(['c,"d"', 'b']);
    expect(row.rolesTouched.toSorted()).toEqual(['a', 'b', 'c,"d"']);
    const requested = (await readTimeline(ledger.db, id)).at(-1);
    expect(requested).toMatchObject({
      event: 'registration.roles_requested',
      actor: 'alice',
      details: { roles: ['c,"d"', 'b'] },
    });
  });

  test('an instruction to retry never replaces one to cancel', async ({ ledger }) => {
    const { id } = await ledger.at('roles_pending');
    await requestCancel(ledger.db, id, ALICE);
    expect((await requestRetry(ledger.db, id, ALICE)).kind).toBe('not_parked');
    expect((await requestRoles(ledger.db, id, ROLES)).kind).toBe('not_parked');
    expect(await ledger.row(id)).toMatchObject({
      status: 'roles_pending',
      instruction: { kind: 'cancel' },
    });
  });

  test('an instruction to cancel replaces a pending retry', async ({ ledger }) => {
    const { id } = await ledger.at('roles_pending');
    await requestRetry(ledger.db, id, ALICE);
    await requestCancel(ledger.db, id, { actor: 'bob', reason: null });
    expect((await ledger.row(id)).instruction).toMatchObject({ kind: 'cancel', actor: 'bob' });
  });
});

describe('taking an instruction', () => {
  test('an instruction acknowledged fifty times at once resumes once, in the name of its requester', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('roles_pending');
    await requestRetry(ledger.db, id, ALICE);
    const rows = await times(50, () => acknowledgeInstruction(ledger.db, id));
    expect(
      new Set(rows.map(({ instruction }) => instruction?.acknowledgedAt?.getTime())).size,
    ).toBe(1);
    const resumed = (await readTimeline(ledger.db, id)).filter(
      ({ event }) => event === 'registration.resumed',
    );
    expect(resumed).toMatchObject([{ actor: 'alice', userId: `sub-${id}` }]);
  });

  test('no pending instruction, or one to cancel, is not acknowledged', async ({ ledger }) => {
    const parked = await ledger.at('roles_pending');
    expect(await acknowledgeInstruction(ledger.db, parked.id)).toEqual(parked);
    await requestCancel(ledger.db, parked.id, ALICE);
    expect(
      (await acknowledgeInstruction(ledger.db, parked.id)).instruction?.acknowledgedAt,
    ).toBeNull();
    expect(await ledger.events(parked.id)).not.toContain('registration.resumed');
  });
});

describe('what the sweep delivers', () => {
  test('the sweep gets old pending instructions of open rows, oldest first, up to its limit', async ({
    ledger,
  }) => {
    const old = new Date(Date.now() - 60_000);
    const requested = async (
      status: RegistrationStatus,
      instructionAt: Date,
      instructionAcknowledgedAt: Date | null,
    ) => {
      const { id } = await ledger.at(status);
      await ledger.set(id, {
        instruction: 'cancel',
        instructionActor: 'alice',
        instructionAt,
        instructionAcknowledgedAt,
      });
      return id;
    };
    const second = await requested('running', old, null);
    const first = await requested('cleanup_required', new Date(old.getTime() - 1000), null);
    const others = [
      await requested('running', old, new Date()),
      await requested('completed', old, null),
      await requested('running', new Date(), null),
    ];
    const found = (await undeliveredInstructions(ledger.db, 10_000, 100)).map(({ id }) => id);
    expect(found.filter((id) => [first, second, ...others].includes(id))).toEqual([first, second]);
    expect(await undeliveredInstructions(ledger.db, 10_000, 1)).toEqual([
      { id: first, kind: 'cancel' },
    ]);
  });
});
