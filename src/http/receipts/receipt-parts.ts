import type { AuditEvent } from '../../domain/audit-event.ts';
import { isFailureName, type FailureCode, type FailureName } from '../../domain/failure.ts';
import type { Instruction, PublicFailure } from '../../domain/registration.ts';
import type { PendingAttempt, RunState } from '../../domain/runs.ts';
import type { StepRecord } from '../../domain/step.ts';
import { isFailureCode } from '../problems/problem-details.ts';
import type { AppDeps, TemporalView } from '../app-deps.ts';
import type { Receipt } from '../registrations/schemas.ts';

/** What the receipts of registrations and of changes have in common. */

/** A receipt must not wait longer for a worker that does not answer. */
const DESCRIBE_MS = 1000;

/** The state of a run; null if Temporal does not answer in time.
 * @param about what the log line names */
export async function describeInTime<Run extends RunState>(
  { logger }: Pick<AppDeps, 'logger'>,
  about: object,
  describe: () => Promise<Run>,
): Promise<Run | null> {
  const { promise: tooLate, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), DESCRIBE_MS);
  const described = describe().catch((error: unknown) => {
    const name = error instanceof Error ? error.name : 'unknown';
    logger.debug({ ...about, error: name }, 'reading the workflow run failed');
    return null;
  });
  return await Promise.race([described, tooLate]).finally(() => clearTimeout(timer));
}

/**
 * The steps of the row, with the running attempts.
 * @param inOrder puts the records of the steps in the order in which they run
 */
export function showSteps(
  recorded: Readonly<Record<string, StepRecord>>,
  pending: readonly PendingAttempt[],
  inOrder: (
    records: Readonly<Record<string, StepRecord>>,
  ) => readonly (StepRecord & { readonly name: string })[],
): Receipt['steps'] {
  const live = new Map(pending.map((attempt) => [attempt.step, attempt]));
  const records: Record<string, StepRecord> = { ...recorded };
  for (const { step, status, lastError } of pending) {
    records[step] ??= { status, attempts: 0, lastError };
  }
  return inOrder(records).map((step) => {
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

/**
 * The audit trail stores no free text; the row has the reasons.
 * @param reasons by event: the latest event of each name gets the reason
 */
export function showTimeline(
  timeline: readonly AuditEvent[],
  reasons: ReadonlyMap<string, string | null>,
): Receipt['timeline'] {
  const latest = new Map(timeline.map((event) => [event.event, event]));
  return timeline.map((event) => {
    const reason = latest.get(event.event) === event ? reasons.get(event.event) : undefined;
    return {
      event: event.event,
      at: event.at.toISOString(),
      actor: event.actor,
      details: { ...event.details, ...(reason === undefined ? {} : { reason }) },
    };
  });
}

/** The reason of the latest instruction, for `showTimeline`. */
export function reasonOf(
  instruction: Instruction | null,
  prefix: 'registration' | 'change',
): [event: string, reason: string | null][] {
  if (!instruction) return [];
  return [[`${prefix}.${instruction.kind}_requested`, instruction.reason]];
}

/** The latest run, and where the Temporal UI shows it.
 * @param recorded the run that looked at the row last
 * @param run null when Temporal was not asked or did not answer */
export function showWorkflow(
  id: string,
  recorded: string | null,
  run: RunState | null,
  { uiUrl, namespace }: Pick<TemporalView, 'uiUrl' | 'namespace'>,
): Receipt['workflow'] {
  const runId = run && run.kind !== 'not_found' ? run.runId : recorded;
  if (uiUrl === null) return { id, runId, url: null };
  const shown = runId === null ? '' : `/${encodeURIComponent(runId)}/history`;
  const base = uiUrl.replace(/\/+$/, '');
  const workflow = `${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(id)}`;
  return { id, runId, url: `${base}/namespaces/${workflow}${shown}` };
}

/** Another version may have written the row: a code that this version does not know becomes null. */
export function codeOf(code: string | null): FailureCode | null {
  return code !== null && isFailureCode(code) ? code : null;
}

export function showFailure({ code, cause, detail }: PublicFailure) {
  return { code: codeOf(code) ?? 'registration_failed', cause: causeOf(cause), detail };
}

function causeOf(cause: string): FailureName {
  return isFailureName(cause) ? cause : 'unknown_error';
}

export function iso(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
