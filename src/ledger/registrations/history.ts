import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { FAILURES, type FailureCode } from '../../domain/failure.ts';
import { atEdge } from '../database-error.ts';

/** Registrations of one phase and interval, or of one code, that are counted: so a query costs the same
 * however large the ledger is. */
export const HISTORY_BOUND = 10_000;

const BOUND = sql.raw(String(HISTORY_BOUND));

/** What a history may look back at: whole hours or days of UTC, the present one included. */
export const HISTORY_SPANS = {
  day: { unit: 'hour', hours: 1, intervals: 24 },
  fortnight: { unit: 'day', hours: 24, intervals: 14 },
} as const;
export type HistorySpan = keyof typeof HISTORY_SPANS;

/** Registrations that were accepted in one hour or day, by what has become of them. */
export interface HistoryInterval {
  readonly startsAt: Date;
  readonly completed: number;
  /** Failed or cancelled. */
  readonly ended: number;
  readonly open: number;
}

export interface History {
  /** The oldest first. */
  readonly intervals: readonly HistoryInterval[];
  /** What those that failed ended with, and what those that are parked wait for; the most frequent first. */
  readonly failureCodes: readonly { readonly code: FailureCode; readonly count: number }[];
}

/** Phases, as the column `phase` has them, by outcome. */
const PHASES = {
  completed: ['completed'],
  ended: ['failed', 'cancelled'],
  open: ['active', 'roles_pending', 'compensating', 'cleanup_required'],
} as const;
const CODES = [...new Set(Object.values(FAILURES).map(({ code }): FailureCode => code))];

/** The registrations of the past, for callers that see all of them. @throws DatabaseError */
export async function readHistory(db: Database, span: HistorySpan): Promise<History> {
  return await atEdge(async () => {
    const [intervals, failureCodes] = await Promise.all([
      readIntervals(db, span),
      readFailureCodes(db, span),
    ]);
    return { intervals, failureCodes };
  });
}

async function readIntervals(db: Database, span: HistorySpan): Promise<HistoryInterval[]> {
  const length = lengthOf(span);
  const rows = await db.execute<{ starts_at: string; phase: string; count: number }>(sql`
    SELECT starts_at, phase, count
    FROM generate_series(${firstStart(span)}, ${lastStart(span)}, ${length}) AS starts_at
    CROSS JOIN unnest(${sql.param(Object.values(PHASES).flat())}::text[]) AS phases(phase)
    CROSS JOIN LATERAL (SELECT count(*)::int AS count FROM (
      SELECT FROM registrations WHERE phase = phases.phase
        AND accepted_at >= starts_at AND accepted_at < starts_at + ${length}
      -- In the order of the index, or PostgreSQL collects all rows before it counts the first.
      ORDER BY accepted_at DESC, id DESC LIMIT ${BOUND}) AS counted) AS counts
    ORDER BY starts_at`);
  const starts = [...new Set(rows.map(({ starts_at }) => starts_at))];
  return starts.map((start) => {
    const counted = rows.filter(({ starts_at }) => starts_at === start);
    const count = (phases: readonly string[]) =>
      counted.reduce((sum, row) => sum + (phases.includes(row.phase) ? row.count : 0), 0);
    return {
      startsAt: new Date(start),
      completed: count(PHASES.completed),
      ended: count(PHASES.ended),
      open: count(PHASES.open),
    };
  });
}

async function readFailureCodes(db: Database, span: HistorySpan): Promise<History['failureCodes']> {
  const rows = await db.execute<{ code: FailureCode; count: number }>(sql`
    SELECT code, count FROM unnest(${sql.param(CODES)}::text[]) AS code
    CROSS JOIN LATERAL (SELECT count(*)::int AS count FROM (
      SELECT FROM registrations WHERE failure_code = code AND accepted_at >= ${firstStart(span)}
      ORDER BY accepted_at DESC, id DESC LIMIT ${BOUND}) AS counted) AS counts
    WHERE count > 0 ORDER BY count DESC, code`);
  return rows.map(({ code, count }) => ({ code, count }));
}

function lengthOf(span: HistorySpan) {
  return sql.raw(`interval '${HISTORY_SPANS[span].hours} hours'`);
}

function lastStart(span: HistorySpan) {
  return sql.raw(`date_trunc('${HISTORY_SPANS[span].unit}', now(), 'UTC')`);
}

function firstStart(span: HistorySpan) {
  return sql`(${lastStart(span)} - ${sql.raw(String(HISTORY_SPANS[span].intervals - 1))} * ${lengthOf(span)})`;
}
