import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { RETRY_CODE } from '../../db/schema.ts';
import { atEdge } from '../database-error.ts';
import { resumeRows, type ResumeRequest } from './instructions.ts';
import { visible, type Caller, type VisibleTable } from './visibility.ts';
import type { Work, WorkRow } from './work.ts';

/** Rows that `remaining` counts. */
export const REMAINING_BOUND = 10_000;
/** Different sets of roles among the waiting rows that are looked at for a caller who does not see all. */
const ROLE_SETS = 1000;

/** A table with rows that wait for a retry, and an index of them for each kind of caller. */
export interface RetriableTable extends VisibleTable {
  /** The predicate of both indexes, word for word. */
  readonly retriable: SQL;
  /** The column with the status, as the indexes name it. */
  readonly status: SQL;
}

export interface RetryFilter {
  readonly visibleTo: Caller;
  readonly status: string;
  /** null: whatever they wait for. */
  readonly failureCode: string | null;
  readonly limit: number;
}

export interface RetriedMany {
  readonly rows: readonly { readonly id: string; readonly userId: string | null }[];
  /** How many more match, counted up to 10,000. */
  readonly remaining: number;
}

/**
 * Wants many rows retried, in one transaction: those least recently retried first, so that a repeat reaches
 * all of them. A row that somebody else is changing now is left out.
 */
export async function retryMany<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  of: RetriableTable,
  filter: RetryFilter,
  request: ResumeRequest,
): Promise<RetriedMany> {
  const query = pickQuery(of, filter, request.resumable);
  return await atEdge(() =>
    db.transaction(async (tx) => {
      await tx.execute(IN_ORDER_OF_THE_INDEX);
      const [picked] = await tx.execute<{ ids: string[] | null; matching: number }>(query);
      const rows = await resumeRows(tx, work, picked?.ids ?? [], request);
      return {
        rows: rows.map(({ id, userId }) => ({ id, userId })),
        remaining: Math.max(0, (picked?.matching ?? 0) - rows.length),
      };
    }),
  );
}

// The planner cannot know how many rows a range has: it would read and sort all of them.
const IN_ORDER_OF_THE_INDEX = sql`SELECT set_config('enable_sort', 'off', true),
  set_config('enable_bitmapscan', 'off', true)`;

/** Locks the rows, and counts those that match. */
function pickQuery(of: RetriableTable, filter: RetryFilter, resumable: SQL): SQL {
  const { table, retriable, status: column } = of;
  const { limit, visibleTo, status } = filter;
  const waits = sql`${retriable} AND ${column} = ${status} AND (${resumable})`;
  const inRange = sql`${waits} AND ${RETRY_CODE} = ranges.code
    ${visibleTo.grants === '*' ? sql`` : sql`AND visibility = ranges.visibility`}`;
  return sql`WITH RECURSIVE ${rangesOf(of, filter)},
    next AS (
      SELECT of_range.id FROM ranges CROSS JOIN LATERAL (
        SELECT id, retried_at FROM ${table} WHERE ${inRange}
        ORDER BY retried_at NULLS FIRST, id LIMIT ${limit}
      ) AS of_range ORDER BY of_range.retried_at NULLS FIRST, of_range.id LIMIT ${limit}
    ),
    picked AS (
      SELECT id FROM ${table}
      WHERE id IN (SELECT id FROM next) AND ${waits} AND ${visible(of, visibleTo) ?? sql`true`}
      FOR UPDATE SKIP LOCKED
    )
    SELECT (SELECT array_agg(id) FROM picked) AS ids, (
      SELECT count(*)::int FROM (
        SELECT FROM ranges CROSS JOIN LATERAL (
          SELECT FROM ${table} WHERE ${inRange} LIMIT ${REMAINING_BOUND + limit}
        ) AS of_range LIMIT ${REMAINING_BOUND + limit}
      ) AS counted) AS matching`;
}

/** The ranges of the index, as `ranges` of (visibility, code): found by jumps past all rows of one. */
function rangesOf(of: RetriableTable, filter: RetryFilter): SQL {
  const { visibleTo, failureCode } = filter;
  const sets =
    visibleTo.grants === '*'
      ? sql`sets AS (SELECT NULL::text AS visibility)`
      : visibleSets(of, filter, visibleTo.callerId, visibleTo.grants);
  if (failureCode === null) return sql`${sets}, ${codesOf(of, filter)}`;
  return sql`${sets}, ranges AS (SELECT visibility, ${failureCode}::text AS code FROM sets)`;
}

// Rows are compared as the index orders them, and what lies behind a range is dropped afterwards: with an
// equality instead the planner may read another index, and with it the rows of all others.

function visibleSets(
  { table, retriable, status: column, roles }: RetriableTable,
  { status }: RetryFilter,
  callerId: string,
  grants: ReadonlySet<string>,
): SQL {
  const next = (state: SQL, visibility: SQL) => sql`SELECT ${column} AS state, visibility,
      ${roles} AS roles FROM ${table}
    WHERE ${retriable} AND (${column}, visibility) > (${state}, ${visibility})
    ORDER BY ${column}, visibility LIMIT 1`;
  return sql`all_sets AS (
      (${next(sql`${status}`, sql`'roles:'`)})
      UNION ALL
      SELECT following.* FROM all_sets
      CROSS JOIN LATERAL (${next(sql`all_sets.state`, sql`all_sets.visibility`)}) AS following
      WHERE all_sets.state = ${status}
    ),
    sets AS (
      SELECT visibility FROM (SELECT * FROM all_sets LIMIT ${ROLE_SETS}) AS looked_at
      WHERE state = ${status} AND roles <@ ${sql.param([...grants])}::text[]
      UNION ALL SELECT ${`requester:${callerId}`}
    )`;
}

/** What the rows of each set wait for. */
function codesOf(
  { table, retriable, status: column }: RetriableTable,
  { status, visibleTo }: RetryFilter,
): SQL {
  const seesAll = visibleTo.grants === '*';
  const key = seesAll ? sql`${column}` : sql`${column}, visibility`;
  const next = (after: SQL, visibility: SQL, code: SQL) => {
    const from = seesAll ? sql`${status}` : sql`${status}, ${visibility}`;
    return sql`SELECT ${column} AS state, visibility, ${RETRY_CODE} AS code FROM ${table}
      WHERE ${retriable} AND (${key}, ${RETRY_CODE}) ${after} (${from}, ${code})
      ORDER BY ${key}, ${RETRY_CODE} LIMIT 1`;
  };
  const isIn = (set: SQL) => (seesAll ? sql`true` : sql`found.visibility = ${set}`);
  return sql`ranges AS (
      SELECT sets.visibility, found.code FROM sets
      CROSS JOIN LATERAL (${next(sql`>=`, sql`sets.visibility`, sql`''`)}) AS found
      WHERE found.state = ${status} AND ${isIn(sql`sets.visibility`)}
      UNION ALL
      SELECT ranges.visibility, found.code FROM ranges
      CROSS JOIN LATERAL (${next(sql`>`, sql`ranges.visibility`, sql`ranges.code`)}) AS found
      WHERE found.state = ${status} AND ${isIn(sql`ranges.visibility`)}
    )`;
}
