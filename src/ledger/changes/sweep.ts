import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { Change } from '../../domain/change.ts';
import { atEdge } from '../database-error.ts';
import { textArray } from '../work/steps.ts';
import { ageMsOf, openRowsOf, recordSweptOf, withoutNewRun, type SweptRow } from '../work/sweep.ts';
import { CHANGE_WORK } from './row.ts';

export interface OpenChangeRow extends SweptRow, Pick<Change, 'userId' | 'status'> {
  /** Since it was accepted, by PostgreSQL's clock. */
  readonly ageMs: number;
}

/** Open changes that no sweep has looked at since `sweptBefore`; see `openRowsOf`. */
export async function openChanges(
  db: Database,
  limit: number,
  sweptBefore: Date,
): Promise<OpenChangeRow[]> {
  const rows = await openRowsOf(db, CHANGE_WORK, limit, sweptBefore);
  return rows.map((row) => {
    const { id, userId, status, runId } = row;
    return { id, userId, status, runId, ageMs: ageMsOf(row) };
  });
}

/** Those of these open changes that no other run than the known one has looked at. */
export async function changesNotBegun(
  db: Database,
  rows: readonly OpenChangeRow[],
): Promise<OpenChangeRow[]> {
  return await withoutNewRun(db, CHANGE_WORK, rows);
}

export async function recordChangesSwept(db: Database, ids: readonly string[]): Promise<void> {
  await recordSweptOf(db, CHANGE_WORK, ids);
}

/** Those of these persons who have no open change: a run that waits for one of them is to be woken. */
export async function withoutOpenChanges(
  db: Database,
  userIds: readonly string[],
): Promise<string[]> {
  if (userIds.length === 0) return [];
  const rows = await atEdge(() =>
    db.execute<{ id: string }>(sql`SELECT person AS id FROM unnest(${textArray(userIds)}) AS person
      WHERE NOT EXISTS (SELECT FROM changes WHERE user_id = person AND open)`),
  );
  return rows.map(({ id }) => id);
}
