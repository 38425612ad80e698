import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Registration } from '../../src/domain/registration.ts';
import { STATUSES, type RegistrationStatus } from '../../src/domain/status.ts';
import { beginCompensation, requireCleanup } from '../../src/ledger/compensation.ts';
import { begin, complete } from '../../src/ledger/run.ts';
import { takeWish } from '../../src/ledger/park.ts';
import { wishCancel, wishRetry, wishRoles } from '../../src/ledger/wishes.ts';
import { ALICE, CANCELLED, FAILED, Ledger, PARKED } from './ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start(5);
});
afterAll(() => ledger.stop());

type Transition =
  | 'begin'
  | 'complete'
  | 'park'
  | 'beginCompensation'
  | 'requireCleanup'
  | 'close'
  | 'takeWish'
  | 'wishRetry'
  | 'wishRoles'
  | 'wishCancel';

const RUN: Record<Transition, (row: Registration) => Promise<unknown>> = {
  begin: ({ id }) => begin(ledger.db, id),
  complete: ({ id, roles }) => complete(ledger.db, id, roles, {}),
  park: ({ id }) => ledger.parked(id),
  beginCompensation: ({ id }) => beginCompensation(ledger.db, id, FAILED, CANCELLED, {}),
  requireCleanup: ({ id }) =>
    requireCleanup(ledger.db, id, [{ step: 'deleteUser', ...PARKED }], {}),
  close: ({ id }) => ledger.close(id),
  takeWish: ({ id }) => takeWish(ledger.db, id),
  wishRetry: ({ id }) => wishRetry(ledger.db, id, ALICE),
  wishRoles: ({ id }) => wishRoles(ledger.db, id, { ...ALICE, roles: ['admin'] }),
  wishCancel: ({ id }) => wishCancel(ledger.db, id, ALICE),
};

type Moves = Partial<Record<RegistrationStatus, RegistrationStatus>>;

const compensates = {
  accepted: 'compensating',
  running: 'compensating',
  roles_pending: 'compensating',
} as const;

/** Every move that there is, with nobody wishing anything; whatever is not here stays as it is. */
const MOVES: Record<Transition, Moves> = {
  begin: { accepted: 'running' },
  complete: { accepted: 'completed', running: 'completed', roles_pending: 'completed' },
  park: { accepted: 'roles_pending', running: 'roles_pending' },
  beginCompensation: compensates,
  requireCleanup: { compensating: 'cleanup_required' },
  close: { compensating: 'failed', cleanup_required: 'failed' },
  takeWish: {},
  wishRetry: { roles_pending: 'running' },
  wishRoles: { roles_pending: 'running' },
  wishCancel: {},
};

/** The same while the row carries the wish to cancel: nothing goes forward. */
const MOVES_AGAINST_CANCEL: Record<Transition, Moves> = {
  ...MOVES,
  begin: {},
  complete: {},
  park: {},
  close: { compensating: 'failed', cleanup_required: 'failed' },
  wishRetry: {},
  wishRoles: {},
};

const TRANSITIONS = Object.keys(RUN) as Transition[];
const PAIRS = STATUSES.flatMap((status) =>
  TRANSITIONS.map((transition) => ({ status, transition })),
);

describe('every status × every transition', () => {
  test.each(PAIRS)('$transition from $status', async ({ status, transition }) => {
    const before = await ledger.at(status);
    const events = await ledger.events(before.id);
    await RUN[transition](before);
    const after = await ledger.row(before.id);
    expect(after.status).toBe(MOVES[transition][status] ?? status);
    // A closed row is never touched again: not its status, not a column, not its trail.
    const closed = ['completed', 'failed', 'cancelled'].includes(status);
    expect(closed ? after : null).toEqual(closed ? before : null);
    expect(closed ? await ledger.events(before.id) : []).toEqual(closed ? events : []);
  });

  test.each(PAIRS)('$transition from $status, cancel wished', async ({ status, transition }) => {
    const { id } = await ledger.at(status);
    await ledger.set(id, { wish: 'cancel', wishActor: 'bob', wishAt: new Date() });
    const before = await ledger.row(id);
    await RUN[transition](before);
    const after = await ledger.row(id);
    expect(after.status).toBe(MOVES_AGAINST_CANCEL[transition][status] ?? status);
  });
});

describe('a row that carries the wish to cancel ends cancelled', () => {
  test.each(['accepted', 'running', 'roles_pending'] as const)('from %s', async (status) => {
    const { id } = await ledger.at(status);
    await wishCancel(ledger.db, id, ALICE);
    const begun = await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
    expect(begun).toMatchObject({ closesAs: 'cancelled', failure: CANCELLED });
    expect(begun.wish?.takenAt).not.toBeNull();
    expect(await ledger.close(id)).toMatchObject({ status: 'cancelled' });
    expect(await ledger.events(id)).toContain('registration.cancelled');
  });

  test('but a wish that comes while it compensates changes no end', async () => {
    const { id } = await ledger.at('compensating');
    expect(await wishCancel(ledger.db, id, ALICE)).toMatchObject({ kind: 'compensating' });
    expect(await ledger.close(id)).toMatchObject({ status: 'failed', wish: null });
    expect(await ledger.events(id)).toContain('registration.cancel_requested');
  });
});

test('an id without a row is a bug and throws, wherever the saga asks', async () => {
  const nobody = { id: '00000000-0000-4000-8000-000000000000', roles: [] };
  const asked = [
    'begin',
    'complete',
    'park',
    'beginCompensation',
    'requireCleanup',
    'close',
  ] as const;
  for (const transition of asked) {
    await expect(RUN[transition](nobody as unknown as Registration)).rejects.toThrow('no row');
  }
});
