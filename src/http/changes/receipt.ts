import type { AuditEvent } from '../../domain/audit-event.ts';
import { userWorkflowIdOf, type Change } from '../../domain/change.ts';
import { changeStepsInOrder } from '../../domain/change-steps.ts';
import type { UserRunState } from '../../domain/runs.ts';
import type { TemporalView } from '../app-deps.ts';
import {
  iso,
  reasonOf,
  showFailure,
  showSteps,
  showTimeline,
  showWorkflow,
} from '../receipts/receipt-parts.ts';
import { publicChangeFailureOf } from './outcome.ts';
import type { ChangeReceipt } from './schemas.ts';

/**
 * The receipt of a change: the row, its audit trail, and the running attempts if the person's run
 * performs this change.
 * @param run null when Temporal was not asked or did not answer
 */
export function toChangeReceipt(
  change: Change,
  timeline: readonly AuditEvent[],
  run: UserRunState | null,
  temporal: Pick<TemporalView, 'uiUrl' | 'namespace'>,
): ChangeReceipt {
  const failure = publicChangeFailureOf(change);
  const reasons = new Map([
    ['change.requested', change.reason] as const,
    ...reasonOf(change.instruction, 'change'),
  ]);
  const isPerformed = run?.kind === 'open' && run.changeId === change.id;
  return {
    id: change.id,
    kind: change.kind,
    userId: change.userId,
    status: change.status,
    roles: [...change.roles],
    requestedBy: change.requestedBy,
    acceptedAt: change.acceptedAt.toISOString(),
    finishedAt: iso(change.finishedAt),
    failure: failure && showFailure(failure),
    resumesAt: change.status === 'parked' ? iso(change.nextResumeAt) : null,
    steps: showSteps(change.steps, isPerformed ? run.pending : [], (records) =>
      changeStepsInOrder(change, records),
    ),
    timeline: showTimeline(timeline, reasons),
    workflow: showWorkflow(userWorkflowIdOf(change.userId), change.runId, run, temporal),
  };
}
