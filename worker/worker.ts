import {
  Worker,
  type NativeConnection,
  type WorkerOptions as TemporalWorkerOptions,
} from '@temporalio/worker';
import type {
  BackgroundActivities,
  ChangeActivities,
  RegistrationActivities,
} from '../activities/contract.ts';
import { workflowBundle, type BundlePlugins } from './bundle.ts';

type WorkerPlugins = NonNullable<TemporalWorkerOptions['plugins']>;

export interface WorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Of tracing. */
  readonly plugins?: BundlePlugins & WorkerPlugins;
  readonly activities: Partial<RegistrationActivities & ChangeActivities & BackgroundActivities>;
}

/** 0 by default: activities under way would be cut off at every rollout. */
export const SHUTDOWN = {
  shutdownGraceTime: '10 seconds',
  shutdownForceTime: '15 seconds',
} as const;

/** A worker for everything Registrar does; `run()` is the caller's. */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  return await Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    taskQueue: options.taskQueue,
    workflowBundle: await workflowBundle(options.plugins),
    plugins: options.plugins ?? [],
    activities: options.activities,
    ...SHUTDOWN,
    // A killed worker's cached runs wait this long for it; the default is 10 s. With an attempt of 5 s
    // before it, another worker has to be there in under 10 s.
    stickyQueueScheduleToStartTimeout: '2 seconds',
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentLocalActivityExecutions: 100,
    // A run holds the slot of its task throughout its fast path, and a poller holds one while it waits.
    // With the default of 40, an eager start found none from 30 registrations at once on, and its task
    // queued for seconds behind the two pollers of the shared queue.
    maxConcurrentWorkflowTaskExecutions: 120,
    nonStickyToStickyPollRatio: 0.5,
  });
}
