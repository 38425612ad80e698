import { describe, expect } from 'vitest';
import type { Registration } from '../../../../src/domain/registration.ts';
import { STATUSES, type RegistrationStatus } from '../../../../src/domain/status.ts';
import {
  beginCompensation,
  requireCleanup,
} from '../../../../src/ledger/registrations/compensation.ts';
import { beginSteps, complete } from '../../../../src/ledger/registrations/transitions.ts';
import { acknowledgeInstruction } from '../../../../src/ledger/registrations/park.ts';
import {
  requestCancel,
  requestRetry,
  requestRoles,
} from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, CANCELLED, FAILED, type Ledger, PARKED } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

test.override('maxConnections', 5);

type Transition =
  | 'begin'
  | 'complete'
  | 'park'
  | 'beginCompensation'
  | 'requireCleanup'
  | 'close'
  | 'acknowledgeInstruction'
  | 'requestRetry'
  | 'requestRoles'
  | 'requestCancel';

const RUN: Record<Transition, (ledger: Ledger, row: Registration) => Promise<unknown>> = {
  begin: (ledger, { id }) => beginSteps(ledger.db, id),
  complete: (ledger, { id, roles }) => complete(ledger.db, id, roles, {}),
  park: (ledger, { id }) => ledger.parked(id),
  beginCompensation: (ledger, { id }) => beginCompensation(ledger.db, id, FAILED, CANCELLED, {}),
  requireCleanup: (ledger, { id }) =>
    requireCleanup(ledger.db, id, [{ step: 'deleteUser', ...PARKED }], {}),
  close: (ledger, { id }) => ledger.close(id),
  acknowledgeInstruction: (ledger, { id }) => acknowledgeInstruction(ledger.db, id),
  requestRetry: (ledger, { id }) => requestRetry(ledger.db, id, ALICE),
  requestRoles: (ledger, { id }) => requestRoles(ledger.db, id, { ...ALICE, roles: ['admin'] }),
  requestCancel: (ledger, { id }) => requestCancel(ledger.db, id, ALICE),
};

type Moves = Partial<Record<RegistrationStatus, RegistrationStatus>>;

const compensates = {
  accepted: 'compensating',
  running: 'compensating',
  roles_pending: 'compensating',
} as const;

/** Every move that there is, with nobody waiting anything; whatever is not here stays as it is. */
const MOVES: Record<Transition, Moves> = {
  begin: { accepted: 'running' },
  complete: { accepted: 'completed', running: 'completed', roles_pending: 'completed' },
  park: { accepted: 'roles_pending', running: 'roles_pending' },
  beginCompensation: compensates,
  requireCleanup: { compensating: 'cleanup_required' },
  close: { compensating: 'failed', cleanup_required: 'failed' },
  acknowledgeInstruction: {},
  requestRetry: { roles_pending: 'running' },
  requestRoles: { roles_pending: 'running' },
  requestCancel: {},
};

/** The same while the row carries the instruction to cancel: nothing goes forward. */
const MOVES_AGAINST_CANCEL: Record<Transition, Moves> = {
  ...MOVES,
  begin: {},
  complete: {},
  park: {},
  close: { compensating: 'failed', cleanup_required: 'failed' },
  requestRetry: {},
  requestRoles: {},
};

const TRANSITIONS = Object.keys(RUN) as Transition[];
const PAIRS = STATUSES.flatMap((status) =>
  TRANSITIONS.map((transition) => ({ status, transition })),
);

describe('every status × every transition', () => {
  test.for(PAIRS)('$transition from $status', async ({ status, transition }, { ledger }) => {
    const before = await ledger.at(status);
    const events = await ledger.events(before.id);
    await RUN[transition](ledger, before);
    const after = await ledger.row(before.id);
    expect(after.status).toBe(MOVES[transition][status] ?? status);
    // A closed row is never touched again: not its status, not a column, not its trail.
    const closed = ['completed', 'failed', 'cancelled'].includes(status);
    expect(closed ? after : null).toEqual(closed ? before : null);
    expect(closed ? await ledger.events(before.id) : []).toEqual(closed ? events : []);
  });

  test.for(PAIRS)(
    '$transition from $status, cancel requested',
    async ({ status, transition }, { ledger }) => {
      const { id } = await ledger.at(status);
      await ledger.set(id, {
        instruction: 'cancel',
        instructionActor: 'bob',
        instructionAt: new Date(),
      });
      const before = await ledger.row(id);
      await RUN[transition](ledger, before);
      const after = await ledger.row(id);
      expect(after.status).toBe(MOVES_AGAINST_CANCEL[transition][status] ?? status);
    },
  );
});

describe('a row that carries the instruction to cancel ends cancelled', () => {
  test.for(['accepted', 'running', 'roles_pending'] as const)(
    'from %s a row with an instruction to cancel ends cancelled',
    async (status, { ledger }) => {
      const { id } = await ledger.at(status);
      await requestCancel(ledger.db, id, ALICE);
      const begun = await beginCompensation(ledger.db, id, FAILED, CANCELLED, {});
      expect(begun).toMatchObject({ closesAs: 'cancelled', failure: CANCELLED });
      expect(begun.instruction?.acknowledgedAt).not.toBeNull();
      expect(await ledger.close(id)).toMatchObject({ status: 'cancelled' });
      expect(await ledger.events(id)).toContain('registration.cancelled');
    },
  );

  test('an instruction to cancel during compensation does not change the final status', async ({
    ledger,
  }) => {
    const { id } = await ledger.at('compensating');
    expect(await requestCancel(ledger.db, id, ALICE)).toMatchObject({ kind: 'compensating' });
    expect(await ledger.close(id)).toMatchObject({ status: 'failed', instruction: null });
    expect(await ledger.events(id)).toContain('registration.cancel_requested');
  });
});

test('every transition throws for an id without a row', async ({ ledger }) => {
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
    await expect(RUN[transition](ledger, nobody as unknown as Registration)).rejects.toThrow(
      'no row',
    );
  }
});
