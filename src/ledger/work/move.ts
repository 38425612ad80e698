import type { Transaction } from '../../db/client.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import { appendOrRemember } from './unrecorded-events.ts';
import { selectRow, updateRow, type ColumnUpdates, type Work, type WorkRow } from './work.ts';

/** A change of status, and the event that the audit trail gets of it. */
export interface Move {
  readonly set: ColumnUpdates;
  readonly event: AuditEventName;
  readonly details: Readonly<Record<string, unknown>>;
  /** What belongs to the move, after the row has made it. */
  readonly andThen?: (tx: Transaction) => Promise<void>;
}

/** Locks a row and makes the move that `decide` says; null leaves the row as it is.
 * @returns the row as it is afterwards, and whether this call moved it */
export async function moveLocked<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  id: string,
  decide: (found: Row) => Move | null,
): Promise<{ readonly row: Row; readonly moved: boolean }> {
  const found = await selectRow(tx, work, id, 'update');
  const move = decide(found);
  if (!move) return { row: found, moved: false };
  const changed = (await updateRow(tx, work, id, move.set)) ?? found;
  const row = await appendOrRemember(tx, work, changed, move.event, move.details);
  await move.andThen?.(tx);
  return { row, moved: true };
}
