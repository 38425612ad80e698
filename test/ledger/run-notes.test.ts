import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Registration } from '../../src/domain/registration.ts';
import { STATUSES } from '../../src/domain/status.ts';
import {
  begin,
  noteCreateAttempt,
  noteCreated,
  noteCreateOutcome,
  noteRoleRemoved,
  noteRolesAssigned,
} from '../../src/ledger/run.ts';
import { isLeftover, noteSwept, openRows } from '../../src/ledger/sweep.ts';
import { wishCancel } from '../../src/ledger/wishes.ts';
import { ALICE, Ledger, times } from './ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start();
});
afterAll(() => ledger.stop());

const USER = { username: 'u', sub: 's' };

describe('what became of the create', () => {
  test.each(STATUSES)('an attempt is noted while the row goes forward: %s', async (status) => {
    const { id } = await ledger.at(status);
    const attempted = await noteCreateAttempt(ledger.db, id);
    const forward = ['accepted', 'running', 'roles_pending'].includes(status);
    expect(attempted !== null).toBe(forward);
  });

  test('and while nobody wants it cancelled', async () => {
    const { id } = await ledger.at('running');
    await wishCancel(ledger.db, id, ALICE);
    expect(await noteCreateAttempt(ledger.db, id)).toBeNull();
  });

  test('an attempt without a reply is remembered through later ones, until there is a user', async () => {
    const { id } = await ledger.accepted();
    await begin(ledger.db, id);
    const first = await noteCreateAttempt(ledger.db, id);
    expect(first).toMatchObject({ createOutcome: null, createUnansweredAt: null });
    const second = await noteCreateAttempt(ledger.db, id);
    expect(second?.createUnansweredAt).toEqual(first?.createAttemptedAt);
    const refused = await noteCreateOutcome(ledger.db, id, 'refused');
    expect(refused).toMatchObject({ createOutcome: 'refused' });
    const third = await noteCreateAttempt(ledger.db, id);
    // The second was answered: what is still open is the first.
    expect(third?.createUnansweredAt).toEqual(first?.createAttemptedAt);
    const created = await noteCreated(ledger.db, id, USER, 3);
    expect(created).toMatchObject({
      createOutcome: 'created',
      createUnansweredAt: null,
      cognitoUsername: 'u',
      userId: 's',
      steps: { createUser: { status: 'done', attempts: 3 } },
    });
  });

  test('created stands, whatever is noted later, and the grace counts from the first note', async () => {
    const { id, userCreatedAt } = await ledger.at('compensating');
    expect(await noteCreateOutcome(ledger.db, id, 'refused')).toBeNull();
    const again = await noteCreated(ledger.db, id, USER, 1);
    expect(again).toMatchObject({ createOutcome: 'created', status: 'compensating' });
    expect(again.userCreatedAt).toEqual(userCreatedAt);
  });
});

describe('roles', () => {
  test('noted at once by many, each once', async () => {
    const roles = ['a', 'b,c', '"', '\\', '{}', 'NULL'];
    const { id } = await ledger.created({ roles });
    await times(30, (index) => noteRolesAssigned(ledger.db, id, [roles[index % 6] ?? ''], {}));
    expect((await ledger.row(id)).rolesAssigned.toSorted()).toEqual(roles.toSorted());
    await noteRolesAssigned(ledger.db, id, [], {});
    await Promise.all(roles.map((role) => noteRoleRemoved(ledger.db, id, role, {})));
    expect(await ledger.row(id)).toMatchObject({ rolesAssigned: [], rolesTouched: [], roles });
  });

  test('steps of many at once are all there', async () => {
    const { id } = await ledger.created();
    const done = { status: 'done', attempts: 1, lastError: null } as const;
    await times(20, (n) =>
      noteRolesAssigned(ledger.db, id, [`r${n}`], { [`assignRole:r${n}`]: done }),
    );
    expect(Object.keys((await ledger.row(id)).steps)).toHaveLength(21);
  });

  test('begin touches the roles that it is about to assign, once', async () => {
    const { id } = await ledger.accepted({ roles: ['a', 'b'] });
    expect((await ledger.row(id)).rolesTouched).toEqual([]);
    await begin(ledger.db, id);
    const row = await begin(ledger.db, id);
    expect(row.rolesTouched.toSorted()).toEqual(['a', 'b']);
  });
});

describe('the sweep', () => {
  test('looks at open rows, those not looked at for longest first', async () => {
    const later = () => new Date(Date.now() + 1000);
    const rows: Registration[] = [];
    for (const status of STATUSES) rows.push(await ledger.at(status));
    const open = rows.slice(0, 5).map(({ id }) => id);
    const mine = async () =>
      (await openRows(ledger.db, 1000, later())).filter((row) =>
        rows.some(({ id }) => id === row.id),
      );
    expect((await mine()).map(({ id }) => id).toSorted()).toEqual(open.toSorted());
    await noteSwept(ledger.db, open.slice(0, 2));
    await noteSwept(ledger.db, []);
    const order = (await mine()).map(({ id }) => id);
    expect(new Set(order.slice(-2))).toEqual(new Set(open.slice(0, 2)));
    expect(await openRows(ledger.db, 2, later())).toHaveLength(2);
    const seen = new Date(Date.now() - 60_000);
    expect(await openRows(ledger.db, 1000, seen)).toEqual([]);
  });

  test.each(STATUSES)('a mark of a row that is %s: leftover or not', async (status) => {
    const { id } = await ledger.at(status);
    expect(await isLeftover(ledger.db, id)).toBe(status === 'failed' || status === 'cancelled');
  });

  test('a mark of no row of ours is nobody’s leftover', async () => {
    expect(await isLeftover(ledger.db, '00000000-0000-4000-8000-000000000000')).toBe(false);
  });
});
