import { expect } from 'vitest';
import type { Change } from '../../../../src/domain/change.ts';
import { completeChange } from '../../../../src/ledger/changes/complete.ts';
import {
  beginChange,
  beginRestoring,
  closeChange,
  nextChange,
} from '../../../../src/ledger/changes/transitions.ts';
import { times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { CANCELS, Person } from './person-under-test.ts';

const START = { rolesBefore: ['viewer'], enabledBefore: true };

/** Ends the next change as its run would, and says which it was. */
async function endNext(person: Person): Promise<string | null> {
  const { db } = person.ledger;
  const next = await nextChange(db, person.userId, 'run');
  if (!next) return null;
  if (next.instruction?.kind === 'cancel') {
    await beginRestoring(db, next.id, CANCELS, {});
    await closeChange(db, next.id, {});
    return next.id;
  }
  await beginChange(db, next.id, START, null);
  await completeChange(db, next.id, {});
  return next.id;
}

async function order(person: Person, changes: readonly Change[]): Promise<number[]> {
  const ended: number[] = [];
  for (let id = await endNext(person); id !== null; id = await endNext(person)) {
    ended.push(changes.findIndex((change) => change.id === id));
  }
  return ended;
}

test('without overtaking changes the order of acceptance holds', async ({ ledger }) => {
  const person = await Person.registered(ledger);
  const changes = [
    await person.at('parked', 'roles'),
    await person.accepted('enable'),
    await person.accepted('roles'),
  ];
  expect(await order(person, changes)).toEqual([0, 1, 2]);
});

test('a parked change of roles never holds up a disable, nor what came before that', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const changes = [
    await person.at('parked', 'roles'),
    await person.accepted('enable'),
    await person.accepted('disable'),
    await person.accepted('roles'),
  ];
  expect(await order(person, changes)).toEqual([1, 2, 0, 3]);
  const rows = await Promise.all(changes.map(({ id }) => person.row(id)));
  expect(rows.map(({ status }) => status)).toEqual([
    'cancelled',
    'completed',
    'completed',
    'completed',
  ]);
});

test('a change of roles that is being put back never holds up a sign-out', async ({ ledger }) => {
  const person = await Person.registered(ledger);
  const roles = await person.begun('roles');
  await beginRestoring(ledger.db, roles.id, CANCELS, {});
  const signOut = await person.accepted('sign_out');
  expect(await nextChange(ledger.db, person.userId, 'run')).toMatchObject({ id: signOut.id });
});

test('the order of several overtaking changes is that of acceptance', async ({ ledger }) => {
  const person = await Person.registered(ledger);
  const changes = [
    await person.accepted('disable'),
    await person.accepted('roles'),
    await person.accepted('enable'),
    await person.accepted('sign_out'),
    await person.accepted('enable'),
  ];
  // The change of roles had not begun, and was cancelled at once.
  expect(await order(person, changes)).toEqual([0, 2, 3, 4]);
});

test('the next change learns the run that looked at it, and a closed one does not', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const closed = await person.at('cancelled', 'roles');
  const open = await person.accepted('enable');
  expect(await nextChange(ledger.db, person.userId, 'run-2')).toMatchObject({ runId: 'run-2' });
  expect(await nextChange(ledger.db, person.userId, null)).toMatchObject({
    id: open.id,
    runId: 'run-2',
  });
  expect((await person.row(closed.id)).runId).toBeNull();
});

test('a change that another transaction closes meanwhile is never the next one', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  await times(10, () => person.accepted('enable'));
  const found = await Promise.all([
    order(person, []),
    ...Array.from({ length: 10 }, () => nextChange(ledger.db, person.userId, 'run')),
  ]);
  for (const next of found.slice(1) as (Change | null)[]) {
    expect(next === null || next.status === 'accepted' || next.status === 'running').toBe(true);
  }
  expect(await nextChange(ledger.db, person.userId, 'run')).toBeNull();
});
