import { sql } from 'drizzle-orm';
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { COMMON_EVENTS, type AuditEventName } from '../../../../src/domain/audit-event.ts';
import { maySee } from '../../../../src/domain/grants.ts';
import type { Position } from '../../../../src/ledger/bounded-scan.ts';
import {
  countRegistrations,
  listRegistrations,
  type RegistrationFilter,
} from '../../../../src/ledger/registrations/list.ts';
import { listAuditEvents } from '../../../../src/ledger/registrations/read.ts';
import { test } from '../../../support/ledger-test.ts';

/** Filters that each fit more rows than one page looks through, and rarely or never meet. */

const ROWS = 18_000;
const ALL = { callerId: 'admin', grants: '*' } as const;

interface Row {
  readonly id: string;
  readonly at: number;
  readonly status: string;
  readonly code: string | null;
  readonly email: string;
  readonly username: string | null;
  readonly roles: string[];
  readonly requestedBy: string;
}

let rows: Row[] = [];

test.beforeAll(async ({ ledger }) => {
  // In parts, each within the statement's time-out. Four rows share an instant.
  for (let from = 1; from <= ROWS; from += 6000) {
    await ledger.db.execute(sql`INSERT INTO registrations
        (id, status, email, username, email_verified, invite, roles, requested_by, door, key_scope,
         request_hash, failure, accepted_at)
      SELECT gen_random_uuid(),
        CASE WHEN n % 3 = 0 THEN 'failed' WHEN n % 900 = 1 THEN 'running' WHEN n % 900 = 2 THEN 'accepted'
          ELSE 'completed' END,
        CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END || n || '@example.com',
        CASE WHEN n % 1000 = 0 THEN 'User' || n END, true, true,
        CASE WHEN n % 4000 = 0 THEN '{a,rare}' WHEN n % 7 = 0 THEN '{}' WHEN n % 2 = 0 THEN '{a}'
          ELSE '{b}' END::text[],
        CASE WHEN n % 2 = 0 OR n % 1000 = 1 THEN 'alice' ELSE 'bob' END, 'canonical', '', '',
        CASE WHEN n % 3 = 0 THEN '{"code": "email_taken"}'::jsonb END,
        '2026-01-01'::timestamptz + (n / 4) * interval '1 minute'
      FROM generate_series(${from}::int, ${from + 5999}::int) AS n`);
  }
  await ledger.db.execute(sql`ANALYZE registrations`);
  const found = await ledger.db.execute<Row & Record<string, unknown>>(sql`SELECT id,
      extract(epoch FROM accepted_at)::float8 * 1000 AS at, status, failure->>'code' AS code, email,
      username, roles, requested_by AS "requestedBy"
    FROM registrations ORDER BY accepted_at DESC, id DESC`);
  rows = [...found];
});

const startOfJanuary = Date.parse('2026-01-01');
const instant = fc
  .integer({ min: 0, max: ROWS / 4 })
  .map((minute) => new Date(startOfJanuary + minute * 60_000));

const filters: fc.Arbitrary<RegistrationFilter> = fc.record(
  {
    visibleTo: fc.constantFrom(
      ALL,
      { callerId: 'alice', grants: new Set(['a']) },
      { callerId: 'bob', grants: new Set(['a', 'b']) },
      { callerId: 'bob', grants: new Set(['rare', 'a']) },
      { callerId: 'carol', grants: new Set(['none']) },
    ),
    statuses: fc.subarray(['failed', 'completed', 'running', 'accepted', 'cancelled'] as const, {
      minLength: 1,
    }),
    failureCode: fc.constantFrom('email_taken', 'username_taken'),
    email: fc.constantFrom('odd7@example.com', 'even12000@example.com'),
    emailPrefix: fc.constantFrom('odd', 'even', 'odd1', 'none'),
    username: fc.constantFrom('user3000', 'USER8000'),
    role: fc.constantFrom('a', 'b', 'rare', 'none'),
    requestedBy: fc.constantFrom('alice', 'bob'),
    acceptedAfter: instant,
    acceptedBefore: instant,
  },
  { requiredKeys: ['visibleTo'] },
);

const RARELY_MEET = { visibleTo: ALL, requestedBy: 'alice', emailPrefix: 'odd' } as const;

function fits(filter: RegistrationFilter, row: Row): boolean {
  const is = <T>(wanted: T | undefined, found: T) => wanted === undefined || wanted === found;
  return (
    maySee({ id: filter.visibleTo.callerId, grants: filter.visibleTo.grants }, row) &&
    (filter.statuses ?? [row.status]).some((status) => status === row.status) &&
    is(filter.failureCode, row.code) &&
    is(filter.email, row.email) &&
    row.email.startsWith(filter.emailPrefix ?? '') &&
    is(filter.username?.toLowerCase(), row.username?.toLowerCase()) &&
    (filter.role === undefined || row.roles.includes(filter.role)) &&
    is(filter.requestedBy, row.requestedBy) &&
    (filter.acceptedAfter?.getTime() ?? 0) <= row.at &&
    row.at < (filter.acceptedBefore?.getTime() ?? Infinity)
  );
}

