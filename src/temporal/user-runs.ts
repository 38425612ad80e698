import type { Workflow } from '@temporalio/common';
import { CHANGE_MEMO, WAKE_SIGNAL } from '../../workflows/messages.ts';
import { userIdOf, userWorkflowIdOf } from '../domain/change.ts';
import type { UserRuns, WakeReason } from '../domain/runs.ts';
import {
  connectedClient,
  createBackgroundCalls,
  describeRun,
  waitingRuns,
  WORKFLOW_TASK_TIMEOUT,
  type TemporalOptions,
} from './run-calls.ts';

export function createUserRuns(options: TemporalOptions): UserRuns {
  const { taskQueue, log } = options;
  const client = () => connectedClient(options);
  const soon = createBackgroundCalls();

  // Signal and start are one request: a run that is about to end either sees the signal and goes on, or
  // has ended, and another one starts.
  async function wake(userId: string, why: WakeReason, how?: 'background'): Promise<void> {
    const signalArgs: [WakeReason, 'background'?] = how ? [why, how] : [why];
    await client().workflow.signalWithStart<Workflow, typeof signalArgs>('changeUser', {
      workflowId: userWorkflowIdOf(userId),
      taskQueue,
      args: [{ userId, ...(how && { background: true }) }],
      signal: WAKE_SIGNAL,
      signalArgs,
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    });
  }

  return {
    wake,
    wakeSoon(userId, why) {
      if (!options.client()) return;
      soon(
        () => wake(userId, why),
        (error) => log.warn({ userId, error }, 'signal failed; the sweep will retry'),
      );
    },
    async describe(userId) {
      let changeId: string | null = null;
      const state = await describeRun(client(), userWorkflowIdOf(userId), ({ memo }) => {
        const performed = memo?.[CHANGE_MEMO];
        if (typeof performed === 'string') changeId = performed;
      });
      return state.kind === 'open' ? { ...state, changeId } : state;
    },
    waiting: async (limit) =>
      await waitingRuns(
        client(),
        { workflowType: 'changeUser', status: 'parked', taskQueue, limit },
        userIdOf,
      ),
  };
}
