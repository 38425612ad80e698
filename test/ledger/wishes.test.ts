import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { takeWish } from '../../src/ledger/park.ts';
import { readTimeline } from '../../src/ledger/read.ts';
import { STATUSES, type RegistrationStatus } from '../../src/domain/status.ts';
import { undeliveredWishes, wishCancel, wishRetry, wishRoles } from '../../src/ledger/wishes.ts';
import { ALICE, Ledger, tally, times } from './ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start();
});
afterAll(() => ledger.stop());

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

describe('each wish in each status', () => {
  test.each(STATUSES)('retry: %s', async (status) => {
    const before = await ledger.at(status);
    const { kind } = await wishRetry(ledger.db, before.id, ALICE);
    expect(kind).toBe(RETRY[status]);
    const events = await ledger.events(before.id);
    expect(events.includes('registration.retry_requested')).toBe(kind === 'done');
    const after = await ledger.row(before.id);
    expect(after.wish?.kind ?? null).toBe(kind === 'done' ? 'retry' : null);
    expect(kind === 'done' ? null : after).toEqual(kind === 'done' ? null : before);
  });

  test.each(STATUSES)('other roles: %s', async (status) => {
    const before = await ledger.at(status);
    const { kind } = await wishRoles(ledger.db, before.id, ROLES);
    expect(kind).toBe(ROLES_ANSWERS[status]);
    const after = await ledger.row(before.id);
    expect(after.roles).toEqual(kind === 'done' ? ['admin'] : before.roles);
    expect(kind === 'done' ? null : after).toEqual(kind === 'done' ? null : before);
  });

  test.each(STATUSES)('cancel: %s', async (status) => {
    const before = await ledger.at(status);
    const { kind } = await wishCancel(ledger.db, before.id, ALICE);
    expect(kind).toBe(CANCEL[status]);
    const audited = (await ledger.events(before.id)).includes('registration.cancel_requested');
    expect(audited).toBe(kind !== 'already_closed');
    const after = await ledger.row(before.id);
    expect(after.wish?.kind ?? null).toBe(kind === 'done' ? 'cancel' : null);
    expect({ ...after, wish: null }).toEqual(before);
  });

  test('none for an id that nobody has', async () => {
    const id = '00000000-0000-4000-8000-000000000000';
    expect(await wishRetry(ledger.db, id, ALICE)).toEqual({ kind: 'not_parked' });
    expect(await wishRoles(ledger.db, id, ROLES)).toEqual({ kind: 'not_parked' });
    expect(await wishCancel(ledger.db, id, ALICE)).toEqual({ kind: 'already_closed' });
  });
});

describe('a wish to go on', () => {
  test('resumes with a full budget, off the schedule, its failure gone', async () => {
    const { id } = await ledger.at('roles_pending');
    const result = await wishRetry(ledger.db, id, ALICE);
    expect(result).toMatchObject({
      registration: {
        status: 'running',
        failure: null,
        nextResumeAt: null,
        resumeAttempts: 0,
        wish: { kind: 'retry', actor: 'alice', reason: 'because', takenAt: null },
      },
    });
  });

  test('on a stuck cleanup leaves it stuck until it is done', async () => {
    const before = await ledger.at('cleanup_required');
    await wishRetry(ledger.db, before.id, ALICE);
    const after = await ledger.row(before.id);
    expect(after).toMatchObject({
      status: 'cleanup_required',
      failure: before.failure,
      closesAs: before.closesAs,
    });
  });

  test('fifty at once: one resumes, one event', async () => {
    const { id } = await ledger.at('roles_pending');
    const results = await times(50, () => wishRetry(ledger.db, id, ALICE));
    expect(tally(results.map(({ kind }) => kind))).toEqual({ done: 1, not_parked: 49 });
    const events = await ledger.events(id);
    expect(events.filter((e) => e === 'registration.retry_requested')).toHaveLength(1);
  });

  test('with other roles remembers every role that may be assigned', async () => {
    const { id } = await ledger.at('roles_pending', { roles: ['a', 'b'] });
    await wishRoles(ledger.db, id, { ...ALICE, roles: ['c,"d"', 'b'] });
    const row = await ledger.row(id);
    expect(row.roles).toEqual(['c,"d"', 'b']);
    expect(row.rolesTouched.toSorted()).toEqual(['a', 'b', 'c,"d"']);
    const wished = (await readTimeline(ledger.db, id)).at(-1);
    expect(wished).toMatchObject({
      event: 'registration.roles_requested',
      actor: 'alice',
      details: { roles: ['c,"d"', 'b'] },
    });
  });

  test('never puts off a wish to cancel', async () => {
    const { id } = await ledger.at('roles_pending');
    await wishCancel(ledger.db, id, ALICE);
    expect((await wishRetry(ledger.db, id, ALICE)).kind).toBe('not_parked');
    expect((await wishRoles(ledger.db, id, ROLES)).kind).toBe('not_parked');
    expect(await ledger.row(id)).toMatchObject({
      status: 'roles_pending',
      wish: { kind: 'cancel' },
    });
  });

  test('a wish to cancel takes the place of an untaken retry', async () => {
    const { id } = await ledger.at('roles_pending');
    await wishRetry(ledger.db, id, ALICE);
    await wishCancel(ledger.db, id, { actor: 'bob', reason: null });
    expect((await ledger.row(id)).wish).toMatchObject({ kind: 'cancel', actor: 'bob' });
  });
});

describe('taking a wish', () => {
  test('fifty at once: taken once, resumed once, in the name of who wished', async () => {
    const { id } = await ledger.at('roles_pending');
    await wishRetry(ledger.db, id, ALICE);
    const rows = await times(50, () => takeWish(ledger.db, id));
    expect(new Set(rows.map(({ wish }) => wish?.takenAt?.getTime())).size).toBe(1);
    const resumed = (await readTimeline(ledger.db, id)).filter(
      ({ event }) => event === 'registration.resumed',
    );
    expect(resumed).toMatchObject([{ actor: 'alice', userId: `sub-${id}` }]);
  });

  test('there is nothing to take of nobody’s wish, nor of a cancel', async () => {
    const parked = await ledger.at('roles_pending');
    expect(await takeWish(ledger.db, parked.id)).toEqual(parked);
    await wishCancel(ledger.db, parked.id, ALICE);
    expect((await takeWish(ledger.db, parked.id)).wish?.takenAt).toBeNull();
    expect(await ledger.events(parked.id)).not.toContain('registration.resumed');
  });
});

describe('what the sweep delivers', () => {
  test('old untaken wishes of open rows, oldest first, as many as asked for', async () => {
    const old = new Date(Date.now() - 60_000);
    const wished = async (status: RegistrationStatus, wishAt: Date, wishTakenAt: Date | null) => {
      const { id } = await ledger.at(status);
      await ledger.set(id, { wish: 'cancel', wishActor: 'alice', wishAt, wishTakenAt });
      return id;
    };
    const second = await wished('running', old, null);
    const first = await wished('cleanup_required', new Date(old.getTime() - 1000), null);
    const others = [
      await wished('running', old, new Date()),
      await wished('completed', old, null),
      await wished('running', new Date(), null),
    ];
    const found = (await undeliveredWishes(ledger.db, 10_000, 100)).map(({ id }) => id);
    expect(found.filter((id) => [first, second, ...others].includes(id))).toEqual([first, second]);
    expect(await undeliveredWishes(ledger.db, 10_000, 1)).toEqual([{ id: first, kind: 'cancel' }]);
  });
});
