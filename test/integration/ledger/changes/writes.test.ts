import { describe, expect } from 'vitest';
import { completeChange } from '../../../../src/ledger/changes/complete.ts';
import { requestChangeCancel } from '../../../../src/ledger/changes/instructions.ts';
import {
  beginRestoring,
  closeChange,
  recordChangeSteps,
} from '../../../../src/ledger/changes/transitions.ts';
import {
  openWritesOf,
  recentlyWritten,
  recordWrite,
  recordWriteAnswered,
  type RecordedWrite,
} from '../../../../src/ledger/changes/writes.ts';
import { sql } from 'drizzle-orm';
import { ALICE } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { FAILS, Person } from './person-under-test.ts';

const GRACE_S = 30;
const ADD = 'assignRole:editor';

async function write(person: Person, id: string, step: string): Promise<RecordedWrite> {
  const recorded = await recordWrite(person.ledger.db, id, step, 'forward');
  if (!recorded) throw new Error(`${step} may not be sent`);
  return recorded;
}

const stepsOf = async (person: Person, graceSeconds = GRACE_S) =>
  (await openWritesOf(person.ledger.db, person.userId, graceSeconds)).map(({ step }) => step);

/** A person whose registration completed before the grace. */
async function longRegistered(ledger: Parameters<typeof Person.registered>[0]): Promise<Person> {
  const person = await Person.registered(ledger);
  await ledger.set(person.registrationId, { finishedAt: new Date(Date.now() - 3_600_000) });
  return person;
}

describe('a write', () => {
  test('is open from before it is sent until it is answered, and its role counts as touched', async ({
    ledger,
  }) => {
    const person = await longRegistered(ledger);
    const { id } = await person.begun('roles');
    const recorded = await write(person, id, ADD);
    expect(recorded.change.rolesTouched).toEqual(['editor']);
    const [open] = await openWritesOf(ledger.db, person.userId, GRACE_S);
    expect(open).toMatchObject({ changeId: id, step: ADD });
    expect(open?.leftMs).toBeGreaterThan(0);
    expect(open?.leftMs).toBeLessThanOrEqual(GRACE_S * 1000);
    expect(await stepsOf(person, 0)).toEqual([]);
    await recordWriteAnswered(ledger.db, recorded);
    expect(await stepsOf(person)).toEqual([]);
    expect((await person.row(id)).rolesTouched).toEqual(['editor']);
  });

  test('whose reply was lost stays open when the next attempt is answered', async ({ ledger }) => {
    const person = await longRegistered(ledger);
    const { id } = await person.begun('roles');
    const lost = await write(person, id, ADD);
    await recordWriteAnswered(ledger.db, await write(person, id, ADD));
    expect((await person.row(id)).openWrites).toEqual({ [ADD]: lost.at });
    await recordWriteAnswered(ledger.db, lost);
    expect((await person.row(id)).openWrites).toEqual({});
  });

  test('that is answered late leaves the later one of the same step open', async ({ ledger }) => {
    const person = await longRegistered(ledger);
    const { id } = await person.begun('roles');
    const first = await write(person, id, ADD);
    const second = await write(person, id, ADD);
    await recordWriteAnswered(ledger.db, first);
    expect((await person.row(id)).openWrites).toEqual({ [ADD]: second.at });
  });

  test('may be sent in the direction of its change only', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const accepted = await person.accepted('enable');
    expect(await recordWrite(ledger.db, accepted.id, 'enableUser', 'forward')).toBeNull();
    const { id } = await person.begun('roles');
    expect(await recordWrite(ledger.db, id, ADD, 'restore')).toBeNull();
    await requestChangeCancel(ledger.db, id, ALICE);
    expect(await recordWrite(ledger.db, id, ADD, 'forward')).toBeNull();
    expect(await recordWrite(ledger.db, id, ADD, 'restore')).toBeNull();
    await beginRestoring(ledger.db, id, FAILS, {});
    expect(await recordWrite(ledger.db, id, ADD, 'forward')).toBeNull();
    expect(await recordWrite(ledger.db, id, 'removeRole:editor', 'restore')).not.toBeNull();
    await closeChange(ledger.db, id, {});
    expect(await recordWrite(ledger.db, id, 'removeRole:editor', 'restore')).toBeNull();
  });

  test('of a closed change is open until its grace is over, also for later changes', async ({
    ledger,
  }) => {
    const person = await longRegistered(ledger);
    const { id } = await person.begun('roles');
    await write(person, id, ADD);
    await completeChange(ledger.db, id, {});
    expect(await stepsOf(person)).toEqual([ADD]);
    await ledger.db.execute(sql`UPDATE changes SET finished_at = now() - interval '31 seconds',
      open_writes = jsonb_build_object(${ADD}::text, now() - interval '31 seconds') WHERE id = ${id}::uuid`);
    expect(await stepsOf(person)).toEqual([]);
  });

  test('of the registration is open where a step with a role had several attempts', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    expect(await stepsOf(person)).toEqual([]);
    const attempts = (count: number) =>
      ({ status: 'done', attempts: count, lastError: null }) as const;
    await ledger.set(person.registrationId, {
      steps: { createUser: attempts(3), 'assignRole:a': attempts(1), 'assignRole:b': attempts(2) },
    });
    expect(await openWritesOf(ledger.db, person.userId, GRACE_S)).toMatchObject([
      { changeId: null, step: 'assignRole:b' },
    ]);
  });
});

