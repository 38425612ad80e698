import { Worker } from '@temporalio/worker';
import { backgroundTaskQueueOf } from '../workflows/messages.ts';
import { SHUTDOWN, type WorkerOptions } from './worker.ts';

/** Of one process: four for the rounds of the schedules, the rest for steps of restarted and resumed runs. */
export const BACKGROUND_SLOTS = 10;

/** What `createWorker` makes, as far as the process handles it. */
export type RunnableWorker = Pick<Worker, 'run' | 'shutdown' | 'getState'>;

/** A worker for the activities of background work: however many of them wait, they take no slot from
 * a person's. Workflow tasks are the other worker's. */
export async function createBackgroundWorker(options: WorkerOptions): Promise<Worker> {
  return await Worker.create({
    ...SHUTDOWN,
    connection: options.connection,
    namespace: options.namespace,
    taskQueue: backgroundTaskQueueOf(options.taskQueue),
    activities: options.activities,
    plugins: options.plugins ?? [],
    maxConcurrentActivityTaskExecutions: BACKGROUND_SLOTS,
    // Each poll keeps a request open at the server.
    maxConcurrentActivityTaskPolls: 2,
  });
}

/** Two workers that run and end together. */
export function together(front: Worker, background: Worker): RunnableWorker {
  const both = [front, background];
  const shutdown = (): void => {
    for (const worker of both) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    getState: () => both.find((worker) => worker.getState() !== 'RUNNING')?.getState() ?? 'RUNNING',
    async run() {
      const ended = await Promise.allSettled(
        // One that stops takes the other along: the supervisor makes both anew.
        both.map((worker) => worker.run().finally(shutdown)),
      );
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}
