import type { ConnectionLike } from '@temporalio/client';

/** temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW */
const WORKFLOW = 1;
/** A poll lasts a minute; the server remembers who polled for five. */
const POLLED_WITHIN_MS = 120_000;

/** Whether a worker of this task queue polls, in whatever process. */
export async function isPolled(
  connection: ConnectionLike,
  { namespace, taskQueue }: { readonly namespace: string; readonly taskQueue: string },
): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW,
  });
  const since = Date.now() / 1000 - POLLED_WITHIN_MS / 1000;
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > since);
}
