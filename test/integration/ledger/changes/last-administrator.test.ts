import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import type { ChangeKind } from '../../../../src/domain/change.ts';
import {
  leavesNoAdministrator,
  type RefusesChange,
} from '../../../../src/ledger/changes/last-administrator.ts';
import {
  beginChange,
  beginRestoring,
  closeChange,
  type ChangeStart,
} from '../../../../src/ledger/changes/transitions.ts';
import type { WantedChange } from '../../../support/change-input.ts';
import { countByKind, Ledger } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';
import { CANCELS, Person } from './person-under-test.ts';

/** The guard of the routes, with what Cognito answers. */
const guard =
  (members: readonly Person[], graceSeconds = 30): RefusesChange =>
  (tx, { userId }) =>
    leavesNoAdministrator(tx, {
      userId: userId ?? '',
      administratorRoles: ['admin'],
      graceSeconds,
      enabledMembers: async () => members.map((member) => member.userId),
    });

const admins = (ledger: Parameters<typeof Person.registered>[0], count: number) =>
  Promise.all(Array.from({ length: count }, () => Person.registered(ledger)));

test('the only administrator is not removed, and one of two is', async ({ ledger }) => {
  const [one, two] = await admins(ledger, 2);
  if (!one || !two) throw new Error('two');
  expect(await one.request('disable', {}, guard([one]))).toEqual({ kind: 'last_administrator' });
  expect(await one.request('disable', {}, guard([one, two]))).toMatchObject({ kind: 'accepted' });
});

test('two processes that remove one of the last two administrators each keep one of them', async ({
  ledger,
  database,
  onTestFinished,
}) => {
  const other = await Ledger.on(database);
  onTestFinished(() => other.stop());
  for (let round = 0; round < 5; round += 1) {
    const pair = [await Person.registered(ledger), await Person.registered(other)];
    const results = await Promise.all(pair.map((one) => one.request('delete', {}, guard(pair))));
    expect(countByKind(results.map(({ kind }) => kind))).toEqual({
      accepted: 1,
      last_administrator: 1,
    });
  }
});

test('decisions that wait for each other leave connections for reading the members', async ({
  database,
  onTestFinished,
}) => {
  const few = await Ledger.on(database, 2);
  onTestFinished(() => few.stop());
  const all = await admins(few, 6);
  const removals = all.map((one) =>
    one.request('disable', {}, async (tx, registration) => {
      // As the API, which takes its call from the quota of reads.
      await few.db.execute(sql`SELECT 1`);
      return await guard(all)(tx, registration);
    }),
  );
  const results = await Promise.all(removals);
  expect(countByKind(results.map(({ kind }) => kind))).toEqual({
    accepted: 5,
    last_administrator: 1,
  });
});

interface Case {
  readonly kind: ChangeKind;
  readonly wanted: WantedChange;
  readonly takesAway: boolean;
}
const CASES: readonly Case[] = [
  { kind: 'disable', wanted: {}, takesAway: true },
  { kind: 'delete', wanted: {}, takesAway: true },
  { kind: 'roles', wanted: { roles: ['viewer'] }, takesAway: true },
  { kind: 'roles', wanted: { roles: ['viewer'], addsRoles: true }, takesAway: false },
  { kind: 'roles', wanted: { roles: ['admin', 'viewer'] }, takesAway: false },
  { kind: 'sign_out', wanted: {}, takesAway: false },
  { kind: 'enable', wanted: {}, takesAway: false },
];

test.for(CASES)(
  'an open change of kind $kind with $wanted counts as taking away: $takesAway',
  async ({ kind, wanted, takesAway }, { ledger }) => {
    const [one, two] = await admins(ledger, 2);
    if (!one || !two) throw new Error('two');
    await two.accepted(kind, wanted);
    const { kind: answer } = await one.request('disable', {}, guard([one, two]));
    expect(answer).toBe(takesAway ? 'last_administrator' : 'accepted');
  },
);

