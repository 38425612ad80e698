import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { reset, resetPoints } from '../support/resets.ts';
import type { Action, Through } from './actions.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

/** A run can be reset once its first task is over. */
const RESETTABLE_MS = 5000;

/** Does to a run, and to the row that it works on, what is planned.
 * @param cancel asks the API for it */
export async function act(
  { site, happened }: Pick<Stage, 'site' | 'happened'>,
  workflowId: string,
  action: Action,
  cancel: (through: Through) => Promise<boolean>,
): Promise<void> {
  await sleep(action.afterMs);
  const handle = site.temporal.workflow.getHandle(workflowId);
  try {
    switch (action.kind) {
      case 'cancel':
        if (!(await cancel(action.through))) return;
        break;
      case 'cancelInUi':
        await handle.cancel();
        break;
      case 'terminate':
        await handle.terminate('campaign');
        break;
      case 'reset':
        if (!(await resetTo(site, workflowId, action.point))) return;
    }
    happened.add(action.kind);
  } catch (error) {
    // The run has ended, or has not begun yet, or was reset by somebody else meanwhile.
    if (error instanceof WorkflowNotFoundError || isGrpcServiceError(error)) return;
    throw error;
  }
}

/** Resets a run as soon as it can be. @param share which of the points, of 100 */
async function resetTo(site: Site, workflowId: string, share: number): Promise<boolean> {
  const handle = site.temporal.workflow.getHandle(workflowId);
  const runs = { client: site.temporal, handle: () => handle };
  for (const deadline = Date.now() + RESETTABLE_MS; Date.now() < deadline; await sleep(100)) {
    const points = await resetPoints(runs, workflowId);
    const point = points[Math.floor((share * points.length) / 100)];
    if (point === undefined) continue;
    await reset(runs, point);
    return true;
  }
  return false;
}