/** All pages of a list: their items, and how many pages there were. */
async function walk<T>(
  page: (after: Position | null) => Promise<{ items: T[]; next: Position | null }>,
): Promise<{ items: T[]; pages: number }> {
  const items: T[] = [];
  let pages = 0;
  let after: Position | null = null;
  do {
    const found = await page(after);
    items.push(...found.items);
    pages += 1;
    after = found.next;
  } while (after);
  return { items, pages };
}

test('the pages of any filter hold each fitting registration once, newest first', async ({
  ledger,
}) => {
  await fc.assert(
    fc.asyncProperty(filters, fc.constantFrom(300, 1000, 4999), async (filter, limit) => {
      const expected = rows.filter((row) => fits(filter, row)).map(({ id }) => id);
      const { items } = await walk((after) =>
        listRegistrations(ledger.db, { ...filter, limit, after: after ?? undefined }),
      );
      expect(items.map(({ id }) => id)).toEqual(expected);
      const total = await countRegistrations(ledger.db, filter);
      expect(total).toBe(expected.length > 10_000 ? null : expected.length);
    }),
    { numRuns: 60, examples: [[RARELY_MEET, 300]] },
  );
});

test('pages of filters that rarely meet are short, and lead to the end of the list', async ({
  ledger,
}) => {
  const { items, pages } = await walk((after) =>
    listRegistrations(ledger.db, { ...RARELY_MEET, limit: 50, after: after ?? undefined }),
  );
  expect(items).toHaveLength(18);
  expect(pages).toBe(2);
  expect(await countRegistrations(ledger.db, RARELY_MEET)).toBe(18);
});

test('more sets of roles than one query takes are filtered without an index', async ({
  emptyLedger,
}) => {
  const caller = { callerId: 'alice', grants: new Set(['r1', 'r2', 'r3']) };
  for (let first = 1; first <= 70; first += 1) {
    await emptyLedger.accepted({ roles: [`r${first}`], requestedBy: 'bob' });
  }
  const { id } = await emptyLedger.accepted({ roles: [], requestedBy: 'alice' });
  const list = async (filter: Partial<RegistrationFilter>) =>
    (await listRegistrations(emptyLedger.db, { visibleTo: caller, limit: 50, ...filter })).items;
  expect(await list({})).toHaveLength(4);
  expect((await list({}))[0]?.id).toBe(id);
  expect(await list({ role: 'r3' })).toHaveLength(1);
  expect(await list({ visibleTo: ALL, role: 'r69' })).toHaveLength(1);
  expect(await countRegistrations(emptyLedger.db, { visibleTo: caller })).toBe(4);
});

test('many sets of roles are paged beside a filter that has no order of time', async ({
  emptyLedger,
}) => {
  await emptyLedger.db.execute(sql`INSERT INTO registrations (id, status, email, email_verified,
      invite, roles, requested_by, door, key_scope, request_hash, accepted_at)
    SELECT gen_random_uuid(), 'failed', 'many' || n, true, true, ARRAY['r' || n % 60], 'bob',
      'canonical', '', '', '2026-01-01'::timestamptz + n % 1000 * interval '1 minute'
    FROM generate_series(1, 6000) AS n`);
  const grants = new Set(Array.from({ length: 60 }, (_, index) => `r${index}`));
  const filter = { visibleTo: { callerId: 'alice', grants }, emailPrefix: 'many' };
  for (const limit of [50, 200, 1000]) {
    const { items } = await walk((after) =>
      listRegistrations(emptyLedger.db, { ...filter, limit, after: after ?? undefined }),
    );
    expect(new Set(items.map(({ id }) => id)).size).toBe(6000);
    expect(items).toHaveLength(6000);
  }
});

test('a registration may have 20 roles with the longest names', async ({ ledger }) => {
  const roles = Array.from({ length: 20 }, (_, index) =>
    String.fromCodePoint(
      ...Array.from({ length: 128 }, (__, at) => 0x4e00 + index * 997 + at * 31),
    ),
  );
  const { id } = await ledger.accepted({ roles, email: 'roles@long.example' });
  const page = await listRegistrations(ledger.db, {
    visibleTo: { callerId: 'nobody', grants: new Set(roles) },
    limit: 10,
  });
  expect(page.items.map((item) => item.id)).toEqual([id]);
});

test('the pages of an event hold each of its kind once', async ({ ledger }) => {
  await ledger.db.execute(sql`INSERT INTO audit_events (id, event, actor, at, key)
    SELECT gen_random_uuid(), CASE WHEN n % 6000 = 0 THEN 'user.registered' WHEN n % 3000 = 0
        THEN 'invitation.sent' ELSE 'registration.requested' END,
      'tester', '2026-01-01'::timestamptz + n * interval '1 second', n::text
    FROM generate_series(1, 12000) AS n`);
  const walked = async (event: AuditEventName) =>
    await walk((after) =>
      listAuditEvents(ledger.db, { event, limit: 50, after: after ?? undefined }),
    );
  // A common event that is rare here is looked for among all; an uncommon one has an index.
  expect(COMMON_EVENTS).toContain('user.registered');
  const common = await walked('user.registered');
  expect(common.items.map(({ at }) => at.getUTCHours())).toEqual([3, 1]);
  expect(common.pages).toBeGreaterThan(2);
  const uncommon = await walked('invitation.sent');
  expect(uncommon.items).toHaveLength(2);
  expect(uncommon.pages).toBe(1);
});
