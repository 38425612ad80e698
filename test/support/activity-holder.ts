import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Program } from './program.ts';

/** Whether this worker has that identity: `<pid>@<host>`. */
export const hasIdentity = (identity: string | null | undefined) => (worker: Program) =>
  identity?.startsWith(`${worker.pid}@`) ?? false;

/** The worker in which this activity is under way. */
export async function activityHolder(
  client: Client,
  workers: readonly Program[],
  workflowId: string,
  step: string,
): Promise<Program> {
  for (;;) {
    // The API answers before the run has started.
    const run = await client.workflow.getHandle(workflowId).describe().catch(unlessThere);
    const pending = run?.raw.pendingActivities?.find(({ activityId }) => activityId === step);
    const worker = workers.find(hasIdentity(pending?.lastWorkerIdentity));
    if (worker) return worker;
    await sleep(20);
  }
}

function unlessThere(error: unknown): null {
  if (error instanceof WorkflowNotFoundError) return null;
  throw error;
}
