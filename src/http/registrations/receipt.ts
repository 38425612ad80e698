import type { AuditEvent } from '../../domain/audit-event.ts';
import { workflowIdOf, type Registration } from '../../domain/registration.ts';
import type { RunState } from '../../domain/runs.ts';
import { stepsInOrder } from '../../domain/step.ts';
import type { TemporalView } from '../app-deps.ts';
import {
  codeOf,
  iso,
  reasonOf,
  showFailure,
  showSteps,
  showTimeline,
  showWorkflow,
} from '../receipts/receipt-parts.ts';
import { publicFailureOf } from './outcome.ts';
import type { Receipt } from './schemas.ts';

/**
 * The receipt that GET returns: the row, its audit trail, and the running attempts if Temporal reports
 * them in time.
 * @param run null when Temporal was not asked or did not answer
 */
export function toReceipt(
  row: Registration,
  timeline: readonly AuditEvent[],
  run: RunState | null,
  temporal: Pick<TemporalView, 'uiUrl' | 'namespace'>,
): Receipt {
  const failure = publicFailureOf(row);
  const reasons = new Map(reasonOf(row.instruction, 'registration'));
  if (row.invitation.reason !== null) reasons.set('invitation.requested', row.invitation.reason);
  return {
    id: row.id,
    status: row.status,
    email: row.email,
    emailVerified: row.emailVerified,
    username: row.username,
    firstName: row.firstName,
    lastName: row.lastName,
    roles: [...row.roles],
    userId: row.userId,
    profileId: row.profileId,
    invitation: {
      status: row.invitation.status,
      sentAt: iso(row.invitation.sentAt),
      expiresAt: iso(row.invitation.expiresAt),
      failure: row.invitation.failure && showFailure(row.invitation.failure),
    },
    requestedBy: row.requestedBy,
    door: row.door,
    acceptedAt: row.acceptedAt.toISOString(),
    finishedAt: iso(row.finishedAt),
    failure: failure && showFailure(failure),
    resumesAt: row.status === 'roles_pending' ? iso(row.nextResumeAt) : null,
    compensationFailures: row.compensationFailures.map((stuck) => ({
      step: stuck.step,
      code: codeOf(stuck.code) ?? 'registration_failed',
      detail: stuck.detail,
    })),
    steps: showSteps(row.steps, run?.kind === 'open' ? run.pending : [], (records) =>
      stepsInOrder(row.roles, records),
    ),
    timeline: showTimeline(timeline, reasons),
    workflow: showWorkflow(workflowIdOf(row.id), row.runId, run, temporal),
  };
}
