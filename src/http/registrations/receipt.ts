import type { AuditEvent } from '../../domain/audit-event.ts';
import { isFailureName, type FailureCode, type FailureName } from '../../domain/failure.ts';
import { workflowIdOf, type PublicFailure, type Registration } from '../../domain/registration.ts';
import type { PendingAttempt, RunState } from '../../domain/runs.ts';
import { stepsInOrder, type StepRecord } from '../../domain/step.ts';
import { isFailureCode } from '../problems/problem-details.ts';
import type { TemporalView } from '../app-deps.ts';
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
  // The audit trail stores no free text; the row has the reason of the latest instruction.
  const requested = timeline.findLast(
    ({ event }) => event === `registration.${row.instruction?.kind}_requested`,
  );
  const runId = run && run.kind !== 'not_found' ? run.runId : row.runId;
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
      failure: row.invitation.failure && toFailure(row.invitation.failure),
    },
    requestedBy: row.requestedBy,
    door: row.door,
    acceptedAt: row.acceptedAt.toISOString(),
    finishedAt: iso(row.finishedAt),
    failure: failure && toFailure(failure),
    resumesAt: row.status === 'roles_pending' ? iso(row.nextResumeAt) : null,
    compensationFailures: row.compensationFailures.map((stuck) => ({
      step: stuck.step,
      code: codeOf(stuck.code) ?? 'registration_failed',
      detail: stuck.detail,
    })),
    steps: stepsOf(row, run?.kind === 'open' ? run.pending : []),
    timeline: timeline.map((event) => ({
      event: event.event,
      at: event.at.toISOString(),
      actor: event.actor,
      details: {
        ...event.details,
        ...(event === requested ? { reason: row.instruction?.reason ?? null } : {}),
      },
    })),
    workflow: { id: workflowIdOf(row.id), runId, url: linkTo(row.id, runId, temporal) },
  };
}

function stepsOf(row: Registration, pending: readonly PendingAttempt[]): Receipt['steps'] {
  const live = new Map(pending.map((attempt) => [attempt.step, attempt]));
  const records: Record<string, StepRecord> = { ...row.steps };
  for (const { step, status, lastError } of pending) {
    records[step] ??= { status, attempts: 0, lastError };
  }
  return stepsInOrder(row.roles, records).map((step) => {
    const attempt = step.status === 'done' ? undefined : live.get(step.name);
    return {
      name: step.name,
      status: attempt?.status ?? step.status,
      attempts: step.attempts + (attempt?.attempt ?? 0),
      lastError: codeOf(attempt?.lastError ?? step.lastError),
      nextRetryAt: iso(attempt?.nextRetryAt ?? null),
    };
  });
}

function linkTo(
  registrationId: string,
  runId: string | null,
  { uiUrl, namespace }: Pick<TemporalView, 'uiUrl' | 'namespace'>,
): string | null {
  if (uiUrl === null) return null;
  const workflow = encodeURIComponent(workflowIdOf(registrationId));
  const run = runId === null ? '' : `/${encodeURIComponent(runId)}/history`;
  const base = uiUrl.replace(/\/+$/, '');
  return `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${workflow}${run}`;
}

// Another version may have written the row: a code that this version does not know becomes null.
function codeOf(code: string | null): FailureCode | null {
  return code !== null && isFailureCode(code) ? code : null;
}

function toFailure({ code, cause, detail }: PublicFailure) {
  return { code: codeOf(code) ?? 'registration_failed', cause: causeOf(cause), detail };
}

function causeOf(cause: string): FailureName {
  return isFailureName(cause) ? cause : 'unknown_error';
}

function iso(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
