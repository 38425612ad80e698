import { getTableColumns, sql, type InferSelectModel } from 'drizzle-orm';
import { changes } from '../../db/schema.ts';
import type { Change } from '../../domain/change.ts';
import { instructionOf, readAtOf, type Work } from '../work/work.ts';

/** What every read of a change selects or returns: the row, and PostgreSQL's clock. */
export const CHANGE_ROW = {
  ...getTableColumns(changes),
  readAt: sql<Date>`clock_timestamp()`.mapWith(changes.acceptedAt),
};

export type ChangeRow = InferSelectModel<typeof changes> & { readonly readAt: Date };

/** Told once, after the commit, by the call that really moved the row; a repeat moves nothing. */
export type OnChangeStatusChanged = (change: Change) => void;

const OPEN = sql.raw('open');

export const CHANGE_WORK: Work<ChangeRow> = {
  table: changes,
  row: CHANGE_ROW,
  open: OPEN,
  // One that is being put back may park too: it has no other way to wait.
  forward: OPEN,
  parkedStatus: 'parked',
  parked: sql.raw(`status = 'parked'`),
  events: { parked: 'change.parked', resumed: 'change.resumed' },
  registrationId: changes.registrationId,
  named: ({ id, registrationId }, key) => ({
    registrationId,
    key: key === '' ? id : `${id}/${key}`,
    details: { changeId: id },
  }),
};

export function toChange(row: ChangeRow): Change {
  const {
    instructionActor: _actor,
    instructionReason: _instructionReason,
    instructionAt: _at,
    instructionAcknowledgedAt: _acknowledgedAt,
    open: _open,
    visibility: _visibility,
    failureCode: _failureCode,
    keyScope: _keyScope,
    requestHash: _requestHash,
    retriedAt: _retriedAt,
    sweptAt: _sweptAt,
    ...same
  } = row;
  return {
    ...same,
    instruction: instructionOf(row),
    readAt: readAtOf(row),
  };
}
