import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestHashOf } from '../../src/ledger/accept.ts';
import { acceptQuietly } from '../../src/ledger/accept-quietly.ts';
import { requestInvitation } from '../../src/ledger/request-invitation.ts';
import { Ledger } from './ledger-under-test.ts';

/** What anybody may ask for again and again must not cost more with every registration of the past. */

let ledger: Ledger;
beforeAll(async () => {
  // One connection, since each counts for itself what it has read.
  ledger = await Ledger.start(1);
  await ledger.db.execute(sql`INSERT INTO registrations
      (id, status, email, email_verified, invite, roles, requested_by, door, key_scope,
       idempotency_key, request_hash, accepted_at)
    SELECT gen_random_uuid(), 'failed', n || '@past.example', true, true, '{}', 'door:signup',
      'signup', 'signup:' || n || '@past.example', 'key', '', now() FROM generate_series(1, 20000) n`);
  await ledger.db.execute(sql`WITH past AS (
      INSERT INTO outbox (id, registration_id, kind, occurred_at)
      SELECT gen_random_uuid(), id, 'invitation', now() FROM registrations RETURNING id)
    INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at, delivered_at)
    SELECT id, 'cognito-mail', now(), now() FROM past`);
  await ledger.db.execute(sql`ANALYZE`);
});
afterAll(() => ledger.stop());

/** How often a whole table was read meanwhile. */
async function wholeReads(work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> => {
    await ledger.db.execute(sql`SELECT pg_stat_force_next_flush()`);
    const [read] = await ledger.db.execute<{ scans: number }>(sql`SELECT sum(seq_scan)::int AS scans
      FROM pg_stat_user_tables
      WHERE relname IN ('registrations', 'outbox', 'outbox_deliveries', 'audit_events')`);
    return read?.scans ?? 0;
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

test('a quiet sign-up with a key', async () => {
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
  expect(await wholeReads(() => acceptQuietly(ledger.db, sent))).toBe(0);
  expect(await acceptQuietly(ledger.db, sent)).toEqual({ kind: 'replayed', id });
});

test('an invitation wished again', async () => {
  const { id } = await ledger.at('completed');
  expect(await wholeReads(() => requestInvitation(ledger.db, id, { actor: 'alice' }))).toBe(0);
});

test('the count sees a table that is read as a whole', async () => {
  const all = sql`SELECT count(*) FROM registrations WHERE request_hash = 'x'`;
  expect(await wholeReads(async () => await ledger.db.execute(all))).toBeGreaterThan(0);
});
