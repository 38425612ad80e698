import { describe, expect } from 'vitest';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { beginSteps, complete, readRow } from '../../../../src/ledger/registrations/transitions.ts';
import {
  recordGroups,
  recordRemovalAttempt,
  recordRoleRemoved,
  recordRolesAssigned,
} from '../../../../src/ledger/registrations/roles.ts';
import { requestCancel, requestRoles } from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, CANCELLED, FAILED, countByKind, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const STEPS = { complete: { status: 'done', attempts: 1, lastError: null } } as const;

describe('complete', () => {
  test('complete closes the row, keys the event by the sub and queues deliveries', async ({
    ledger,
  }) => {
    const { id, roles } = await ledger.created();
    const result = await complete(ledger.db, id, roles, STEPS);
    expect(result).toMatchObject({
      kind: 'completed',
      registration: {
        status: 'completed',
        failure: null,
        rolesAssigned: ['viewer'],
        invitation: { status: 'pending' },
        steps: { createUser: { status: 'done' }, complete: { status: 'done' } },
      },
    });
    expect((await readTimeline(ledger.db, id)).at(-1)).toMatchObject({
      event: 'user.registered',
      userId: `sub-${id}`,
      actor: 'tester',
      details: { roles: ['viewer'], door: 'canonical' },
    });
    expect(await ledger.outbox(id)).toEqual(['invitation', 'user.created']);
  });

  test('complete queues no invitation for a user who chose a password', async ({ ledger }) => {
    const { id, roles } = await ledger.created({ invite: false });
    await complete(ledger.db, id, roles, {});
    expect(await ledger.outbox(id)).toEqual(['user.created']);
    expect((await ledger.row(id)).invitation.status).toBe('none');
  });

  test('complete fifty times at once and once more makes one event and one outbox row of each kind', async ({
    ledger,
  }) => {
    const { id, roles } = await ledger.created();
    const results = await times(50, () => complete(ledger.db, id, roles, {}));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({ completed: 50 });
    const finishedAt = results.map(({ registration }) => registration.finishedAt?.getTime());
    expect(new Set(finishedAt).size).toBe(1);
    await complete(ledger.db, id, roles, {});
    const events = await ledger.events(id);
    expect(events.filter((event) => event === 'user.registered')).toHaveLength(1);
    expect(await ledger.outbox(id)).toEqual(['invitation', 'user.created']);
  });

  test('complete accepts a row without roles', async ({ ledger }) => {
    const { id } = await ledger.created({ roles: [] });
    expect((await complete(ledger.db, id, [], {})).kind).toBe('completed');
  });

  test('complete accepts the roles in any order', async ({ ledger }) => {
    const { id } = await ledger.created({ roles: ['a', 'b,"c'] });
    expect((await complete(ledger.db, id, ['b,"c', 'a'], {})).kind).toBe('completed');
  });
});

