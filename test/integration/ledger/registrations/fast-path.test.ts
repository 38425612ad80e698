import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Registration } from '../../../../src/domain/registration.ts';
import {
  beginWithCreateAttempt,
  completeAtOnce,
} from '../../../../src/ledger/registrations/fast-path.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { recordCreateAttempt } from '../../../../src/ledger/registrations/create-attempt.ts';
import { readRow } from '../../../../src/ledger/registrations/transitions.ts';
import { stepDone } from '../../../../src/ledger/work/steps.ts';
import { ALICE, countByKind, Ledger } from '../ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start();
});
afterAll(() => ledger.stop());

const STEPS = { createUser: stepDone(1), 'assignRole:viewer': stepDone(1), complete: stepDone(1) };

async function begun(): Promise<Registration> {
  const { id } = await ledger.accepted();
  const row = await beginWithCreateAttempt(ledger.db, id, 'run');
  if (!row) throw new Error('the new registration was not begun');
  return row;
}

function completed(row: Registration) {
  const user = { username: `user-${row.id}`, sub: `sub-${row.id}` };
  return completeAtOnce(ledger.db, row, user, new Date('2026-01-02T03:04:05.678Z'), STEPS);
}

test('a new registration begins together with its first create attempt', async () => {
  const row = await begun();
  expect(row).toMatchObject({
    status: 'running',
    runId: 'run',
    createAttempt: 1,
    createOutcome: null,
    rolesTouched: ['viewer'],
  });
  expect(row.createAttemptedAt).toBeInstanceOf(Date);
  expect(row).toEqual(await readRow(ledger.db, row.id));
});

test('a registration that was attempted before is not begun again', async () => {
  const { id } = await begun();
  expect(await beginWithCreateAttempt(ledger.db, id, 'another run')).toBeNull();
  expect(await readRow(ledger.db, id)).toMatchObject({ runId: 'run', createAttempt: 1 });
});

test('a registration with an instruction is not begun', async () => {
  const { id } = await ledger.accepted();
  await requestCancel(ledger.db, id, ALICE);
  const before = await readRow(ledger.db, id);
  expect(before.instruction).not.toBeNull();
  expect(await beginWithCreateAttempt(ledger.db, id, 'run')).toBeNull();
  expect(await readRow(ledger.db, id)).toEqual(before);
});

test('completion writes row, event and outbox, and returns the row with its events', async () => {
  const row = await begun();
  const done = await completed(row);
  expect(done?.registration).toEqual(await readRow(ledger.db, row.id));
  expect(done?.registration).toMatchObject({
    status: 'completed',
    createOutcome: 'created',
    userId: `sub-${row.id}`,
    cognitoUsername: `user-${row.id}`,
    userCreatedAt: new Date('2026-01-02T03:04:05.678Z'),
    rolesAssigned: ['viewer'],
    invitation: { status: 'pending' },
    steps: STEPS,
  });
  expect(done?.timeline).toEqual(await readTimeline(ledger.db, row.id));
  expect(done?.timeline.map(({ event }) => event)).toEqual([
    'registration.requested',
    'user.registered',
  ]);
  expect(countByKind(await ledger.outbox(row.id))).toEqual({ 'user.created': 1, invitation: 1 });
});

test('a second completion changes nothing', async () => {
  const row = await begun();
  await completed(row);
  const before = await readRow(ledger.db, row.id);
  expect(await completed(row)).toBeNull();
  expect(await readRow(ledger.db, row.id)).toEqual(before);
  expect(countByKind(await ledger.outbox(row.id))).toEqual({ 'user.created': 1, invitation: 1 });
});

test.each([
  ['a cancel was requested', (row: Registration) => requestCancel(ledger.db, row.id, ALICE)],
  ['the roles were replaced', (row: Registration) => ledger.set(row.id, { roles: ['researcher'] })],
  [
    'another attempt was recorded',
    async (row: Registration) => {
      await ledger.set(row.id, { createAttemptedAt: new Date(0) });
      await recordCreateAttempt(ledger.db, row);
    },
  ],
])('completion refuses and writes nothing when %s', async (_, change) => {
  const row = await begun();
  await change(row);
  const before = await readRow(ledger.db, row.id);
  expect(await completed(row)).toBeNull();
  expect(await readRow(ledger.db, row.id)).toEqual(before);
  expect(await ledger.outbox(row.id)).toEqual([]);
});
