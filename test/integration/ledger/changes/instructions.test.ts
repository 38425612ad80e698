import { describe, expect } from 'vitest';
import {
  CHANGE_KINDS,
  CHANGE_STATUSES,
  type ChangeKind,
  type ChangeStatus,
} from '../../../../src/domain/change.ts';
import {
  acknowledgeChangeInstruction,
  cancelRunningChange,
  requestChangeCancel,
  requestChangeRetry,
  undeliveredChangeInstructions,
} from '../../../../src/ledger/changes/instructions.ts';
import { beginRestoring } from '../../../../src/ledger/changes/transitions.ts';
import { ALICE, countByKind, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { CANCELS, FAILS, Person } from './person-under-test.ts';

const CASES = CHANGE_KINDS.flatMap((kind) =>
  // A deletion that has completed, or a person whose deletion has, is complete.test.ts's.
  CHANGE_STATUSES.filter((status) => !isCancelledOnly(kind, status)).map(
    (status) => [kind, status] as const,
  ),
);

function isCancelledOnly(kind: ChangeKind, status: ChangeStatus): boolean {
  return status === 'cancelled' && (kind === 'sign_out' || kind === 'delete');
}

function answerToCancel(kind: ChangeKind, status: ChangeStatus): string {
  if (status === 'accepted') return 'closed';
  const isBegun = status === 'running' || status === 'parked';
  return isBegun && kind !== 'sign_out' && kind !== 'delete' ? 'done' : 'already_closed';
}

describe('each instruction in each status', () => {
  test.for(CASES)(
    'a cancel of a change of kind %s in status %s',
    async ([kind, status], { ledger }) => {
      const person = await Person.registered(ledger);
      const { id } = await person.at(status, kind);
      const before = await person.events(id);
      const told: string[] = [];
      const result = await requestChangeCancel(ledger.db, id, ALICE, (change) =>
        told.push(change.status),
      );
      const expected = answerToCancel(kind, status);
      expect(result.kind).toBe(expected);
      const after = await person.row(id);
      expect(after.status).toBe(expected === 'closed' ? 'cancelled' : status);
      expect(told).toEqual(expected === 'closed' ? ['cancelled'] : []);
      const events = (await person.events(id)).slice(before.length);
      expect(events).toEqual(
        {
          closed: ['change.cancel_requested', 'change.cancelled'],
          done: ['change.cancel_requested'],
        }[expected] ?? [],
      );
    },
  );

  test.for(CASES)(
    'a retry of a change of kind %s in status %s',
    async ([kind, status], { ledger }) => {
      const person = await Person.registered(ledger);
      const { id } = await person.at(status, kind);
      const { kind: answer } = await requestChangeRetry(ledger.db, id, ALICE);
      expect(answer).toBe(status === 'parked' ? 'done' : 'not_parked');
      const { status: after } = await person.row(id);
      expect(after).toBe(status === 'parked' ? 'running' : status);
    },
  );

  test('an instruction for an unknown id is not found', async ({ ledger }) => {
    const id = '00000000-0000-4000-8000-000000000000';
    expect(await requestChangeRetry(ledger.db, id, ALICE)).toEqual({ kind: 'not_parked' });
    expect(await requestChangeCancel(ledger.db, id, ALICE)).toEqual({ kind: 'already_closed' });
  });
});

test('a cancel of what parked before it had begun closes it at once', async ({ ledger }) => {
  const person = await Person.registered(ledger);
  const { id } = await person.accepted('delete');
  await person.parked(id);
  const result = await requestChangeCancel(ledger.db, id, ALICE);
  expect(result).toMatchObject({ kind: 'closed', change: { status: 'cancelled' } });
});

test('a cancel while everything is put back is audited and changes nothing', async ({ ledger }) => {
  const person = await Person.registered(ledger);
  const { id } = await person.begun('roles');
  const before = await beginRestoring(ledger.db, id, FAILS, {});
  const result = await requestChangeCancel(ledger.db, id, ALICE);
  expect(result).toMatchObject({ kind: 'restoring' });
  expect({ ...(await person.row(id)), readAt: null }).toEqual({ ...before, readAt: null });
  expect((await person.events(id)).at(-1)).toBe('change.cancel_requested');
});

test('an instruction to cancel stands: no retry puts it off before everything is put back', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const { id } = await person.at('parked', 'roles');
  await requestChangeCancel(ledger.db, id, ALICE);
  expect((await requestChangeRetry(ledger.db, id, ALICE)).kind).toBe('not_parked');
  await beginRestoring(ledger.db, id, CANCELS, {});
  await person.parked(id);
  expect((await requestChangeRetry(ledger.db, id, ALICE)).kind).toBe('done');
});

test('of fifty simultaneous retries one resumes the change, and one run acknowledges it', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const { id } = await person.at('parked', 'enable');
  const results = await times(50, () => requestChangeRetry(ledger.db, id, ALICE));
  expect(countByKind(results.map(({ kind }) => kind))).toEqual({ done: 1, not_parked: 49 });
  await times(10, () => acknowledgeChangeInstruction(ledger.db, id));
  const events = await person.events(id);
  expect(events.filter((event) => event === 'change.resumed')).toHaveLength(1);
  expect((await person.row(id)).instruction?.acknowledgedAt).not.toBeNull();
});

test('a cancel of the run cancels the change it performs once, where that can be cancelled', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const roles = await person.begun('roles');
  await times(10, () => cancelRunningChange(ledger.db, roles.id));
  expect((await person.row(roles.id)).instruction).toMatchObject({
    kind: 'cancel',
    actor: 'system',
  });
  const requested = (await person.events(roles.id)).filter((e) => e === 'change.cancel_requested');
  expect(requested).toHaveLength(1);
  const signOut = await person.begun('sign_out');
  expect((await cancelRunningChange(ledger.db, signOut.id)).instruction).toBeNull();
  const waiting = await person.accepted('enable');
  expect((await cancelRunningChange(ledger.db, waiting.id)).status).toBe('cancelled');
});

test('the sweep delivers instructions, but not to a change that waits behind an overtaking one', async ({
  emptyLedger: ledger,
}) => {
  const person = await Person.registered(ledger);
  const roles = await person.begun('roles');
  const disable = await person.at('parked', 'disable');
  expect((await person.row(roles.id)).instruction?.kind).toBe('cancel');
  expect(await undeliveredChangeInstructions(ledger.db, 0, 10)).toEqual([]);
  await requestChangeRetry(ledger.db, disable.id, ALICE);
  const { userId } = person;
  expect(await undeliveredChangeInstructions(ledger.db, 0, 10)).toEqual([
    { id: disable.id, userId },
  ]);
  expect(await undeliveredChangeInstructions(ledger.db, 60_000, 10)).toEqual([]);
  await acknowledgeChangeInstruction(ledger.db, disable.id);
  expect(await undeliveredChangeInstructions(ledger.db, 0, 10)).toEqual([]);
  await requestChangeCancel(ledger.db, disable.id, ALICE);
  expect(await undeliveredChangeInstructions(ledger.db, 0, 10)).toEqual([
    { id: disable.id, userId },
  ]);
});
