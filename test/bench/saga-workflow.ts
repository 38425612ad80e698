// What the contenders run on Temporal. Bundled by test/bench/contender.ts.
import { proxyActivities } from '@temporalio/workflow';
import type { SagaActivities, SagaInput } from './saga-activities.ts';

const { createUser, assignRole, recordComplete, deleteUser } = proxyActivities<SagaActivities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', maximumAttempts: 5 },
});

/** The saga as Temporal's samples write it: a step, its compensation on a stack, the next step. */
export async function sagaWorkflow(input: SagaInput): Promise<string> {
  const compensations: (() => Promise<void>)[] = [];
  try {
    const { username, sub } = await createUser(input);
    compensations.unshift(() => deleteUser(username));
    for (const role of input.roles) await assignRole(username, role);
    await recordComplete(input.id, username, sub);
    return sub;
  } catch (error) {
    for (const compensate of compensations) await compensate();
    throw error;
  }
}

/** What Temporal costs at least: a workflow without a step. */
export async function emptyWorkflow(): Promise<void> {}
