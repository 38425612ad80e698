import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type { RegistrationActivities, RegistrationRef } from '../activities/contract.ts';
import { UNENDING } from './activity-options.ts';
import { backgroundTaskQueueOf } from './messages.ts';

/** The activities of a step, under an id that the UI and the receipt show. */
export function step(ref: RegistrationRef, options: ActivityOptions, name: string) {
  return proxyActivities<RegistrationActivities>({ ...queued(ref, options), activityId: name });
}

/** The transitions of the row. */
export function ledgerOf(ref: RegistrationRef) {
  return proxyActivities<RegistrationActivities>(queued(ref, UNENDING));
}

export function inBackground(options: ActivityOptions): ActivityOptions {
  return { ...options, taskQueue: backgroundTaskQueueOf(workflowInfo().taskQueue) };
}

function queued({ background }: RegistrationRef, options: ActivityOptions): ActivityOptions {
  return background ? inBackground(options) : options;
}
