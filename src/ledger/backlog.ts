import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { IS_WAITING, WAITS_FOR, WAITS_SINCE } from '../db/schema.ts';
import type { Backlog } from '../domain/backlog.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';
import { DESTINATIONS } from './outbox/destinations.ts';

/** Rows of each status and code, and deliveries of each destination, that are counted: so the query
 * costs the same on the worst day. The oldest open row is found however many there are. */
export const BACKLOG_BOUND = 10_000;

const BOUND = sql.raw(String(BACKLOG_BOUND));

/** What rows wait for, as `kinds` of (phase, code), found by jumps in the index past all rows of one kind. */
export const WAITING_KINDS = sql`kinds AS (
    (SELECT phase, ${WAITS_FOR} AS code FROM registrations WHERE ${IS_WAITING}
      ORDER BY phase, ${WAITS_FOR} LIMIT 1)
    UNION ALL
    SELECT next.* FROM kinds CROSS JOIN LATERAL (
      SELECT phase, ${WAITS_FOR} AS code FROM registrations WHERE ${IS_WAITING}
        AND (phase, ${WAITS_FOR}) > (kinds.phase, kinds.code)
      ORDER BY phase, ${WAITS_FOR} LIMIT 1
    ) AS next
  )`;

/** One statement over the partial indexes of open rows, and of due and given up deliveries.
 * Exported for a test that reads its plan. */
export const BACKLOG_QUERY = sql`
  WITH RECURSIVE ${WAITING_KINDS}, active AS (
    -- No index tells accepted from running: their ids come from both ends of one, and the status is
    -- looked up, so that the order of time never costs more than the bound.
    SELECT accepted_at, (SELECT status FROM registrations WHERE id = ends.id) AS status FROM (
      (SELECT id, accepted_at FROM registrations WHERE phase = 'active'
        ORDER BY accepted_at, id LIMIT ${BOUND})
      UNION
      (SELECT id, accepted_at FROM registrations WHERE phase = 'active'
        ORDER BY accepted_at DESC, id DESC LIMIT ${BOUND})
    ) AS ends
  ), open AS (
    SELECT status, NULL AS code, least(count(*), ${BOUND})::int AS count, min(accepted_at) AS since
    FROM active GROUP BY status
    UNION ALL
    SELECT kinds.phase, nullif(kinds.code, '') AS code, count, since FROM kinds,
      -- Apart, since a count in the order of time may sort every row of its kind.
      LATERAL (SELECT count(*)::int AS count FROM (
        SELECT FROM registrations WHERE ${IS_WAITING}
          AND phase = kinds.phase AND ${WAITS_FOR} = kinds.code
        LIMIT ${BOUND}) AS counted) AS counts,
      LATERAL (SELECT ${WAITS_SINCE} AS since FROM registrations WHERE ${IS_WAITING}
        AND phase = kinds.phase AND ${WAITS_FOR} = kinds.code
        ORDER BY ${WAITS_SINCE} LIMIT 1) AS oldest
  ), undelivered AS (
    SELECT outbox_id, destination
    FROM unnest(${DESTINATIONS}) AS wanted
    CROSS JOIN LATERAL (
      SELECT outbox_id, destination FROM outbox_deliveries
      WHERE destination = wanted AND delivered_at IS NULL AND given_up_at IS NULL
      ORDER BY next_attempt_at LIMIT ${BOUND}
    ) AS waiting
  )
  SELECT 'open' AS of, status AS name, code, count,
    extract(epoch FROM now() - since)::float8 AS oldest
  FROM open
  UNION ALL
  SELECT 'outbox', destination, NULL, count(*)::int,
    extract(epoch FROM now() - min(occurred_at))::float8
  FROM undelivered JOIN outbox ON outbox.id = undelivered.outbox_id GROUP BY destination
  UNION ALL
  SELECT 'given_up', destination, NULL, count(*)::int, NULL
  FROM (SELECT destination FROM outbox_deliveries WHERE given_up_at IS NOT NULL
    LIMIT ${BOUND}) AS given_up GROUP BY destination`;

/** @throws DatabaseError */
export async function readBacklog(db: Database): Promise<Backlog> {
  const rows = await atEdge(() =>
    db.execute<{
      of: 'open' | 'outbox' | 'given_up';
      name: string;
      code: string | null;
      count: number;
      oldest: number | null;
    }>(BACKLOG_QUERY),
  );
  const of = (kind: 'open' | 'outbox' | 'given_up') => rows.filter((row) => row.of === kind);
  // Another machine's clock may have stamped the row.
  const seconds = (oldest: number | null) => Math.max(0, oldest ?? 0);
  return {
    open: of('open').map(({ name, code, count, oldest }) => ({
      status: name as RegistrationStatus,
      code,
      count,
      oldestSeconds: seconds(oldest),
    })),
    outbox: of('outbox').map(({ name, count, oldest }) => ({
      destination: name,
      count,
      oldestSeconds: seconds(oldest),
    })),
    givenUp: of('given_up').map(({ name, count }) => ({ destination: name, count })),
  };
}
