import postgres, { type Sql } from 'postgres';
import { openDatabase } from '../../src/db/client.ts';
import { makeCheckpoint } from '../../src/ledger/audit/checkpoint.ts';

/** How much an old ledger holds. */
export interface Age {
  readonly closed: number;
  readonly parked: number;
  readonly delivered: number;
  readonly waiting: number;
}

export const AGED: Age = { closed: 1_000_000, parked: 10_000, delivered: 100_000, waiting: 10_000 };

const CHECKPOINT_EVENTS = 10_000;

/** Fills a new ledger as years of use do, audit checkpoints included. */
export async function seedAged(url: string, age: Age = AGED): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`SET synchronous_commit = off`;
    await sql`SET maintenance_work_mem = '512MB'`;
    await withoutIndexes(sql, async () => {
      await insertClosed(sql, age.closed);
      await insertParked(sql, age.parked);
      await insertEvents(sql);
      await insertOutbox(sql, age);
    });
    await sql`VACUUM (ANALYZE)`;
    await sql`CHECKPOINT`;
  } finally {
    await sql.end({ timeout: 1 });
  }
  const pool = openDatabase(url, 1);
  try {
    while (await makeCheckpoint(pool.db, CHECKPOINT_EVENTS));
  } finally {
    await pool.close(1);
  }
}

