import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { RESUME_SIGNAL, STATUS_ATTRIBUTE, type ResumedBy } from '../../workflows/messages.ts';
import { FAILURES, isFailureName } from '../domain/failure.ts';
import { registrationIdOf, workflowIdOf } from '../domain/registration.ts';
import type { PendingAttempt, Runs, RunState, StartKind } from '../domain/runs.ts';

/** Starts that are on their way; the rest is the sweep's. */
const MAX_PENDING_STARTS = 100;
/** A killed worker's task is handed on after this, not after the default 10 s. */
const WORKFLOW_TASK_TIMEOUT = '5 seconds';

export interface RunsOptions {
  /** null while Temporal is away. */
  readonly client: () => Client | null;
  readonly taskQueue: string;
  /** The API process hosts a worker on the same connection: starts may be eager. */
  readonly eager: boolean;
  readonly log: { warn(fields: object, message: string): void };
}

/** Temporal is away, or was never there. */
export class TemporalUnavailable extends Error {
  override readonly name = 'TemporalUnavailable';
}

export function createRuns(options: RunsOptions): Runs {
  const { taskQueue, eager, log } = options;
  let pending = 0;

  function client(): Client {
    const connected = options.client();
    if (!connected) throw new TemporalUnavailable('not connected');
    return connected;
  }

  async function start(registrationId: string, how: StartKind): Promise<void> {
    try {
      await client().workflow.start('registerUser', {
        workflowId: workflowIdOf(registrationId),
        taskQueue,
        args: [{ registrationId, ...(how !== 'first' && { background: true }) }],
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        workflowIdReusePolicy:
          how === 'repair' ? 'ALLOW_DUPLICATE_FAILED_ONLY' : 'REJECT_DUPLICATE',
        // Background work waits for its task like any other, and takes no slot of this process.
        requestEagerStart: eager && how === 'first',
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }

  return {
    start,
    startSoon(registrationId) {
      if (pending >= MAX_PENDING_STARTS || !options.client()) return;
      pending += 1;
      start(registrationId, 'first')
        .catch((error: unknown) => {
          log.warn(
            { registrationId, error: nameOf(error) },
            'workflow start failed; the sweep will retry',
          );
        })
        .finally(() => {
          pending -= 1;
        });
    },
    async cancel(registrationId) {
      await client().workflow.getHandle(workflowIdOf(registrationId)).cancel();
    },
    async resume(registrationId, by) {
      const handle = client().workflow.getHandle(workflowIdOf(registrationId));
      await handle.signal<[ResumedBy]>(RESUME_SIGNAL, by);
    },
    async describe(registrationId) {
      try {
        const handle = client().workflow.getHandle(workflowIdOf(registrationId));
        return stateOf(await handle.describe());
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { kind: 'not_found' };
        throw error;
      }
    },
    async waiting(limit) {
      const query = `WorkflowType = 'registerUser' AND ExecutionStatus = 'Running'
        AND ${STATUS_ATTRIBUTE} = 'roles_pending' AND TaskQueue = '${taskQueue}'`;
      const found: string[] = [];
      for await (const { workflowId } of client().workflow.list({ query, pageSize: limit })) {
        const id = registrationIdOf(workflowId);
        if (id !== undefined) found.push(id);
        if (found.length === limit) break;
      }
      return found;
    },
  };
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

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'Unknown';
}
