import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { BACKLOG_BOUND, readBacklog } from '../../../../src/ledger/backlog.ts';
import { COUNT_BOUND, PAGE_BOUND } from '../../../../src/ledger/bounded-scan.ts';
import { undeliveredChangeInstructions } from '../../../../src/ledger/changes/instructions.ts';
import {
  countChanges,
  listChanges,
  type ChangeFilter,
} from '../../../../src/ledger/changes/list.ts';
import { claimChangesForResume } from '../../../../src/ledger/changes/park.ts';
import { readChangeTimeline, rolesByChanges } from '../../../../src/ledger/changes/read.ts';
import { openChanges, withoutOpenChanges } from '../../../../src/ledger/changes/sweep.ts';
import { nextChange } from '../../../../src/ledger/changes/transitions.ts';
import { openWritesOf, recentlyWritten } from '../../../../src/ledger/changes/writes.ts';
import { leavesNoAdministrator } from '../../../../src/ledger/changes/last-administrator.ts';
import { test } from '../../../support/ledger-test.ts';
import { readsOf as readsOfTables } from '../reads.ts';
import { Person } from './person-under-test.ts';

/** What is asked for again and again must not cost more with every change of the past, nor with every
 * one that waits. */

// One connection, since each counts for itself what it has read.
test.override('maxConnections', 1);

const BUSY = 'busy';
const ALL = { callerId: 'alice', grants: '*' } as const;

const readsOf = (ledger: Person['ledger'], work: () => Promise<unknown>) =>
  readsOfTables(ledger, work, ['changes', 'audit_events']);

