import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import { requestHashOf } from '../../../src/ledger/registrations/accept.ts';
import { acceptWithoutDisclosure } from '../../../src/ledger/registrations/accept-without-disclosure.ts';
import { BACKLOG_BOUND, readBacklog } from '../../../src/ledger/backlog.ts';
import { beginWithCreateAttempt } from '../../../src/ledger/registrations/fast-path.ts';
import { COUNT_BOUND, PAGE_BOUND } from '../../../src/ledger/bounded-scan.ts';
import {
  countRegistrations,
  listRegistrations,
  type RegistrationFilter,
} from '../../../src/ledger/registrations/list.ts';
import { requestRetryOfMany } from '../../../src/ledger/registrations/instructions.ts';
import { readOverview } from '../../../src/ledger/overview.ts';
import { readTemporalOverview } from '../../../src/temporal/overview.ts';
import { listAuditEvents } from '../../../src/ledger/registrations/read.ts';
import { eraseAddress } from '../../../src/ledger/erase-address.ts';
import { eraseExpired, erasePerson } from '../../../src/ledger/erasure.ts';
import { HISTORY_BOUND, readHistory } from '../../../src/ledger/registrations/history.ts';
import { openRows } from '../../../src/ledger/registrations/sweep.ts';
import { deliveriesOfPerson } from '../../../src/ledger/outbox/deliveries-of-person.ts';
import { requestInvitation } from '../../../src/ledger/outbox/request-invitation.ts';
import { readsOf, wholeReads } from './reads.ts';
import { test } from '../../support/ledger-test.ts';

/** What is asked for again and again must not cost more with every registration of the past, nor with
 * every one that waits. */

// One connection, since each counts for itself what it has read.
test.override('maxConnections', 1);

