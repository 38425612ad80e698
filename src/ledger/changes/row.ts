import { getTableColumns, sql, type InferSelectModel } from 'drizzle-orm';
import { changes } from '../../db/schema.ts';
import type { Change } from '../../domain/change.ts';

/** What every read of a change selects or returns: the row, and PostgreSQL's clock. */
export const CHANGE_ROW = {
  ...getTableColumns(changes),
  readAt: sql<Date>`clock_timestamp()`.mapWith(changes.acceptedAt),
};

export type ChangeRow = InferSelectModel<typeof changes> & { readonly readAt: Date };

export function toChange(row: ChangeRow): Change {
  const {
    instruction,
    instructionActor,
    instructionReason,
    instructionAt,
    instructionAcknowledgedAt,
    open: _open,
    visibility: _visibility,
    failureCode: _failureCode,
    keyScope: _keyScope,
    requestHash: _requestHash,
    reason: _reason,
    sweptAt: _sweptAt,
    readAt,
    ...same
  } = row;
  return {
    ...same,
    instruction:
      instruction && instructionActor && instructionAt
        ? {
            kind: instruction,
            actor: instructionActor,
            reason: instructionReason,
            at: instructionAt,
            acknowledgedAt: instructionAcknowledgedAt,
          }
        : null,
    readAt: { database: readAt, monotonicMs: performance.now() },
  };
}
