import { and, inArray, lt, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { atEdge } from '../database-error.ts';
import { CLOCK, selectRows, updateRows, type Work, type WorkRow } from './work.ts';

/** A row that a sweep looks at. */
export interface SweptRow {
  readonly id: string;
  /** The run that looked at it last. */
  readonly runId: string | null;
}

/** Since a row was accepted, by PostgreSQL's clock. */
export function ageMsOf({ acceptedAt, readAt }: { acceptedAt: Date; readAt: Date }): number {
  return readAt.getTime() - acceptedAt.getTime();
}

/** Open rows that no sweep has looked at since `sweptBefore`, those looked at longest ago first. A new
 * row counts from when it was accepted, so that a flood of new rows delays no other. */
export async function openRowsOf<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  limit: number,
  sweptBefore: Date,
  kind?: SQL,
): Promise<Row[]> {
  const where = and(work.open, lt(work.table.sweptAt, sweptBefore), kind);
  return await atEdge(() => selectRows(db, work, where, { limit, orderBy: [work.table.sweptAt] }));
}

/** Those of these open rows that no other run than the known one has looked at. */
export async function withoutNewRun<Row extends WorkRow, Swept extends SweptRow>(
  db: Database,
  work: Work<Row>,
  rows: readonly Swept[],
): Promise<Swept[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const where = and(work.open, inArray(work.table.id, ids));
  const now = await atEdge(() => selectRows(db, work, where, { limit: ids.length }));
  const runIds = new Map(now.map(({ id, runId }) => [id, runId]));
  return rows.filter(({ id, runId }) => runIds.get(id) === runId);
}

export async function recordSweptOf<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await atEdge(() => updateRows(db, work, { sweptAt: CLOCK }, inArray(work.table.id, [...ids])));
}
