import { eq, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { SYSTEM_ACTOR, type AuditEventName } from '../../domain/audit-event.ts';
import { atEdge, DatabaseError } from '../database-error.ts';
import {
  appendWorkEvent,
  selectRows,
  updateRow,
  updateRows,
  type Work,
  type WorkRow,
} from './work.ts';

/** A trail that refuses must not keep what was taken back from being recorded: the row remembers what is
 * missing from it. */
export async function appendOrRemember<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  row: Row,
  event: AuditEventName,
  details: Readonly<Record<string, unknown>>,
): Promise<Row> {
  if (await appended(tx, work, row, event, details)) return row;
  const unrecordedEvents = sql`array_append(unrecorded_events, ${event}::text)`;
  return (await updateRow(tx, work, row.id, { unrecordedEvents })) ?? row;
}

/** Appends what the trail refused when it happened. @returns how many */
export async function appendUnrecordedOf<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  limit: number,
): Promise<number> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const missing = sql`unrecorded_events <> '{}'`;
      const rows = await selectRows(tx, work, missing, { limit, lock: 'skipLocked' });
      let count = 0;
      for (const row of rows) {
        for (const event of row.unrecordedEvents) {
          const details = { code: row.failure?.code ?? null };
          if (!(await appended(tx, work, row, event, details))) continue;
          count += 1;
          await updateRows(
            tx,
            work,
            { unrecordedEvents: sql`array_remove(unrecorded_events, ${event}::text)` },
            eq(work.table.id, row.id),
          );
        }
      }
      return count;
    }),
  );
}

/** In a savepoint. @returns false when the trail refuses it definitively */
async function appended<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  row: Row,
  event: AuditEventName,
  details: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  // A retry takes the place of an instruction to cancel: who asked for it did not cancel.
  const actor =
    row.instruction === 'cancel' ? (row.instructionActor ?? SYSTEM_ACTOR) : SYSTEM_ACTOR;
  try {
    await atEdge(() =>
      tx.transaction((savepoint) =>
        appendWorkEvent(savepoint, work, row, { event, actor, details }),
      ),
    );
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.definitive) return false;
    throw error;
  }
}
