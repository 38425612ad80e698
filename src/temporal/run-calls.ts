import {
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { STATUS_ATTRIBUTE } from '../../workflows/messages.ts';
import { FAILURES, isFailureName } from '../domain/failure.ts';
import type { PendingAttempt, RunState } from '../domain/runs.ts';

/** A killed worker's task is handed on after this, not after the default 10 s. */
export const WORKFLOW_TASK_TIMEOUT = '5 seconds';
/** Calls that are on their way; the rest is the sweep's. */
const MAX_PENDING = 100;

export interface TemporalOptions {
  /** null while Temporal is away. */
  readonly client: () => Client | null;
  readonly taskQueue: string;
  readonly log: { warn(fields: object, message: string): void };
}

/** Temporal is away, or was never there. */
export class TemporalUnavailable extends Error {
  override readonly name = 'TemporalUnavailable';
}

export function connectedClient({ client }: Pick<TemporalOptions, 'client'>): Client {
  const connected = client();
  if (!connected) throw new TemporalUnavailable('not connected');
  return connected;
}

/** Makes calls to Temporal in the background, a bounded number at one time; never throws.
 * @param failed told the name of the error */
export function createBackgroundCalls(): (
  call: () => Promise<void>,
  failed: (error: string) => void,
) => void {
  let pending = 0;
  return (call, failed) => {
    if (pending >= MAX_PENDING) return;
    pending += 1;
    call()
      .catch((error: unknown) => failed(error instanceof Error ? error.name : 'Unknown'))
      .finally(() => {
        pending -= 1;
      });
  };
}

/** Asks Temporal for the latest run of a workflow id.
 * @param seen told the description of a run that is there */
export async function describeRun(
  client: Client,
  workflowId: string,
  seen?: (run: WorkflowExecutionDescription) => void,
): Promise<RunState> {
  try {
    const run = await client.workflow.getHandle(workflowId).describe();
    seen?.(run);
    return stateOf(run);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: 'not_found' };
    throw error;
  }
}

/** What the runs of this type belong to that show this status, the latest started first. */
export async function waitingRuns(
  client: Client,
  {
    workflowType,
    status,
    taskQueue,
    limit,
  }: {
    readonly workflowType: string;
    readonly status: string;
    readonly taskQueue: string;
    readonly limit: number;
  },
  idOf: (workflowId: string) => string | undefined,
): Promise<string[]> {
  const query = `WorkflowType = '${workflowType}' AND ExecutionStatus = 'Running'
    AND ${STATUS_ATTRIBUTE} = '${status}' AND TaskQueue = '${taskQueue}'`;
  const found: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query, pageSize: limit })) {
    const id = idOf(workflowId);
    if (id !== undefined) found.push(id);
    if (found.length === limit) break;
  }
  return found;
}

function stateOf(run: WorkflowExecutionDescription): RunState {
  const { runId } = run;
  switch (run.status.name) {
    case 'RUNNING':
    case 'PAUSED':
    case 'CONTINUED_AS_NEW':
      return { kind: 'open', runId, pending: pendingOf(run) };
    case 'COMPLETED':
      return { kind: 'completed', runId, closedAt: run.closeTime ?? new Date() };
    default:
      return { kind: 'ended', runId, closedAt: run.closeTime ?? new Date() };
  }
}

function pendingOf(run: WorkflowExecutionDescription): PendingAttempt[] {
  return (run.raw.pendingActivities ?? []).map((activity) => {
    const type = activity.lastFailure?.applicationFailureInfo?.type ?? null;
    const timedOut = activity.lastFailure?.timeoutFailureInfo ? 'reply_lost' : null;
    const failure = type && isFailureName(type) ? type : timedOut;
    const next = activity.nextAttemptScheduleTime;
    return {
      step: activity.activityId ?? '',
      attempt: activity.attempt ?? 1,
      status: (activity.attempt ?? 1) > 1 || failure ? 'retrying' : 'running',
      lastError: failure ? FAILURES[failure].code : null,
      nextRetryAt: next?.seconds ? new Date(Number(next.seconds) * 1000) : null,
    };
  });
}
