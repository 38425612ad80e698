import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import {
  claimForResume,
  park,
  resumeProgress,
  acknowledgeInstruction,
} from '../../../../src/ledger/registrations/park.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import {
  recordProfileAttempt,
  recordProfileReply,
} from '../../../../src/ledger/registrations/profile.ts';
import { requestCancel, requestRetry } from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, type Ledger, PARKED, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const SIX_HOURS = 6 * 3600;

/** Seconds until the next scheduled resume, as the row has it. */
async function waitOf(ledger: Ledger, id: string): Promise<number> {
  const { nextResumeAt } = await ledger.row(id);
  return Math.round(((nextResumeAt?.getTime() ?? 0) - Date.now()) / 1000);
}

describe('park', () => {
  test('park records the cause and the time', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    const failed = { status: 'failed', attempts: 12, lastError: PARKED.code } as const;
    const row = await park(ledger.db, id, {
      failure: PARKED,
      steps: { 'assignRole:viewer': failed },
      key: 'first',
      resumeIntervalSeconds: 300,
    });
    expect(row).toMatchObject({
      status: 'roles_pending',
      failure: PARKED,
      resumeAttempts: 1,
      steps: { createUser: { status: 'done' }, 'assignRole:viewer': failed },
    });
    expect(row.parkedAt).not.toBeNull();
    expect(await ledger.events(id)).toContain('registration.parked');
  });

  test('park repeated with the same key changes nothing', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    const first = await ledger.parked(id, 'same');
    expect(await ledger.parked(id, 'same')).toEqual(first);
  });

  test('fifty simultaneous park calls with one key park once', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    await times(50, () => ledger.parked(id, 'same'));
    expect((await ledger.row(id)).resumeAttempts).toBe(1);
    expect((await ledger.events(id)).filter((e) => e === 'registration.parked')).toHaveLength(1);
  });

  test('park of a run that was reset does nothing once the row has parked since', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('running');
    const input = { failure: PARKED, steps: {}, resumeIntervalSeconds: 300, parks: 0 };
    const first = await park(ledger.db, id, { ...input, key: 'first run' });
    expect(await park(ledger.db, id, { ...input, key: 'its reset' })).toEqual(first);
    const again = await park(ledger.db, id, { ...input, key: 'a scheduled attempt', parks: 1 });
    expect(again.resumeAttempts).toBe(2);
    expect((await ledger.events(id)).filter((e) => e === 'registration.parked')).toHaveLength(2);
    await requestRetry(ledger.db, id, ALICE);
    await acknowledgeInstruction(ledger.db, id);
    const anew = await park(ledger.db, id, { ...input, key: 'after a person’s retry' });
    expect(anew).toMatchObject({ status: 'roles_pending', resumeAttempts: 1 });
  });

  test('a late park does not park a row that was resumed since', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    await ledger.parked(id, 'late');
    await requestRetry(ledger.db, id, ALICE);
    await acknowledgeInstruction(ledger.db, id);
    expect((await ledger.parked(id, 'late')).status).toBe('running');
    expect((await ledger.parked(id, 'another')).status).toBe('roles_pending');
  });

  test('park doubles the interval up to six hours and keeps the first parking time', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('running');
    const waits: number[] = [];
    const since = (await ledger.parked(id)).parkedAt;
    waits.push(await waitOf(ledger, id));
    for (let round = 0; round < 9; round += 1) {
      await ledger.parked(id);
      waits.push(await waitOf(ledger, id));
    }
    const expected = [300, 600, 1200, 2400, 4800, 9600, 19_200, SIX_HOURS, SIX_HOURS, SIX_HOURS];
    expect(waits.map((wait, index) => Math.abs(wait - (expected[index] ?? 0)) <= 20)).not.toContain(
      false,
    );
    expect((await ledger.row(id)).parkedAt).toEqual(since);
  });

  test('the interval stays within six hours after any number of attempts and for any setting', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('running');
    await ledger.set(id, { resumeAttempts: 2_000_000 });
    await ledger.parked(id);
    expect(await waitOf(ledger, id)).toBeLessThanOrEqual(SIX_HOURS);
    await ledger.parked(id, randomUUID(), 86_400);
    expect(await waitOf(ledger, id)).toBeLessThanOrEqual(SIX_HOURS);
  });

  test('the interval starts again after an operator’s retry', async ({ ledger }) => {
    const { id } = await ledger.at('running');
    await ledger.parked(id);
    await ledger.parked(id);
    await requestRetry(ledger.db, id, ALICE);
    await acknowledgeInstruction(ledger.db, id);
    await ledger.parked(id);
    expect(Math.abs((await waitOf(ledger, id)) - 300)).toBeLessThanOrEqual(20);
  });

  test.for(['retry', 'cancel'] as const)(
    'park keeps a pending instruction to %s',
    async (kind, { ledger }) => {
      const { id } = await ledger.at('roles_pending');
      await (kind === 'retry' ? requestRetry : requestCancel)(ledger.db, id, ALICE);
      const before = await ledger.row(id);
      expect(await ledger.parked(id)).toEqual(before);
      expect((await ledger.row(id)).instruction).toMatchObject({ kind, acknowledgedAt: null });
    },
  );

  test('park and a simultaneous retry never lose the instruction', async ({ ledger }) => {
    const ends = await times(50, async (index) => {
      const { id } = await ledger.at('roles_pending');
      const work = [() => ledger.parked(id), () => requestRetry(ledger.db, id, ALICE)];
      await Promise.all((index % 2 ? work : work.toReversed()).map((go) => go()));
      const row = await ledger.row(id);
      return `${row.status} ${row.instruction?.kind}`;
    });
    expect(new Set(ends)).toEqual(new Set(['running retry']));
  });
});

