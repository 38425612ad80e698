import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { publicFailure } from '../../../src/domain/failure.ts';
import { OPEN } from '../../../src/domain/status.ts';
import { BACKLOG_BOUND, BACKLOG_QUERY, readBacklog } from '../../../src/ledger/backlog.ts';
import { test } from '../../support/ledger-test.ts';

test.override('maxConnections', 5);

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

test('an empty ledger has no backlog', async ({ ledger }) => {
  expect(await readBacklog(ledger.db)).toEqual({ open: [], changes: [], outbox: [], givenUp: [] });
});

test('the backlog counts open registrations by status and cause, with the oldest of each', async ({
  ledger,
}) => {
  for (const status of OPEN) await ledger.at(status);
  await ledger.at('failed');
  const { id: accepted } = await ledger.at('accepted');
  await ledger.set(accepted, { acceptedAt: minutesAgo(5) });
  // Parked three minutes ago, and accepted long before: parked counts.
  const { id: parked } = await ledger.at('roles_pending');
  await ledger.set(parked, { acceptedAt: minutesAgo(60), parkedAt: minutesAgo(3) });

  const { open } = await readBacklog(ledger.db);
  const found = new Map(open.map((row) => [row.status, row]));
  expect([...found.keys()].toSorted()).toEqual([...OPEN].toSorted());
  expect(found.get('accepted')).toMatchObject({ code: null, count: 2 });
  expect(found.get('accepted')?.oldestSeconds).toBeCloseTo(300, -2);
  expect(found.get('roles_pending')).toMatchObject({
    code: 'identity_provider_unavailable',
    count: 2,
  });
  expect(found.get('roles_pending')?.oldestSeconds).toBeCloseTo(180, -2);
  // Why a row compensates is no reason to wait.
  expect(found.get('compensating')).toMatchObject({ code: null, count: 1 });
});

test('the backlog counts undelivered events by destination, and no delivered ones', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  await ledger.at('completed');
  await ledger.db.execute(
    sql`UPDATE outbox SET occurred_at = now() - interval '2 hours' WHERE registration_id = ${id}`,
  );
  const { outbox } = await readBacklog(ledger.db);
  expect(outbox).toMatchObject([{ destination: 'cognito-mail', count: 2 }]);
  expect(outbox[0]?.oldestSeconds).toBeCloseTo(7200, -2);
  await ledger.db.execute(sql`UPDATE outbox_deliveries SET delivered_at = now()`);
  expect((await readBacklog(ledger.db)).outbox).toEqual([]);
  await ledger.db.execute(sql`INSERT INTO outbox_deliveries
      (outbox_id, destination, next_attempt_at, given_up_at)
    SELECT id, 'webhook', now(), now() FROM outbox WHERE kind = 'user.created'`);
  const later = await readBacklog(ledger.db);
  expect(later.outbox).toEqual([]);
  expect(later.givenUp).toEqual([{ destination: 'webhook', count: 2 }]);
});

test('a flood of new rows hides no other status, cause or oldest row from the backlog', async ({
  ledger,
}) => {
  const bulk = sql`INSERT INTO registrations
      (id, status, email, email_verified, invite, roles, requested_by, door, key_scope, request_hash,
       accepted_at, swept_at)
    SELECT gen_random_uuid(), 'accepted', gen_random_uuid() || '@flood.example', true, true, '{}',
      'tester', 'canonical', 'tester', '', now(), now() - interval '1 day'`;
  await ledger.db.execute(sql`${bulk} FROM generate_series(1, ${BACKLOG_BOUND + 100})`);
  const { id: oldest } = await ledger.accepted();
  await ledger.set(oldest, { acceptedAt: minutesAgo(90) });
  const { id: rare } = await ledger.at('roles_pending');
  await ledger.set(rare, { failure: publicFailure('role_missing'), parkedAt: minutesAgo(2) });

  const { open } = await readBacklog(ledger.db);
  const accepted = open.find(({ status }) => status === 'accepted');
  expect(accepted?.count).toBe(BACKLOG_BOUND);
  expect(accepted?.oldestSeconds).toBeCloseTo(90 * 60, -2);
  expect(open.find(({ code }) => code === publicFailure('role_missing').code)).toMatchObject({
    count: 1,
  });
  expect(new Set(open.map(({ status }) => status))).toEqual(new Set(OPEN));
  await ledger.db.execute(sql`DELETE FROM registrations WHERE email LIKE '%@flood.example'`);
});

test('the backlog reads only the indexes of waiting rows, up to its bound', async ({ ledger }) => {
  await ledger.db.transaction(async (tx) => {
    // A busy machine takes longer to seed than a statement of the processes may.
    await tx.execute(sql`SET LOCAL statement_timeout = 0`);
    await tx.execute(sql`INSERT INTO registrations
      (id, status, email, email_verified, invite, roles, requested_by, door, key_scope, request_hash, accepted_at)
    SELECT gen_random_uuid(), CASE WHEN n <= ${BACKLOG_BOUND + 100} THEN 'accepted' ELSE 'failed' END,
      n || '@bulk.example', true, true, '{}', 'tester', 'canonical', 'tester', '', now()
    FROM generate_series(1, 40000) n`);
  });
  const ids = sql`SELECT gen_random_uuid() AS id FROM generate_series(1, 20000)`;
  await ledger.db
    .execute(sql`WITH made AS (INSERT INTO outbox (id, registration_id, kind, occurred_at)
      SELECT id, id, 'invitation', now() FROM (${ids}) i RETURNING id)
    INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at, delivered_at)
    SELECT id, 'cognito-mail', now(), now() FROM made`);
  await ledger.db.execute(sql`ANALYZE`);
  const plan = await ledger.db.execute<{ 'QUERY PLAN': string }>(sql`EXPLAIN ${BACKLOG_QUERY}`);
  const text = plan.map((line) => line['QUERY PLAN']).join('\n');
  expect(text).toContain('registrations_waiting');
  expect(text).toContain('outbox_deliveries_due');
  expect(text).toContain('outbox_deliveries_given_up');
  // An empty table is always read as a whole: that of changes is in changes/plans.test.ts.
  expect(text).not.toMatch(/Seq Scan on (?!changes)/);
  const { open } = await readBacklog(ledger.db);
  expect(open.find(({ status }) => status === 'accepted')?.count).toBe(BACKLOG_BOUND);
});