test.beforeAll(async ({ ledger }) => {
  // A busy machine takes longer to seed than a statement of the processes may.
  await ledger.db.execute(sql`SET statement_timeout = 0`);
  // A snapshot of autovacuum would keep VACUUM from marking pages for scans of an index alone.
  for (const table of ['registrations', 'audit_events', 'outbox', 'outbox_deliveries']) {
    await ledger.db.execute(sql.raw(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`));
  }
  await ledger.db.execute(sql`INSERT INTO registrations
      (id, status, email, email_verified, invite, roles, requested_by, door, key_scope,
       idempotency_key, request_hash, accepted_at, finished_at)
    SELECT gen_random_uuid(), 'failed', n || '@past.example', true, true,
      CASE WHEN n > 10000 THEN '{member}' ELSE '{}' END::text[],
      CASE WHEN n > 10000 THEN 'tester' ELSE 'door:signup' END, 'signup', 'signup:' || n || '@past.example', 'key', '', now(),
      now() - n * interval '1 hour' FROM generate_series(1, 20000) n`);
  await ledger.db.execute(sql`WITH past AS (
      INSERT INTO outbox (id, registration_id, kind, occurred_at)
      SELECT gen_random_uuid(), id, 'invitation', now() FROM registrations RETURNING id)
    INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at, delivered_at)
    SELECT id, 'cognito-mail', now(), now() FROM past`);
  await ledger.db.execute(sql`INSERT INTO audit_events (id, event, registration_id, actor, at)
    SELECT gen_random_uuid(), 'registration.failed', id, 'tester', accepted_at FROM registrations`);
  await ledger.db.execute(sql`ANALYZE`);
});

test('a sign-up without disclosure and with a key', async ({ ledger }) => {
  const id = randomUUID();
  const email = `${id}@example.com`;
  const sent = {
    id,
    email,
    username: id,
    firstName: null,
    lastName: null,
    attributes: {},
    emailVerified: false,
    invite: false,
    roles: [],
    requestedBy: 'door:signup',
    door: 'signup',
    keyScope: `signup:${email}`,
    idempotencyKey: 'key',
    requestHash: requestHashOf({ email }),
    sealedPassword: null,
  } as const;
  expect(await wholeReads(ledger, () => acceptWithoutDisclosure(ledger.db, sent))).toBe(0);
  expect(await acceptWithoutDisclosure(ledger.db, sent)).toEqual({ kind: 'replayed', id });
});

test('an invitation requested again', async ({ ledger }) => {
  const { id } = await ledger.at('completed');
  expect(await wholeReads(ledger, () => requestInvitation(ledger.db, id, { actor: 'alice' }))).toBe(
    0,
  );
});

test('the update that begins a registration enters no index', async ({ ledger }) => {
  const updates = async () => {
    await ledger.db.execute(sql`SELECT pg_stat_force_next_flush()`);
    const [count] = await ledger.db.execute<{ all: number; hot: number }>(sql`SELECT
        n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
      WHERE relname = 'registrations'`);
    return count ?? { all: 0, hot: 0 };
  };
  const { id } = await ledger.accepted({
    idempotencyKey: 'key',
    username: 'hot',
    roles: ['viewer'],
  });
  const before = await updates();
  expect((await beginWithCreateAttempt(ledger.db, id, 'run'))?.status).toBe('running');
  const after = await updates();
  expect({ all: after.all - before.all, hot: after.hot - before.hot }).toEqual({ all: 1, hot: 1 });
});

describe('a page', () => {
  const visibleTo = { callerId: 'tester', grants: '*' } as const;
  const filters: Record<string, Omit<RegistrationFilter, 'visibleTo'>> = {
    'without a filter': {},
    'of one status': { statuses: ['failed'] },
    'of several statuses': { statuses: ['failed', 'roles_pending', 'completed'] },
    'of a failure': { failureCode: 'email_taken' },
    'of an address': { email: '500@past.example' },
    'of the beginning of addresses': { emailPrefix: '599' },
    'of a username': { username: 'Nobody' },
    'of a caller': { requestedBy: 'door:signup' },
    'of a role': { role: 'member' },
    'of an unknown role': { role: 'nobody' },
  };
  test.for(Object.entries(filters))(
    '%s is read without those behind it',
    async ([, filter], { ledger }) => {
      const page = () => listRegistrations(ledger.db, { ...filter, visibleTo, limit: 50 });
      const reads = await readsOf(ledger, page);
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(250);
    },
  );

  test.for([new Set(['member']), new Set(['nobody'])])(
    'of a caller with grants is read without those behind it or of others',
    async (grants, { ledger }) => {
      const filter = { visibleTo: { callerId: 'alice', grants }, limit: 50 };
      const reads = await readsOf(ledger, () => listRegistrations(ledger.db, filter));
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(250);
    },
  );

  const apart = { role: 'member', requestedBy: 'door:signup' };
  test('of filters that never meet looks through a bounded number of rows', async ({ ledger }) => {
    const page = () => listRegistrations(ledger.db, { ...apart, visibleTo, limit: 50 });
    expect(await page()).toMatchObject({ items: [], next: expect.anything() });
    const reads = await readsOf(ledger, page);
    expect(reads.scans).toBe(0);
    // Both filters are tried, one is read once more, and then its rows.
    expect(reads.rows).toBeLessThan(5 * PAGE_BOUND + 100);
  });

  test.for(['administrator.created', 'user.registered'])(
    'of the event %s, which never occurred, is read without those of others',
    async (event, { ledger }) => {
      const reads = await readsOf(ledger, () => listAuditEvents(ledger.db, { event, limit: 50 }));
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(4 * PAGE_BOUND);
    },
  );

  test('of audit events is read without those behind it', async ({ ledger }) => {
    const reads = await readsOf(ledger, () => listAuditEvents(ledger.db, { limit: 50 }));
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(150);
  });
});

describe('with 30,000 open registrations', () => {
  test.beforeAll(async ({ ledger }) => {
    // VACUUM marks no page whose commit is not on the disk yet.
    await ledger.db.execute(sql`SET synchronous_commit = on`);
    await ledger.db.execute(sql`INSERT INTO registrations
        (id, status, email, email_verified, invite, roles, requested_by, door, key_scope, request_hash,
         accepted_at, swept_at, parked_at, failure)
      SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'roles_pending' ELSE 'accepted' END,
        n || '@open.example', true, true, '{}', 'tester', 'canonical', 'tester', '',
        now() - n * interval '1 second', now() - n * interval '1 second',
        now() - n * interval '1 second', '{"code": "identity_provider_unavailable"}'
      FROM generate_series(1, 30000) n`);
    await ledger.db.execute(sql`VACUUM ANALYZE`);
  });

  test('the sweep reads no more rows than it takes', async ({ ledger }) => {
    const reads = await readsOf(ledger, () => openRows(ledger.db, 100, new Date()));
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(200);
  });

  test('the backlog reads no more rows of a status than it counts', async ({ ledger }) => {
    const reads = await readsOf(ledger, () => readBacklog(ledger.db));
    expect(reads.scans).toBe(0);
    // Accepted and running rows from both ends, and their status; parked ones once.
    expect(reads.rows).toBeLessThan(5 * BACKLOG_BOUND + 1000);
  });

  test('the overview reads a bounded number of rows', async ({ ledger }) => {
    const overview = () =>
      readOverview({
        db: ledger.db,
        quotas: { createRps: 40, updateRps: 20 },
        temporal: () => readTemporalOverview(null, { namespace: '', taskQueue: '', withinMs: 0 }),
      });
    const { registrations, needsAttention } = await overview();
    expect(registrations.byStatus).toMatchObject({
      accepted: BACKLOG_BOUND,
      roles_pending: BACKLOG_BOUND,
      failed: BACKLOG_BOUND,
    });
    expect(needsAttention).toMatchObject([{ count: BACKLOG_BOUND }]);
    const reads = await readsOf(ledger, overview);
    expect(reads.scans).toBe(0);
    // The backlog's; those that wait for a person, and their rows; closed ones.
    expect(reads.rows).toBeLessThan(8 * BACKLOG_BOUND + 1000);
  });

  test.for(['day', 'fortnight'] as const)(
    'the history of a %s reads no more rows of a phase than it counts',
    async (span, { ledger }) => {
      const history = () => readHistory(ledger.db, span);
      const { intervals, failureCodes } = await history();
      expect(Math.max(...intervals.map(({ ended }) => ended))).toBe(HISTORY_BOUND);
      expect(failureCodes).toEqual([
        { code: 'identity_provider_unavailable', count: HISTORY_BOUND },
      ]);
      const reads = await readsOf(ledger, history);
      expect(reads.scans).toBe(0);
      // Failed ones of one hour; accepted and parked ones, of which an hour has fewer; and the code.
      expect(reads.rows).toBeLessThan(HISTORY_BOUND + 30_000 + HISTORY_BOUND + 100);
    },
  );

  test.for([
    ['who sees all', '*'],
    ['with grants', new Set(['member'])],
  ] as const)(
    'a retry of many by a caller %s reads those it takes, and those it counts',
    async ([, grants], { ledger }) => {
      const retry = () =>
        requestRetryOfMany(
          ledger.db,
          { actor: 'tester', reason: null },
          {
            status: 'roles_pending',
            failureCode: null,
            limit: 100,
            visibleTo: { callerId: 'tester', grants },
          },
        );
      let remaining = 0;
      const reads = await readsOf(ledger, async () => {
        ({ remaining } = await retry());
      });
      expect(remaining).toBe(10_000);
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(10_000 + 10 * 100 + 1000);
    },
  );

  const TOTAL_BOUND = 10_000;
  const counts: [string, Partial<RegistrationFilter>, total: number | null, atMost: number][] = [
    ['all', {}, null, TOTAL_BOUND],
    ['a status', { statuses: ['roles_pending'] }, null, TOTAL_BOUND],
    ['a failure', { failureCode: 'identity_provider_unavailable' }, null, TOTAL_BOUND],
    ['a caller', { requestedBy: 'tester' }, null, TOTAL_BOUND],
    ['a role', { role: 'member' }, 10_000, TOTAL_BOUND],
    [
      'what a caller with grants sees',
      { visibleTo: { callerId: 'alice', grants: new Set(['member']) } },
      10_000,
      TOTAL_BOUND,
    ],
    ['filters that never meet', { role: 'member', requestedBy: 'door:signup' }, 0, 3 * COUNT_BOUND],
    // They meet in 10,000 rows; each alone has more than a count looks through.
    [
      'filters that each fit too many rows',
      { requestedBy: 'tester', statuses: ['failed'] },
      null,
      3 * COUNT_BOUND,
    ],
  ];
  test.for(counts)(
    'a count of %s reads a bounded number of rows',
    async ([, filter, total, atMost], { ledger }) => {
      const visibleTo = { callerId: 'tester', grants: '*' } as const;
      const count = () => countRegistrations(ledger.db, { visibleTo, ...filter });
      expect(await count()).toBe(total);
      const reads = await readsOf(ledger, count);
      expect(reads.scans).toBe(0);
      expect(reads.rows).toBeLessThan(atMost + 100);
    },
  );
});

test('the deliveries of a person are read without those of others', async ({ ledger }) => {
  const person = await ledger.at('completed', { username: 'told', invite: true });
  const reads = await readsOf(ledger, async () => {
    expect(await deliveriesOfPerson(ledger.db, person)).toHaveLength(2);
  });
  expect(reads.scans).toBe(0);
  expect(reads.rows).toBeLessThan(40);
});

describe('an erasure', () => {
  test('of expired registrations reads no more rows than it erases', async ({ ledger }) => {
    const reads = await readsOf(ledger, async () => {
      expect(await eraseExpired(ledger.db, 30, 100)).toBe(100);
    });
    expect(reads.scans).toBe(0);
    // Each row twice, its events, invitation and delivery, and whether somebody holds its names.
    expect(reads.rows).toBeLessThan(100 * 12);
  });

  test('of a person reads no rows of others', async ({ ledger }) => {
    const { id, userId } = await ledger.at('completed', { username: 'erased' });
    const reads = await readsOf(ledger, () =>
      ledger.db.transaction(async (tx) => {
        await tx.execute(
          sql`UPDATE registrations SET user_deleted_at = now() WHERE id = ${id}::uuid`,
        );
        await erasePerson(tx, { registrationId: id, userId });
      }),
    );
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(50);
  });

  test('of an address reads no rows of others', async ({ ledger }) => {
    const reads = await readsOf(ledger, () => eraseAddress(ledger.db, '100@past.example'));
    expect(reads.scans).toBe(0);
    expect(reads.rows).toBeLessThan(50);
  });
});

test('the count sees a table that is read as a whole', async ({ ledger }) => {
  const all = sql`SELECT count(*) FROM registrations WHERE request_hash = 'x'`;
  expect(await wholeReads(ledger, async () => await ledger.db.execute(all))).toBeGreaterThan(0);
});
