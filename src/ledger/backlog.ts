import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { IS_OPEN, WAITS_FOR, WAITS_SINCE } from '../db/schema.ts';
import type { Backlog } from '../domain/backlog.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';
import { DESTINATIONS } from './outbox/destinations.ts';

/** Rows of each status and code, and deliveries of each destination, that are counted: so the query
 * costs the same on the worst day. The oldest open row is found however many there are. */
export const BACKLOG_BOUND = 10_000;

/** One statement over the partial indexes of open rows, and of due and given up deliveries.
 * Exported for a test that reads its plan. */
export const BACKLOG_QUERY = sql`
  WITH RECURSIVE kinds AS (
    (SELECT status, ${WAITS_FOR} AS code FROM registrations WHERE ${IS_OPEN}
      ORDER BY status, ${WAITS_FOR} LIMIT 1)
    UNION ALL
    -- Jumps to the next kind in the index, past all rows of this one.
    SELECT next.* FROM kinds CROSS JOIN LATERAL (
      SELECT status, ${WAITS_FOR} AS code FROM registrations WHERE ${IS_OPEN}
        AND (status, ${WAITS_FOR}) > (kinds.status, kinds.code)
      ORDER BY status, ${WAITS_FOR} LIMIT 1
    ) AS next
  ), open AS (
    SELECT kinds.status, nullif(kinds.code, '') AS code, count, since FROM kinds,
      -- Apart, since a count in the order of time may sort every row of its kind.
      LATERAL (SELECT count(*)::int AS count FROM (
        SELECT FROM registrations WHERE ${IS_OPEN}
          AND status = kinds.status AND ${WAITS_FOR} = kinds.code
        LIMIT ${sql.raw(String(BACKLOG_BOUND))}) AS counted) AS counts,
      LATERAL (SELECT ${WAITS_SINCE} AS since FROM registrations WHERE ${IS_OPEN}
        AND status = kinds.status AND ${WAITS_FOR} = kinds.code
        ORDER BY ${WAITS_SINCE} LIMIT 1) AS oldest
  ), undelivered AS (
    SELECT outbox_id, destination
    FROM unnest(${DESTINATIONS}) AS wanted
    CROSS JOIN LATERAL (
      SELECT outbox_id, destination FROM outbox_deliveries
      WHERE destination = wanted AND delivered_at IS NULL AND given_up_at IS NULL
      ORDER BY next_attempt_at LIMIT ${sql.raw(String(BACKLOG_BOUND))}
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
    LIMIT ${sql.raw(String(BACKLOG_BOUND))}) AS given_up GROUP BY destination`;

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