describe('the schedule', () => {
  test('the schedule finds due parked rows only, longest due first', async ({ ledger }) => {
    const dueSince = async (status: 'roles_pending' | 'running', seconds: number) => {
      const { id } = await ledger.at(status);
      await ledger.set(id, { nextResumeAt: new Date(Date.now() - seconds * 1000) });
      return id;
    };
    const second = await dueSince('roles_pending', 10);
    const first = await dueSince('roles_pending', 20);
    await dueSince('running', 30);
    await dueSince('roles_pending', -3600);
    expect(await claimForResume(ledger.db, 1, 60)).toEqual([{ id: first, resumeAttempts: 1 }]);
    // Claimed is not due: the next claim meets the others.
    expect(await claimForResume(ledger.db, 10, 60)).toEqual([{ id: second, resumeAttempts: 1 }]);
    expect(await claimForResume(ledger.db, 10, 60)).toEqual([]);
    const progress = await resumeProgress(ledger.db, [first]);
    expect(progress).toEqual([{ id: first, status: 'roles_pending', resumeAttempts: 1 }]);
    expect(await resumeProgress(ledger.db, [])).toEqual([]);
  });
});

test('a registration does not park for a profile that was decided after the last attempt', async ({
  ledger,
}) => {
  const waiting = async () => {
    const row = await ledger.created({ wantsProfile: true });
    await recordProfileAttempt(ledger.db, row);
    return row.id;
  };
  const [decided, undecided] = [await waiting(), await waiting()];
  await recordProfileReply(ledger.db, decided, { kind: 'created', profileId: 'profile' });
  const failure = publicFailure('profile_unavailable_parked');
  const input = { failure, steps: {}, key: 'key', resumeIntervalSeconds: 300 };
  expect((await park(ledger.db, decided, input)).status).toBe('running');
  expect((await park(ledger.db, undecided, input)).status).toBe('roles_pending');
  // Another step may still wait.
  await ledger.parked(decided);
  expect((await ledger.row(decided)).status).toBe('roles_pending');
});
