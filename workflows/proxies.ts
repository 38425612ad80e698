import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type { RegistrationActivities, RegistrationRef } from '../activities/contract.ts';
import { UNENDING } from './activity-options.ts';
import { backgroundTaskQueueOf } from './messages.ts';

/** The activities of a step, under an id that the UI and the receipt show. */
export function step(ref: RegistrationRef, options: ActivityOptions, name: string) {
  const named = { ...queued(ref, options), activityId: name, summary: name };
  return proxyActivities<RegistrationActivities>(named);
}

/** The transitions of the row. */
export function ledgerOf(ref: RegistrationRef) {
  return summarised<RegistrationActivities>(queued(ref, UNENDING));
}

/** Activities whose summary in the UI is their name: only a step has a role beside it. */
export function summarised<Activities extends object>(options: ActivityOptions): Activities {
  return new Proxy({} as Activities, {
    get: (_none, name) =>
      Reflect.get(proxyActivities({ ...options, summary: String(name) }), name) as unknown,
  });
}

export function inBackground(options: ActivityOptions): ActivityOptions {
  return { ...options, taskQueue: backgroundTaskQueueOf(workflowInfo().taskQueue) };
}

function queued({ background }: RegistrationRef, options: ActivityOptions): ActivityOptions {
  return background ? inBackground(options) : options;
}