describe('complete refuses', () => {
  test('complete refuses a row with an instruction to cancel', async ({ ledger }) => {
    const { id, roles } = await ledger.created();
    await requestCancel(ledger.db, id, ALICE);
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('not_open');
    expect(await ledger.outbox(id)).toEqual([]);
  });

  test('complete refuses a row without a recorded user', async ({ ledger }) => {
    const { id, roles } = await ledger.accepted();
    await beginSteps(ledger.db, id);
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('steps_left');
    expect((await ledger.row(id)).status).toBe('running');
  });

  test.for([
    ['fewer', ['a']],
    ['more', ['a', 'b', 'c']],
    ['others', ['a', 'c']],
    ['none', []],
  ] as const)('complete refuses %s roles than the row wants', async ([, roles], { ledger }) => {
    const { id } = await ledger.created({ roles: ['a', 'b'] });
    expect((await complete(ledger.db, id, roles, {})).kind).toBe('steps_left');
    expect(await ledger.events(id)).not.toContain('user.registered');
  });

  test('complete refuses while a role that is no longer wanted is not removed', async ({
    ledger,
  }) => {
    const { id } = await ledger.created({ roles: ['a', 'b'] });
    await recordRolesAssigned(ledger.db, id, ['a'], {});
    await ledger.parked(id);
    await requestRoles(ledger.db, id, { ...ALICE, roles: ['b', 'c'] });
    expect(await ledger.row(id)).toMatchObject({ roles: ['b', 'c'], rolesAssigned: ['a'] });
    expect(new Set((await ledger.row(id)).rolesTouched)).toEqual(new Set(['a', 'b', 'c']));
    expect((await complete(ledger.db, id, ['b', 'c'], {})).kind).toBe('steps_left');
    await recordRemovalAttempt(ledger.db, id, 'a');
    await recordRoleRemoved(ledger.db, id, 'a', {});
    await recordGroups(ledger.db, await ledger.row(id), ['b', 'c']);
    expect(await complete(ledger.db, id, ['b', 'c'], {})).toMatchObject({
      kind: 'completed',
      registration: { rolesAssigned: ['b', 'c'] },
    });
  });

  test('complete changes nothing when the audit trail or the outbox refuses', async ({
    ledger,
  }) => {
    const { id, roles } = await ledger.created();
    await ledger.refuseAudit('user.registered');
    const error = { name: 'DatabaseError', sqlstate: 'P0001', definitive: true };
    await expect(complete(ledger.db, id, roles, {})).rejects.toMatchObject(error);
    await ledger.allowAudit();
    expect((await readRow(ledger.db, id)).status).toBe('running');
    expect(await ledger.outbox(id)).toEqual([]);
  });
});

describe('complete against the others, fifty times', () => {
  test('of complete and an instruction to cancel at once exactly one wins', async ({ ledger }) => {
    const ends = await times(50, async (index) => {
      const { id, roles } = await ledger.created();
      const work = [
        () => complete(ledger.db, id, roles, {}).then(({ kind }) => kind),
        () => requestCancel(ledger.db, id, ALICE).then(({ kind }) => kind),
      ];
      const kinds = await Promise.all((index % 2 ? work : work.toReversed()).map((go) => go()));
      const row = await ledger.row(id);
      const told = await ledger.outbox(id);
      return [
        ...kinds.toSorted(),
        row.status,
        row.instruction?.kind ?? 'no instruction',
        told.length,
      ].join(' ');
    });
    const allowed = new Set([
      'already_closed completed completed no instruction 2',
      'done not_open running cancel 0',
    ]);
    expect(ends.filter((end) => !allowed.has(end))).toEqual([]);
  });

  test('of complete and the beginning of compensation at once exactly one wins', async ({
    ledger,
  }) => {
    const ends = await times(50, async (index) => {
      const { id, roles } = await ledger.created();
      const work = [
        () => complete(ledger.db, id, roles, {}).then(({ kind }) => kind),
        () => beginCompensation(ledger.db, id, FAILED, CANCELLED, {}).then(({ status }) => status),
      ];
      const kinds = await Promise.all((index % 2 ? work : work.toReversed()).map((go) => go()));
      return [...kinds.toSorted(), (await ledger.row(id)).status].join(' ');
    });
    const allowed = new Set([
      'completed completed completed',
      'compensating not_open compensating',
    ]);
    expect(ends.filter((end) => !allowed.has(end))).toEqual([]);
  });

  test('complete at once with a replacement of the roles never closes with the old roles', async ({
    ledger,
  }) => {
    const rows = await times(50, async (index) => {
      const { id, roles } = await ledger.created({ roles: ['a'] });
      await ledger.parked(id);
      const work = [
        () => complete(ledger.db, id, roles, {}),
        () => requestRoles(ledger.db, id, { ...ALICE, roles: ['b'] }),
      ];
      await Promise.all((index % 2 ? work : work.toReversed()).map((go) => go()));
      const row = await ledger.row(id);
      return `${row.status} ${row.roles.join()}`;
    });
    const allowed = new Set(['completed a', 'running b']);
    expect(rows.filter((row) => !allowed.has(row))).toEqual([]);
  });
});
