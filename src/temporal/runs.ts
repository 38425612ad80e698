import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { RESUME_SIGNAL, type ResumedBy } from '../../workflows/messages.ts';
import { registrationIdOf, workflowIdOf } from '../domain/registration.ts';
import type { Runs, StartKind } from '../domain/runs.ts';
import {
  connectedClient,
  createBackgroundCalls,
  describeRun,
  waitingRuns,
  WORKFLOW_TASK_TIMEOUT,
  type TemporalOptions,
} from './run-calls.ts';

export interface RunsOptions extends TemporalOptions {
  /** The API process hosts a worker on the same connection: starts may be eager. */
  readonly eager: boolean;
}

export function createRuns(options: RunsOptions): Runs {
  const { taskQueue, eager, log } = options;
  const client = () => connectedClient(options);
  const soon = createBackgroundCalls();

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
      if (!options.client()) return;
      soon(
        () => start(registrationId, 'first'),
        (error) =>
          log.warn({ registrationId, error }, 'workflow start failed; the sweep will retry'),
      );
    },
    async cancel(registrationId) {
      await client().workflow.getHandle(workflowIdOf(registrationId)).cancel();
    },
    async resume(registrationId, by) {
      const handle = client().workflow.getHandle(workflowIdOf(registrationId));
      await handle.signal<[ResumedBy]>(RESUME_SIGNAL, by);
    },
    describe: async (registrationId) => await describeRun(client(), workflowIdOf(registrationId)),
    waiting: async (limit) =>
      await waitingRuns(
        client(),
        { workflowType: 'registerUser', status: 'roles_pending', taskQueue, limit },
        registrationIdOf,
      ),
  };
}