test.beforeAll(async ({ ledger }) => {
  await ledger.db.execute(sql`SET statement_timeout = 0`);
  for (const table of ['registrations', 'changes', 'audit_events']) {
    await ledger.db.execute(sql.raw(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`));
  }
  await ledger.db.execute(sql`SET synchronous_commit = on`);
  // Closed ones, of which one person has a tenth; then open ones, of a person each.
  await ledger.db.execute(sql`INSERT INTO changes (id, kind, status, user_id, registration_id,
      person_roles, roles_touched, requested_by, accepted_at, begun_at, finished_at, swept_at)
    SELECT gen_random_uuid(), 'roles', 'completed',
      CASE n % 10 WHEN 0 THEN ${BUSY} ELSE 'past-' || n END, gen_random_uuid(), '{viewer}', '{viewer}',
      'alice', at, at, at, at
    FROM generate_series(1, 30000) n, LATERAL (SELECT now() - interval '1 day' - n * interval '1 s' AS at) t`);
  await ledger.db.execute(sql`INSERT INTO changes (id, kind, status, user_id, registration_id,
      person_roles, requested_by, accepted_at, begun_at, swept_at, parked_at, next_resume_at, failure,
      instruction, instruction_at)
    SELECT gen_random_uuid(), 'disable', CASE n % 2 WHEN 0 THEN 'parked' ELSE 'accepted' END, 'open-' || n,
      gen_random_uuid(), '{viewer}', 'alice', at, at, at, at, at,
      '{"code": "identity_provider_unavailable"}', 'retry', at
    FROM generate_series(1, 20000) n, LATERAL (SELECT now() - interval '1 hour' - n * interval '1 s' AS at) t`);
  await ledger.db
    .execute(sql`INSERT INTO audit_events (id, event, registration_id, actor, key, details)
    SELECT gen_random_uuid(), 'user.roles_changed', registration_id, 'alice', id::text,
      jsonb_build_object('changeId', id) FROM changes`);
  await ledger.db.execute(sql`VACUUM ANALYZE`);
});

describe('without the changes of others or of the past', () => {
  test.for<[string, (ledger: Person['ledger']) => Promise<unknown>, atMost: number]>([
    ['the next change of a person', ({ db }) => nextChange(db, 'open-7', 'run'), 20],
    ['the next change of a person with a long past', ({ db }) => nextChange(db, BUSY, 'run'), 20],
    ['the roles by changes', ({ db }) => rolesByChanges(db, BUSY, 60), 20],
    ['open writes', ({ db }) => openWritesOf(db, BUSY, 60), 20],
    ['what was written recently', ({ db }) => recentlyWritten(db, BUSY, 60), 20],
    ['the round of a sweep', ({ db }) => openChanges(db, 100, new Date()), 300],
    ['the claim of due changes', ({ db }) => claimChangesForResume(db, 10, 300), 100],
    ['undelivered instructions', ({ db }) => undeliveredChangeInstructions(db, 0, 100), 500],
    ['persons without open changes', ({ db }) => withoutOpenChanges(db, [BUSY, 'open-1']), 20],
    [
      'the guard of administrators',
      ({ db }) =>
        db.transaction((tx) =>
          leavesNoAdministrator(tx, {
            userId: 'one',
            administratorRoles: ['admin'],
            graceSeconds: 60,
            enabledMembers: async () => ['one', BUSY, 'open-1'],
          }),
        ),
      50,
    ],
  ])('%s', async ([, work, atMost], { ledger }) => {
    const reads = await readsOf(ledger, () => work(ledger));
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(atMost);
  });

  test('the timeline of a change', async ({ ledger }) => {
    const [row] = await ledger.db.execute<{ id: string }>(sql`SELECT id FROM changes LIMIT 1`);
    const reads = await readsOf(ledger, () => readChangeTimeline(ledger.db, row?.id ?? ''));
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(10);
  });

  test('an acceptance', async ({ ledger }) => {
    const person = await Person.registered(ledger);
    const reads = await readsOf(ledger, () =>
      person.accepted('disable', { idempotencyKey: 'key' }),
    );
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(100);
  });
});

const FILTERS: Record<string, Omit<ChangeFilter, 'visibleTo'>> = {
  'without a filter': {},
  'of a person': { userId: BUSY },
  'of one status': { statuses: ['completed'] },
  'of several statuses': { statuses: ['completed', 'parked'] },
  'of a person and a status': { userId: BUSY, statuses: ['completed'] },
};

describe('a list', () => {
  test.for(Object.entries(FILTERS))(
    '%s is read without those behind it',
    async ([, filter], { ledger }) => {
      const page = () => listChanges(ledger.db, { ...filter, visibleTo: ALL, limit: 50 });
      expect((await page()).items).toHaveLength(50);
      const reads = await readsOf(ledger, page);
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(filter.userId && filter.statuses ? 3 * PAGE_BOUND : 350);
    },
  );

  test.for([new Set(['viewer']), new Set(['nobody'])])(
    'of a caller with grants is read without those behind it or of others',
    async (grants, { ledger }) => {
      const filter = { visibleTo: { callerId: 'bob', grants }, limit: 50 };
      const reads = await readsOf(ledger, () => listChanges(ledger.db, filter));
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(350);
    },
  );

  test.for(Object.entries(FILTERS))(
    '%s is counted within a bound',
    async ([, filter], { ledger }) => {
      const count = () => countChanges(ledger.db, { ...filter, visibleTo: ALL });
      const reads = await readsOf(ledger, count);
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(4 * COUNT_BOUND);
    },
  );
});

test('the backlog counts no more changes of a kind than its bound', async ({ ledger }) => {
  const { changes } = await readBacklog(ledger.db);
  expect(changes).toMatchObject([
    { status: 'accepted', code: null, count: expect.any(Number) },
    { status: 'parked', code: 'identity_provider_unavailable', count: BACKLOG_BOUND },
  ]);
  const reads = await readsOf(ledger, () => readBacklog(ledger.db));
  expect(reads.scans).toBe(0);
  expect(reads.rows).toBeLessThan(3 * BACKLOG_BOUND);
});

test('the claim of due changes reads none of those that are not due', async ({ ledger }) => {
  await ledger.db.execute(sql`UPDATE changes SET next_resume_at = now() + interval '1 hour'
    WHERE status = 'parked'`);
  await ledger.db.execute(sql`VACUUM ANALYZE changes`);
  const reads = await readsOf(ledger, () => claimChangesForResume(ledger.db, 10, 300));
  expect(reads.scans).toBe(0);
  expect(reads.rows).toBeLessThan(20);
});
