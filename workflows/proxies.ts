import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type { RegistrationActivities, RegistrationRef, Worked } from '../activities/contract.ts';
import { UNENDING } from './activity-options.ts';
import { backgroundTaskQueueOf } from './messages.ts';

/** The activities of a step, under an id that the UI and the receipt show. */
export function step(ref: RegistrationRef, options: ActivityOptions, name: string) {
  return activitiesOf<RegistrationActivities>(ref, { ...options, activityId: name });
}

/** The transitions of the row. */
export function ledgerOf(ref: RegistrationRef) {
  return activitiesOf<RegistrationActivities>(ref, UNENDING);
}

export function inBackground(options: ActivityOptions): ActivityOptions {
  return { ...options, taskQueue: backgroundTaskQueueOf(workflowInfo().taskQueue) };
}

/** Activities on the task queue where this work belongs. */
export function activitiesOf<A>({ background }: Worked, options: ActivityOptions) {
  return proxyActivities<A>(background ? inBackground(options) : options);
}
