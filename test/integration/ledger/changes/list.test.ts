import { describe, expect } from 'vitest';
import { readBacklog } from '../../../../src/ledger/backlog.ts';
import {
  countChanges,
  listChanges,
  type ChangeFilter,
} from '../../../../src/ledger/changes/list.ts';
import {
  readChange,
  readChangeStatus,
  readChangeTimelines,
  rolesByChanges,
} from '../../../../src/ledger/changes/read.ts';
import {
  changesNotBegun,
  openChanges,
  recordChangesSwept,
  withoutOpenChanges,
} from '../../../../src/ledger/changes/sweep.ts';
import { nextChange } from '../../../../src/ledger/changes/transitions.ts';
import { readTimelines } from '../../../../src/ledger/registrations/read.ts';
import { listAuditEvents } from '../../../../src/ledger/registrations/read.ts';
import { test } from '../../../support/ledger-test.ts';
import { Person } from './person-under-test.ts';

const ALL = { callerId: 'root', grants: '*' } as const;

describe('a list of changes', () => {
  test('is newest first, in pages, and filtered by person and status', async ({
    emptyLedger: ledger,
  }) => {
    const [one, two] = [await Person.registered(ledger), await Person.registered(ledger)];
    const ids: string[] = [];
    for (const kind of ['roles', 'enable', 'enable'] as const)
      ids.unshift((await one.accepted(kind)).id);
    ids.unshift((await two.at('completed', 'sign_out')).id);
    const idsOf = async (filter: Omit<ChangeFilter, 'visibleTo'>) => {
      const found: string[] = [];
      let after: Awaited<ReturnType<typeof listChanges>>['next'] = null;
      do {
        const page = await listChanges(ledger.db, {
          ...filter,
          visibleTo: ALL,
          limit: 2,
          after: after ?? undefined,
        });
        found.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== null);
      return found;
    };
    expect(await idsOf({})).toEqual(ids);
    expect(await idsOf({ userId: one.userId })).toEqual(ids.slice(1));
    expect(await idsOf({ statuses: ['completed'] })).toEqual(ids.slice(0, 1));
    expect(await idsOf({ statuses: ['completed', 'accepted'] })).toEqual(ids);
    expect(await idsOf({ userId: one.userId, statuses: ['completed'] })).toEqual([]);
    expect(await countChanges(ledger.db, { visibleTo: ALL, userId: one.userId })).toBe(3);
  });

  test('shows a caller with grants those of persons whose roles all lie within them, or its own', async ({
    emptyLedger: ledger,
  }) => {
    const person = await Person.registered(ledger);
    const seen = await person.accepted('enable', { personRoles: ['viewer'] });
    await person.accepted('enable', { personRoles: ['viewer', 'admin'] });
    const own = await person.accepted('enable', { personRoles: [], requestedBy: 'bob' });
    await person.accepted('enable', { personRoles: [], requestedBy: 'carol' });
    const visibleTo = { callerId: 'bob', grants: new Set(['viewer', 'editor']) };
    const { items } = await listChanges(ledger.db, { visibleTo, limit: 10 });
    expect(items.map(({ id }) => id)).toEqual([own.id, seen.id]);
    expect(await countChanges(ledger.db, { visibleTo })).toBe(2);
  });
});

describe('reading changes', () => {
  test('a change is read by id, with its status and timeline alone', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const one = await person.at('completed', 'enable');
    const two = await person.accepted('sign_out');
    expect(await readChange(ledger.db, one.id)).toMatchObject({ id: one.id, kind: 'enable' });
    expect(await readChangeStatus(ledger.db, two.id)).toBe('accepted');
    expect(await readChange(ledger.db, person.registrationId)).toBeNull();
    expect(await readChangeStatus(ledger.db, person.registrationId)).toBeNull();
    const timelines = await readChangeTimelines(ledger.db, [one.id, two.id, person.registrationId]);
    expect([...timelines].map(([id, events]) => [id, events.map(({ event }) => event)])).toEqual([
      [one.id, ['change.requested', 'user.enabled']],
      [two.id, ['change.requested']],
    ]);
  });

  test('the timeline of a registration leaves its changes out, the trail does not', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    await person.at('completed', 'disable');
    const id = person.registrationId;
    const own = (await readTimelines(ledger.db, [id])).get(id);
    expect(own?.map(({ event }) => event)).toEqual(['registration.requested', 'user.registered']);
    const { items } = await listAuditEvents(ledger.db, { registrationId: id, limit: 10 });
    expect(items.map(({ event }) => event)).toContain('user.disabled');
  });

  test('the roles by changes are those of open ones and of the latest that has just completed', async ({
    ledger,
  }) => {
    const person = await Person.registered(ledger);
    await person.at('completed', 'roles', { roles: ['earlier'] });
    await person.at('completed', 'roles', { roles: ['latest'] });
    await person.at('failed', 'roles', { roles: ['undone'] });
    await person.accepted('roles', { roles: ['b', 'a'] });
    await person.at('parked', 'roles', { roles: ['b', 'c'] });
    const { db } = ledger;
    expect(await rolesByChanges(db, person.userId, 30)).toEqual(['a', 'b', 'c', 'latest']);
    expect(await rolesByChanges(db, person.userId, 0)).toEqual(['a', 'b', 'c']);
  });
});

test('the sweep takes open changes once a round and knows whose run has begun', async ({
  emptyLedger: ledger,
}) => {
  const [one, two] = [await Person.registered(ledger), await Person.registered(ledger)];
  const open = await one.accepted('enable');
  await two.at('completed', 'enable');
  const roundStart = new Date(Date.now() + 60_000);
  const rows = await openChanges(ledger.db, 10, roundStart);
  expect(rows).toMatchObject([
    { id: open.id, userId: one.userId, status: 'accepted', runId: null },
  ]);
  expect(await changesNotBegun(ledger.db, rows)).toEqual(rows);
  await nextChange(ledger.db, one.userId, 'run');
  expect(await changesNotBegun(ledger.db, rows)).toEqual([]);
  const swept = new Date();
  await recordChangesSwept(ledger.db, [open.id]);
  expect(await openChanges(ledger.db, 10, swept)).toEqual([]);
  const persons = [one.userId, two.userId, 'nobody'];
  const idle = await withoutOpenChanges(ledger.db, persons);
  expect(idle.toSorted()).toEqual(['nobody', two.userId]);
});

test('the backlog says how many changes wait, for what and since when', async ({
  emptyLedger: ledger,
}) => {
  const person = await Person.registered(ledger);
  await person.at('parked', 'roles');
  await person.at('running', 'enable');
  await person.at('completed', 'enable');
  const { changes } = await readBacklog(ledger.db);
  expect(changes).toMatchObject([
    { status: 'parked', code: 'identity_provider_unavailable', count: 1 },
    { status: 'running', code: null, count: 1 },
  ]);
});
