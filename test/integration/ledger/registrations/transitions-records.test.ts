import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { Registration } from '../../../../src/domain/registration.ts';
import { STATUSES } from '../../../../src/domain/status.ts';
import {
  recordGroups,
  recordRemovalAttempt,
  recordRoleRemoved,
  recordRolesAssigned,
} from '../../../../src/ledger/registrations/roles.ts';
import { beginSteps, complete } from '../../../../src/ledger/registrations/transitions.ts';
import { isLeftover, recordSwept, openRows } from '../../../../src/ledger/registrations/sweep.ts';
import { requestRoles } from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

describe('roles', () => {
  test('roles that are recorded concurrently are each recorded once', async ({ ledger }) => {
    const roles = ['a', 'b,c', '"', '\\', '{}', 'NULL'];
    const { id } = await ledger.created({ roles });
    await times(30, (index) => recordRolesAssigned(ledger.db, id, [roles[index % 6] ?? ''], {}));
    expect((await ledger.row(id)).rolesAssigned.toSorted()).toEqual(roles.toSorted());
    await recordRolesAssigned(ledger.db, id, [], {});
    await ledger.parked(id);
    await requestRoles(ledger.db, id, { ...ALICE, roles: [] });
    await Promise.all(
      roles.map(async (role) => {
        await recordRemovalAttempt(ledger.db, id, role);
        await recordRoleRemoved(ledger.db, id, role, {});
      }),
    );
    const row = await ledger.row(id);
    expect(row).toMatchObject({ rolesAssigned: [], roles: [] });
    expect(row.rolesRemoved.toSorted()).toEqual(roles.toSorted());
  });

  test('a role whose removal was sent, and that is wanted again, counts as neither assigned nor removed', async ({
    ledger,
  }) => {
    const { id } = await ledger.created({ roles: ['a', 'b'] });
    await recordRolesAssigned(ledger.db, id, ['a', 'b'], {});
    await ledger.parked(id);
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['a'] });
    await recordRemovalAttempt(ledger.db, id, 'b');
    await ledger.db.execute(
      sql`UPDATE registrations SET status = 'roles_pending' WHERE id = ${id}::uuid`,
    );
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['a', 'b'] });
    // The reply to the removal comes only now.
    await recordRoleRemoved(ledger.db, id, 'b', {});
    expect(await ledger.row(id)).toMatchObject({ rolesAssigned: ['a'], rolesRemoved: [] });
  });

  test('after a replacement a row completes only once its groups were read and agree', async ({
    ledger,
  }) => {
    const { id } = await ledger.created({ roles: ['a'] });
    await ledger.parked(id);
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['b'] });
    await recordRemovalAttempt(ledger.db, id, 'a');
    await recordRoleRemoved(ledger.db, id, 'a', {});
    expect((await complete(ledger.db, id, ['b'], {})).kind).toBe('steps_left');
    const differ = await recordGroups(ledger.db, await ledger.row(id), ['a']);
    expect(differ).toMatchObject({ rolesAssigned: [], rolesRemoved: [], rolesConfirmedAt: null });
    expect((await complete(ledger.db, id, ['b'], {})).kind).toBe('steps_left');
    await recordRoleRemoved(ledger.db, id, 'a', {});
    await recordGroups(ledger.db, await ledger.row(id), ['b', 'given by others']);
    expect((await complete(ledger.db, id, ['b'], {})).kind).toBe('completed');
  });

  test('groups that were read before another replacement confirm nothing', async ({ ledger }) => {
    const { id } = await ledger.created({ roles: ['a'] });
    await ledger.parked(id);
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['b'] });
    const read = await ledger.row(id);
    await ledger.parked(id);
    await ledger.db.execute(
      sql`UPDATE registrations SET status = 'roles_pending' WHERE id = ${id}::uuid`,
    );
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['a'] });
    await recordGroups(ledger.db, read, ['b']);
    expect((await ledger.row(id)).rolesConfirmedAt).toBeNull();
  });

  test('steps that are recorded concurrently are all kept', async ({ ledger }) => {
    const { id } = await ledger.created();
    const done = { status: 'done', attempts: 1, lastError: null } as const;
    await times(20, (n) =>
      recordRolesAssigned(ledger.db, id, [`r${n}`], { [`assignRole:r${n}`]: done }),
    );
    expect(Object.keys((await ledger.row(id)).steps)).toHaveLength(21);
  });

  test('begin records the roles that it is about to assign once', async ({ ledger }) => {
    const { id } = await ledger.accepted({ roles: ['a', 'b'] });
    expect((await ledger.row(id)).rolesTouched).toEqual([]);
    await beginSteps(ledger.db, id);
    const row = await beginSteps(ledger.db, id);
    expect(row.rolesTouched.toSorted()).toEqual(['a', 'b']);
  });
});

describe('the sweep', () => {
  test('the sweep reads open rows, longest unseen first', async ({ ledger }) => {
    const later = () => new Date(Date.now() + 1000);
    const rows: Registration[] = [];
    for (const status of STATUSES) rows.push(await ledger.at(status));
    const open = rows.slice(0, 5).map(({ id }) => id);
    const mine = async () =>
      (await openRows(ledger.db, 1000, later())).filter((row) =>
        rows.some(({ id }) => id === row.id),
      );
    expect((await mine()).map(({ id }) => id).toSorted()).toEqual(open.toSorted());
    await recordSwept(ledger.db, open.slice(0, 2));
    await recordSwept(ledger.db, []);
    const order = (await mine()).map(({ id }) => id);
    expect(new Set(order.slice(-2))).toEqual(new Set(open.slice(0, 2)));
    expect(await openRows(ledger.db, 2, later())).toHaveLength(2);
    const seen = new Date(Date.now() - 60_000);
    expect(await openRows(ledger.db, 1000, seen)).toEqual([]);
  });

  test.for(STATUSES)(
    'whether the mark of a row that is %s is a leftover',
    async (status, { ledger }) => {
      const { id } = await ledger.at(status);
      const user = { mark: id, userId: 'sub', isProved: false };
      expect(await isLeftover(ledger.db, user)).toBe(status === 'failed' || status === 'cancelled');
    },
  );

  test('a mark without a row is no leftover', async ({ ledger }) => {
    const mark = '00000000-0000-4000-8000-000000000000';
    expect(await isLeftover(ledger.db, { mark, userId: 'sub', isProved: false })).toBe(false);
  });
});