/** Drops the indexes that can be made again meanwhile: a million rows are sorted once per index. */
async function withoutIndexes(sql: Sql, work: () => Promise<void>): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index
    WHERE indrelid IN ('registrations'::regclass, 'audit_events'::regclass, 'outbox'::regclass,
        'outbox_deliveries'::regclass)
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`;
  for (const { name } of indexes) await sql.unsafe(`DROP INDEX ${name}`);
  await work();
  for (const { definition } of indexes) await sql.unsafe(definition);
}

/** One row a minute until now; 97 of 100 completed. */
async function insertClosed(sql: Sql, count: number): Promise<void> {
  await sql`INSERT INTO registrations (id, status, email, email_verified, invite, roles, roles_assigned,
      roles_touched, requested_by, door, key_scope, request_hash, create_attempt, create_attempted_at,
      create_outcome, user_created_at, cognito_username, user_id, failure, steps, accepted_at,
      finished_at, swept_at)
    SELECT gen_random_uuid(), status, 'user-' || n || '@aged.example', true, true, roles,
      CASE status WHEN 'completed' THEN roles ELSE '{}' END, roles, requester, 'canonical', requester,
      md5(n::text), 1, at, CASE status WHEN 'completed' THEN 'created' ELSE 'refused' END,
      CASE status WHEN 'completed' THEN at END, CASE status WHEN 'completed' THEN user_id END,
      CASE status WHEN 'completed' THEN user_id END,
      CASE status WHEN 'failed' THEN jsonb_build_object('code', 'identity_provider_refused',
        'cause', 'provider_refused', 'detail', 'The identity provider refused the user.') END,
      CASE status WHEN 'completed' THEN jsonb_build_object(
        'createUser', done, 'complete', done, 'assignRole:' || roles[1], done) ELSE '{}' END,
      at, at + interval '1 second', at
    FROM (
      SELECT n, now() - (${count}::int - n) * interval '1 minute' AS at,
        CASE WHEN n % 100 < 97 THEN 'completed' WHEN n % 100 < 99 THEN 'failed' ELSE 'cancelled' END
          AS status,
        CASE WHEN n % 50 = 0 THEN ARRAY['researcher'] ELSE ARRAY['viewer'] END AS roles,
        'caller-' || n % 20 AS requester, gen_random_uuid()::text AS user_id,
        '{"status": "done", "attempts": 1, "lastError": null}'::jsonb AS done
      FROM generate_series(1, ${count}::int) AS n
    ) AS past`;
}

/** Their users exist and their roles do not: Cognito did not answer. One in ten is due to be resumed. */
async function insertParked(sql: Sql, count: number): Promise<void> {
  await sql`INSERT INTO registrations (id, status, email, email_verified, invite, roles, roles_touched,
      requested_by, door, key_scope, request_hash, create_attempt, create_attempted_at, create_outcome,
      user_created_at, cognito_username, user_id, failure, accepted_at, parked_at, resume_attempts,
      next_resume_at, swept_at)
    SELECT gen_random_uuid(), 'roles_pending', 'parked-' || n || '@aged.example', true, true,
      ARRAY['viewer'], ARRAY['viewer'], 'caller-1', 'canonical', 'caller-1', md5(n::text), 1, at,
      'created', at, user_id, user_id, jsonb_build_object('code', 'identity_provider_unavailable',
        'cause', 'server_error', 'detail', 'The identity provider is unavailable.'),
      at, at + interval '2 minutes', 3,
      now() + CASE WHEN n % 10 = 0 THEN interval '0' ELSE interval '6 hours' END, at
    FROM (
      SELECT n, now() - interval '1 day' - n * interval '1 second' AS at,
        gen_random_uuid()::text AS user_id
      FROM generate_series(1, ${count}::int) AS n
    ) AS past`;
}

/** Two events of each registration, in as many transactions as there are checkpoints: one that held
 * all of them would be sorted anew for each checkpoint. */
async function insertEvents(sql: Sql): Promise<void> {
  const [size] = await sql<{ pages: number; rows: number }[]>`
    SELECT pg_relation_size('registrations')::int / 8192 AS pages, count(*)::int AS rows
    FROM registrations`;
  const { pages = 0, rows = 0 } = size ?? {};
  const step = Math.ceil((pages * CHECKPOINT_EVENTS) / Math.max(2 * rows, 1));
  for (let page = 0; page < pages; page += step) {
    await insertEventsOf(sql, `(${page},0)`, `(${page + step},0)`);
  }
}

/** Of the rows on these pages, which lie in the order of their acceptance. */
async function insertEventsOf(sql: Sql, from: string, before: string): Promise<void> {
  await sql`INSERT INTO audit_events (id, event, registration_id, user_id, actor, at, key, details)
    SELECT gen_random_uuid(), event, id, user_id, actor, at, key,
      jsonb_build_object('door', door, 'roles', to_jsonb(roles))
    FROM registrations CROSS JOIN LATERAL (VALUES
      ('registration.requested', requested_by, accepted_at, ''),
      (CASE status WHEN 'completed' THEN 'user.registered' WHEN 'failed' THEN 'registration.failed'
        WHEN 'cancelled' THEN 'registration.cancelled' ELSE 'registration.parked' END,
        'system', coalesce(finished_at, parked_at), coalesce(user_id, ''))
    ) AS events (event, actor, at, key)
    WHERE registrations.ctid >= ${from}::tid AND registrations.ctid < ${before}::tid`;
}

/** Events that were delivered of late, so that they are not pruned, and mails that wait for their next
 * attempt. */
async function insertOutbox(sql: Sql, { delivered, waiting }: Age): Promise<void> {
  const rows = [
    ['user.created', 'webhook', delivered],
    ['invitation', 'cognito-mail', waiting],
  ] as const;
  for (const [kind, destination, count] of rows) {
    await sql`WITH told AS (
        INSERT INTO outbox (id, registration_id, kind, occurred_at)
        SELECT gen_random_uuid(), id, ${kind}, finished_at FROM registrations
        WHERE status = 'completed' LIMIT ${count}::int
        RETURNING id, occurred_at)
      INSERT INTO outbox_deliveries (outbox_id, destination, attempts, next_attempt_at, delivered_at)
      SELECT id, ${destination}, 4,
        CASE ${kind} WHEN 'invitation' THEN now() + interval '1 hour' ELSE occurred_at END,
        CASE ${kind} WHEN 'invitation' THEN NULL ELSE now() - interval '1 hour' END
      FROM told`;
  }
}
