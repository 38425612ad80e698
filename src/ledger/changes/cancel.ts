import { sql } from 'drizzle-orm';
import type { Transaction } from '../../db/client.ts';
import { isOpenChange, NOT_CANCELLABLE } from '../../domain/change.ts';
import { publicFailure } from '../../domain/failure.ts';
import { leaveQuotaQueues } from '../quota.ts';
import { requestCancelOf, type InstructionInput } from '../work/instructions.ts';
import { moveLocked, type Move } from '../work/move.ts';
import { textArray } from '../work/steps.ts';
import { ACKNOWLEDGED, CLOCK } from '../work/work.ts';
import { CHANGE_WORK, type ChangeRow } from './row.ts';

/** Still to be performed, and may be cancelled: a sign-out or a deletion only before it has begun. */
const CANCELLABLE = sql`open AND restores_as IS NULL
  AND (begun_at IS NULL OR NOT kind = ANY(${textArray(NOT_CANCELLABLE)}))`;

/**
 * Wants a change cancelled. One that has not begun is closed at once: nothing was written to Cognito.
 * @returns null where it is too late: nothing was written
 */
export async function cancelChange(
  tx: Transaction,
  id: string,
  instruction: InstructionInput,
): Promise<{ readonly kind: 'closed' | 'done' | 'restoring'; readonly row: ChangeRow } | null> {
  const told = await requestCancelOf(tx, CHANGE_WORK, id, {
    ...instruction,
    event: 'change.cancel_requested',
    cancellable: CANCELLABLE,
    isTakenBack: ({ status, restoresAs }) => isOpenChange(status) && restoresAs !== null,
  });
  if (!told) return null;
  if (told.kind === 'taken_back') return { kind: 'restoring', row: told.row };
  if (told.row.begunAt !== null) return { kind: 'done', row: told.row };
  const { row } = await moveLocked(tx, CHANGE_WORK, id, closing);
  return { kind: 'closed', row };
}

/** How a change closes that is not completed: as its restoring says, else as cancelled. */
export function closing(found: ChangeRow): Move & { readonly set: { readonly status: string } } {
  const status = found.restoresAs ?? 'cancelled';
  const failure = found.restoringFailure ?? publicFailure('change_cancelled');
  return {
    set: {
      status,
      failure,
      finishedAt: CLOCK,
      nextResumeAt: null,
      instructionAcknowledgedAt: ACKNOWLEDGED,
    },
    event: status === 'failed' ? 'change.failed' : 'change.cancelled',
    details: { code: failure.code },
    andThen: (tx) => leaveQuotaQueues(tx, found.id),
  };
}