test.for(CASES.filter(({ kind }) => kind !== 'delete'))(
  'a change of kind $kind with $wanted that has just completed counts as taking away: $takesAway',
  async ({ kind, wanted, takesAway }, { ledger }) => {
    const [one, two] = await admins(ledger, 2);
    if (!one || !two) throw new Error('two');
    const { id } = await two.at('completed', kind, wanted);
    const { kind: answer } = await one.request('disable', {}, guard([one, two], 5));
    expect(answer).toBe(takesAway ? 'last_administrator' : 'accepted');
    if (!takesAway) return;
    await ledger.db.execute(
      sql`UPDATE changes SET finished_at = now() - interval '61 seconds' WHERE id = ${id}::uuid`,
    );
    expect(await one.request('disable', {}, guard([one, two], 5))).toMatchObject({
      kind: 'accepted',
    });
  },
);

test('a person counts again once a later change has given it back', async ({ ledger }) => {
  const [one, two] = await admins(ledger, 2);
  if (!one || !two) throw new Error('two');
  await two.at('completed', 'disable');
  await two.at('completed', 'roles', { roles: ['viewer'] });
  await two.at('completed', 'enable');
  const refused = await one.request('disable', {}, guard([one, two]));
  expect(refused.kind).toBe('last_administrator');
  await two.at('completed', 'roles', { roles: ['admin'] });
  expect(await one.request('disable', {}, guard([one, two]))).toMatchObject({ kind: 'accepted' });
});

interface Gain {
  readonly kind: ChangeKind;
  readonly wanted: WantedChange;
  /** Before the change the person could not assign every role. */
  readonly gains: boolean;
  readonly before: ChangeStart;
}
const GAINS: readonly Gain[] = [
  {
    kind: 'roles',
    wanted: { roles: ['admin'] },
    gains: true,
    before: { rolesBefore: ['viewer'], enabledBefore: true },
  },
  {
    kind: 'roles',
    wanted: { roles: ['admin', 'viewer'] },
    gains: false,
    before: { rolesBefore: ['admin'], enabledBefore: true },
  },
  {
    kind: 'enable',
    wanted: {},
    gains: true,
    before: { rolesBefore: null, enabledBefore: false },
  },
  {
    kind: 'enable',
    wanted: {},
    gains: false,
    before: { rolesBefore: null, enabledBefore: true },
  },
];

test.for(GAINS)(
  'somebody whom an open $kind makes an administrator ($gains) does not count: it may be put back',
  async ({ kind, wanted, gains, before }, { ledger }) => {
    const [one, two] = await admins(ledger, 2);
    if (!one || !two) throw new Error('two');
    const { id } = await two.accepted(kind, wanted);
    await beginChange(ledger.db, id, before, null);
    const { kind: answer } = await one.request('disable', {}, guard([one, two]));
    expect(answer).toBe(gains ? 'last_administrator' : 'accepted');
  },
);

test.for(GAINS)(
  'somebody whom a $kind had made an administrator ($gains) does not count once it was put back',
  async ({ kind, wanted, gains, before }, { ledger }) => {
    const [one, two] = await admins(ledger, 2);
    if (!one || !two) throw new Error('two');
    const { id } = await two.accepted(kind, wanted);
    await beginChange(ledger.db, id, before, null);
    await beginRestoring(ledger.db, id, CANCELS, {});
    await closeChange(ledger.db, id, {});
    const { kind: answer } = await one.request('disable', {}, guard([one, two]));
    expect(answer).toBe(gains ? 'last_administrator' : 'accepted');
  },
);

test('a disable that was put back has just given it back', async ({ ledger }) => {
  const [one, two] = await admins(ledger, 2);
  if (!one || !two) throw new Error('two');
  await two.at('completed', 'disable');
  await two.at('completed', 'enable');
  await two.at('cancelled', 'disable');
  expect(await one.request('disable', {}, guard([one, two]))).toMatchObject({ kind: 'accepted' });
});

test('the guard decides again when the change begins, and not once it has begun', async ({
  ledger,
}) => {
  const [one, two] = await admins(ledger, 2);
  if (!one || !two) throw new Error('two');
  const { id } = await one.accepted('disable');
  const start = { rolesBefore: null, enabledBefore: true };
  const refused = await beginChange(ledger.db, id, start, guard([one]));
  expect(refused).toMatchObject({
    kind: 'last_administrator',
    change: { status: 'accepted', begunAt: null },
  });
  expect(await one.cutOffs()).toEqual({ sessions: false, roles: false });
  const begun = await beginChange(ledger.db, id, start, guard([one, two]));
  expect(begun.kind).toBe('begun');
  expect((await beginChange(ledger.db, id, start, guard([one]))).kind).toBe('begun');
});
