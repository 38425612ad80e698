import { inArray, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { IS_RETRIABLE, registrations } from '../../db/schema.ts';
import { appendAuditEvents } from '../audit/audit-trail.ts';
import { atEdge } from '../database-error.ts';
import { pickForRetry, type RetriableTable, type RetryFilter } from '../work/pick-for-retry.ts';
import { instructionEvent, resumeColumns, type InstructionInput } from './instructions.ts';

const RETRIABLE: RetriableTable = {
  table: sql.raw('registrations'),
  retriable: IS_RETRIABLE,
  status: sql.raw('phase'),
  roles: sql.raw('roles'),
};

/** Status of registrations that many of can be retried at once. */
export const RETRIED_STATUSES = ['roles_pending', 'cleanup_required'] as const;

export interface RetryManyInput extends InstructionInput, RetryFilter {
  readonly status: (typeof RETRIED_STATUSES)[number];
}

/**
 * Wants many registrations retried, as requestRetry does for one, each with its audit event, in one
 * transaction.
 * @returns the ids, and how many more match, counted up to 10,000
 */
export async function requestRetryOfMany(
  db: Database,
  input: RetryManyInput,
): Promise<{ ids: string[]; remaining: number }> {
  return await atEdge(() =>
    db.transaction(async (tx) => {
      const { ids, matching } = await pickForRetry(tx, RETRIABLE, input);
      if (ids.length === 0) return { ids, remaining: matching };
      const rows = await tx
        .update(registrations)
        .set(resumeColumns('retry', input))
        .where(inArray(registrations.id, ids))
        .returning({ id: registrations.id, userId: registrations.userId });
      await appendAuditEvents(
        tx,
        rows.map((row) => instructionEvent(row, 'registration.retry_requested', input, {})),
      );
      return { ids, remaining: matching - ids.length };
    }),
  );
}
