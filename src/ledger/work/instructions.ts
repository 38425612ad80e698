import { randomUUID } from 'node:crypto';
import { and, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';
import type { InstructionKind } from '../../domain/registration.ts';
import { appendAuditEvents } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import {
  appendWorkEvent,
  auditEventOf,
  CLOCK,
  findRow,
  selectRows,
  updateRow,
  updateRows,
  type ColumnUpdates,
  type Work,
  type WorkEvent,
  type WorkRow,
} from './work.ts';

export interface InstructionInput {
  readonly actor: string;
  readonly reason: string | null;
}

export function instructionColumns(
  kind: InstructionKind,
  { actor, reason }: InstructionInput,
): ColumnUpdates {
  return {
    instruction: kind,
    instructionActor: actor,
    instructionReason: reason,
    instructionAt: CLOCK,
    instructionAcknowledgedAt: null,
  };
}

export interface ResumeRequest extends InstructionInput {
  readonly kind: 'retry' | 'roles';
  readonly event: AuditEventName;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Which rows it fits. */
  readonly resumable: SQL;
  readonly set: ColumnUpdates;
}

/** Wants a row to go on with a full budget; a parked one is `running` again at once.
 * @returns null where it does not fit: nothing was written */
export async function requestResume<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  id: string,
  request: ResumeRequest,
): Promise<Row | null> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const row = await updateRow(tx, work, id, resumeColumns(work, request), request.resumable);
      if (row) await appendInstructionEvent(tx, work, row, request);
      return row;
    }),
  );
}

function resumeColumns<Row extends WorkRow>(
  work: Work<Row>,
  request: ResumeRequest,
): ColumnUpdates {
  return {
    ...request.set,
    ...instructionColumns(request.kind, request),
    status: sql`CASE status WHEN ${work.parkedStatus} THEN 'running' ELSE status END`,
    retriedAt: CLOCK,
    nextResumeAt: null,
    resumeAttempts: 0,
  };
}

/** As requestResume for many rows at once, each with its event. @param ids of rows that are locked and fit */
export async function resumeRows<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  ids: readonly string[],
  request: ResumeRequest,
): Promise<Row[]> {
  if (ids.length === 0) return [];
  const rows = await updateRows(
    tx,
    work,
    resumeColumns(work, request),
    and(inArray(work.table.id, [...ids]), request.resumable),
  );
  const events = rows.map((row) => auditEventOf(work, row, instructionEvent(request)));
  if (events.length > 0) await appendAuditEvents(tx, events);
  return rows;
}

export interface CancelRequest<Row> extends InstructionInput {
  readonly event: AuditEventName;
  /** Which rows are told to cancel. */
  readonly cancellable: SQL;
  /** Of the others, those in which it is only audited: they are taken back already. */
  readonly isTakenBack: (row: Row) => boolean;
}

/** Wants everything taken back. @returns null where it is too late: nothing was written */
export async function requestCancelOf<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  id: string,
  request: CancelRequest<Row>,
): Promise<{ readonly kind: 'done' | 'taken_back'; readonly row: Row } | null> {
  const columns = instructionColumns('cancel', request);
  const told = await updateRow(tx, work, id, columns, request.cancellable);
  const row = told ?? (await findRow(tx, work, id));
  if (!row || (!told && !request.isTakenBack(row))) return null;
  await appendInstructionEvent(tx, work, row, request);
  return { kind: told ? 'done' : 'taken_back', row };
}

export async function appendInstructionEvent<Row extends WorkRow>(
  tx: Transaction,
  work: Work<Row>,
  row: Row,
  request: Pick<ResumeRequest, 'event' | 'actor' | 'details'>,
): Promise<void> {
  await appendWorkEvent(tx, work, row, instructionEvent(request));
}

function instructionEvent({
  event,
  actor,
  details,
}: Pick<ResumeRequest, 'event' | 'actor' | 'details'>): WorkEvent {
  // The reason is free text, and the trail cannot be erased: it stays in the row.
  return { event, actor, key: randomUUID(), ...(details && { details }) };
}

/** Instructions older than `olderThanMs` that no run has taken: the API died before sending them. */
export async function undelivered<Row extends WorkRow>(
  db: Database,
  work: Work<Row>,
  olderThanMs: number,
  limit: number,
  also?: SQL,
): Promise<Row[]> {
  return await atEdge(() =>
    selectRows(
      db,
      work,
      and(
        work.open,
        sql`instruction IS NOT NULL AND instruction_acknowledged_at IS NULL`,
        sql`instruction_at < now() - make_interval(secs => ${olderThanMs / 1000})`,
        also,
      ),
      { limit, orderBy: [work.table.instructionAt] },
    ),
  );
}
