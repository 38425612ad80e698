import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { CHANGE_IS_PARKED, changes } from '../../db/schema.ts';
import { SYSTEM_ACTOR } from '../../domain/audit-event.ts';
import { OVERTAKING, type Change } from '../../domain/change.ts';
import { atEdge } from '../database-error.ts';
import {
  requestResume,
  undelivered,
  type InstructionInput,
  type ResumeRequest,
} from '../work/instructions.ts';
import { acknowledge } from '../work/park.ts';
import {
  retryMany,
  type RetriableTable,
  type RetriedMany,
  type RetryFilter,
} from '../work/retry-many.ts';
import { textArray } from '../work/steps.ts';
import { selectRow } from '../work/work.ts';
import { cancelChange } from './cancel.ts';
import { CHANGE_WORK, toChange, type OnChangeStatusChanged } from './row.ts';

/** Wants a parked change resumed, also one that puts everything back: it is `running` again at once. */
export async function requestChangeRetry(
  db: Database,
  id: string,
  instruction: InstructionInput,
): Promise<{ readonly kind: 'done'; readonly change: Change } | { readonly kind: 'not_parked' }> {
  const row = await requestResume(db, CHANGE_WORK, id, retryRequest(instruction));
  return row ? { kind: 'done', change: toChange(row) } : { kind: 'not_parked' };
}

function retryRequest(instruction: InstructionInput): ResumeRequest {
  return {
    ...instruction,
    kind: 'retry',
    event: 'change.retry_requested',
    // An instruction to cancel stands until everything is being put back.
    resumable: sql`status = 'parked'
      AND (instruction IS DISTINCT FROM 'cancel' OR restores_as IS NOT NULL)`,
    set: { failure: sql`restoring_failure` },
  };
}

const RETRIABLE: RetriableTable = {
  table: sql.raw('changes'),
  roles: sql.raw('person_roles'),
  retriable: CHANGE_IS_PARKED,
  status: sql.raw('status'),
};

/** As requestChangeRetry for many at once, each with its audit event, in one transaction.
 * @returns also the persons whose runs are to be woken */
export async function requestRetryOfManyChanges(
  db: Database,
  instruction: InstructionInput,
  filter: Omit<RetryFilter, 'status'>,
): Promise<RetriedMany> {
  const parked = { ...filter, status: 'parked' };
  return await retryMany(db, CHANGE_WORK, RETRIABLE, parked, retryRequest(instruction));
}

/**
 * Wants a change cancelled. `closed`: it had not begun, and is cancelled at once · `done`: its run puts
 * everything back · `restoring`: it does so already; audited, and nothing changes.
 */
export async function requestChangeCancel(
  db: Database,
  id: string,
  instruction: InstructionInput,
  onStatusChanged?: OnChangeStatusChanged,
): Promise<
  | { readonly kind: 'closed' | 'done' | 'restoring'; readonly change: Change }
  | { readonly kind: 'already_closed' }
> {
  const told = await atEdge(() => db.transaction((tx) => cancelChange(tx, id, instruction)));
  if (!told) return { kind: 'already_closed' };
  const change = toChange(told.row);
  if (told.kind === 'closed') onStatusChanged?.(change);
  return { kind: told.kind, change };
}

/** The run of the person was cancelled in Temporal while it performed this change: the instruction to
 * cancel, where the change can be cancelled and nobody has given it. Repeatable. */
export async function cancelRunningChange(
  db: Database,
  id: string,
  onStatusChanged?: OnChangeStatusChanged,
): Promise<Change> {
  const { row, closed } = await atEdge(() =>
    db.transaction(async (tx) => {
      const found = await selectRow(tx, CHANGE_WORK, id, 'update');
      if (found.instruction === 'cancel' || found.restoresAs !== null) {
        return { row: found, closed: false };
      }
      const told = await cancelChange(tx, id, { actor: SYSTEM_ACTOR, reason: null });
      return { row: told?.row ?? found, closed: told?.kind === 'closed' };
    }),
  );
  const change = toChange(row);
  if (closed) onStatusChanged?.(change);
  return change;
}

/** The run has seen the instruction to retry. The returned row says what is wanted now. */
export async function acknowledgeChangeInstruction(db: Database, id: string): Promise<Change> {
  return toChange(await acknowledge(db, CHANGE_WORK, id));
}

/** Instructions older than `olderThanMs` that no run has taken: the API died before sending them. Not
 * those of changes that wait behind one that overtakes them: its steps would be interrupted in vain. */
export async function undeliveredChangeInstructions(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<{ id: string; userId: string }[]> {
  const isOvertaken = sql`kind = 'roles' AND EXISTS (SELECT FROM changes AS later
    WHERE later.user_id = ${changes.userId} AND later.open AND later.position > ${changes.position}
      AND later.kind = ANY(${textArray(OVERTAKING)}))`;
  const isNext = sql`NOT (${isOvertaken})`;
  const rows = await undelivered(db, CHANGE_WORK, olderThanMs, limit, isNext);
  return rows.map(({ id, userId }) => ({ id, userId }));
}
