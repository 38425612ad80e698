import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import {
  CHANGE_WAITS_FOR,
  CHANGE_WAITS_SINCE,
  IS_WAITING,
  WAITS_FOR,
  WAITS_SINCE,
} from '../db/schema.ts';
import type { Backlog } from '../domain/backlog.ts';
import type { ChangeStatus } from '../domain/change.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';
import { DESTINATIONS } from './outbox/destinations.ts';

/** Rows of each status and code, and deliveries of each destination, that are counted: so the query
 * costs the same on the worst day. The oldest open row is found however many there are. */
export const BACKLOG_BOUND = 10_000;

const BOUND = sql.raw(String(BACKLOG_BOUND));

/** Rows that wait, as an index has them: by state, then by what they wait for, then since when. */
interface WaitingRows {
  readonly table: SQL;
  readonly where: SQL;
  readonly state: SQL;
  readonly waitsFor: SQL;
  readonly since: SQL;
}

const REGISTRATIONS: WaitingRows = {
  table: sql.raw('registrations'),
  where: IS_WAITING,
  state: sql.raw('phase'),
  waitsFor: WAITS_FOR,
  since: WAITS_SINCE,
};

const CHANGES: WaitingRows = {
  table: sql.raw('changes'),
  where: sql.raw('open'),
  state: sql.raw('status'),
  waitsFor: CHANGE_WAITS_FOR,
  since: CHANGE_WAITS_SINCE,
};

/** What rows wait for, as `kinds` of (state, code), found by jumps in the index past all rows of one kind. */
function waitingKinds(name: SQL, { table, where, state, waitsFor }: WaitingRows): SQL {
  return sql`${name} AS (
    (SELECT ${state} AS state, ${waitsFor} AS code FROM ${table} WHERE ${where}
      ORDER BY ${state}, ${waitsFor} LIMIT 1)
    UNION ALL
    SELECT next.* FROM ${name} AS kinds CROSS JOIN LATERAL (
      SELECT ${state} AS state, ${waitsFor} AS code FROM ${table} WHERE ${where}
        AND (${state}, ${waitsFor}) > (kinds.state, kinds.code)
      ORDER BY ${state}, ${waitsFor} LIMIT 1
    ) AS next
  )`;
}

/** How many rows wait of each kind, and since when the oldest of them. */
function waitingCounts(name: SQL, { table, where, state, waitsFor, since }: WaitingRows): SQL {
  const ofKind = sql`${table} WHERE ${where} AND ${state} = kinds.state AND ${waitsFor} = kinds.code`;
  return sql`SELECT kinds.state AS status, nullif(kinds.code, '') AS code, count, since
    FROM ${name} AS kinds,
      -- Apart, since a count in the order of time may sort every row of its kind.
      LATERAL (SELECT count(*)::int AS count FROM (
        SELECT FROM ${ofKind} LIMIT ${BOUND}) AS counted) AS counts,
      LATERAL (SELECT ${since} AS since FROM ${ofKind} ORDER BY ${since} LIMIT 1) AS oldest`;
}

/** Registrations that wait, as `kinds` of (state, code). */
export const WAITING_KINDS = waitingKinds(sql.raw('kinds'), REGISTRATIONS);
/** Open changes, as `change_kinds` of (state, code). */
export const CHANGE_WAITING_KINDS = waitingKinds(sql.raw('change_kinds'), CHANGES);

/** One statement over the partial indexes of open rows, and of due and given up deliveries.
 * Exported for a test that reads its plan. */
export const BACKLOG_QUERY = sql`
  WITH RECURSIVE ${WAITING_KINDS}, ${CHANGE_WAITING_KINDS}, active AS (
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
    ${waitingCounts(sql.raw('kinds'), REGISTRATIONS)}
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
  SELECT 'changes', status, code, count, extract(epoch FROM now() - since)::float8
  FROM (${waitingCounts(sql.raw('change_kinds'), CHANGES)}) AS changes
  UNION ALL
  SELECT 'outbox', destination, NULL, count(*)::int,
    extract(epoch FROM now() - min(occurred_at))::float8
  FROM undelivered JOIN outbox ON outbox.id = undelivered.outbox_id GROUP BY destination
  UNION ALL
  SELECT 'given_up', destination, NULL, count(*)::int, NULL
  FROM (SELECT destination FROM outbox_deliveries WHERE given_up_at IS NOT NULL
    LIMIT ${BOUND}) AS given_up GROUP BY destination`;

type Part = 'open' | 'changes' | 'outbox' | 'given_up';

/** @throws DatabaseError */
export async function readBacklog(db: Database): Promise<Backlog> {
  const rows = await atEdge(() =>
    db.execute<{
      of: Part;
      name: string;
      code: string | null;
      count: number;
      oldest: number | null;
    }>(BACKLOG_QUERY),
  );
  const of = (kind: Part) => rows.filter((row) => row.of === kind);
  // Another machine's clock may have stamped the row.
  const seconds = (oldest: number | null) => Math.max(0, oldest ?? 0);
  return {
    open: of('open').map(({ name, code, count, oldest }) => ({
      status: name as RegistrationStatus,
      code,
      count,
      oldestSeconds: seconds(oldest),
    })),
    changes: of('changes').map(({ name, code, count, oldest }) => ({
      status: name as ChangeStatus,
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