describe('what the ledger knows better than a read', () => {
  test('is nothing once all is older than the grace', async ({ ledger }) => {
    const person = await longRegistered(ledger);
    expect(await recentlyWritten(ledger.db, person.userId, GRACE_S)).toEqual({
      roles: [],
      settledRoles: null,
      settledEnabled: null,
    });
  });

  test('is what a registration assigned that has just completed', async ({ ledger }) => {
    const person = await Person.registered(ledger, { roles: ['viewer'] });
    expect(await recentlyWritten(ledger.db, person.userId, GRACE_S)).toMatchObject({
      roles: ['viewer'],
      settledRoles: ['viewer'],
    });
  });

  test('is what the latest ended change left, and what every recent one touched', async ({
    ledger,
  }) => {
    const person = await longRegistered(ledger);
    const first = await person.begun('roles', { roles: ['editor'] });
    await write(person, first.id, ADD);
    await completeChange(ledger.db, first.id, {});
    expect(await recentlyWritten(ledger.db, person.userId, GRACE_S)).toEqual({
      roles: ['editor'],
      settledRoles: ['editor'],
      settledEnabled: null,
    });
    const second = await person.begun('roles', { roles: [] });
    await write(person, second.id, 'removeRole:viewer');
    await beginRestoring(ledger.db, second.id, FAILS, {});
    await closeChange(ledger.db, second.id, {});
    await person.at('completed', 'disable');
    const known = await recentlyWritten(ledger.db, person.userId, GRACE_S);
    expect({ ...known, roles: known.roles.toSorted() }).toEqual({
      roles: ['editor', 'viewer'],
      // It was put back to what its begin read.
      settledRoles: ['viewer'],
      settledEnabled: false,
    });
    await person.at('completed', 'enable');
    const { settledEnabled } = await recentlyWritten(ledger.db, person.userId, GRACE_S);
    expect(settledEnabled).toBe(true);
  });

  test('says nothing of a change that was cancelled before it had begun', async ({ ledger }) => {
    const person = await longRegistered(ledger);
    const { id } = await person.accepted('roles');
    await requestChangeCancel(ledger.db, id, ALICE);
    const { settledRoles } = await recentlyWritten(ledger.db, person.userId, GRACE_S);
    expect(settledRoles).toBeNull();
  });
});

test('a restoration of roles that wrote something ends tokens that name them', async ({
  ledger,
}) => {
  const person = await Person.registered(ledger);
  const untouched = await person.begun('roles');
  await beginRestoring(ledger.db, untouched.id, FAILS, {});
  await closeChange(ledger.db, untouched.id, {});
  expect(await person.cutOffs()).toEqual({ sessions: false, roles: false });
  const { id } = await person.begun('roles');
  await write(person, id, ADD);
  await beginRestoring(ledger.db, id, FAILS, {});
  await recordChangeSteps(ledger.db, id, {});
  await closeChange(ledger.db, id, {});
  expect(await person.cutOffs()).toEqual({ sessions: false, roles: true });
});
