import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';

/** Open rows that are looked at, and deliveries of each destination: those swept longest ago, those
 * due longest. What lies beyond is not counted, so that a look costs the same on the worst day. */
export const BACKLOG_BOUND = 10_000;

/** What waits in the ledger. Only what there is: a status without rows is not in it. */
export interface Backlog {
  readonly open: readonly {
    readonly status: RegistrationStatus;
    /** A parked row's code of FAILURES; null for the others. */
    readonly code: string | null;
    readonly count: number;
    /** Since the oldest of them was parked or, not being parked, accepted. */
    readonly oldestSeconds: number;
  }[];
  readonly outbox: readonly {
    readonly destination: string;
    readonly count: number;
    /** Since the oldest of them happened. */
    readonly oldestSeconds: number;
  }[];
  /** Deliveries that are not tried any more. */
  readonly givenUp: readonly { readonly destination: string; readonly count: number }[];
}

/** One statement over the partial indexes of open rows, and of due and given up deliveries. */
export const BACKLOG_QUERY = sql`
  WITH open AS (
    SELECT status, failure->>'code' AS code, accepted_at, parked_at FROM registrations
    WHERE status IN ('accepted', 'running', 'roles_pending', 'compensating', 'cleanup_required')
    ORDER BY swept_at LIMIT ${sql.raw(String(BACKLOG_BOUND))}
  ), undelivered AS (
    SELECT outbox_id, destination
    FROM unnest(ARRAY['amqp', 'webhook', 'cognito-mail']) AS wanted
    CROSS JOIN LATERAL (
      SELECT outbox_id, destination FROM outbox_deliveries
      WHERE destination = wanted AND delivered_at IS NULL AND given_up_at IS NULL
      ORDER BY next_attempt_at LIMIT ${sql.raw(String(BACKLOG_BOUND))}
    ) AS waiting
  )
  SELECT 'open' AS of, status AS name, CASE status WHEN 'roles_pending' THEN code END AS code,
    count(*)::int AS count,
    extract(epoch FROM now() - min(CASE status WHEN 'roles_pending'
      THEN parked_at ELSE accepted_at END))::float8 AS oldest
  FROM open GROUP BY 2, 3
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
