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
  return summarised<A>(background ? inBackground(options) : options);
}

/** Activities whose summary in the UI is their step with its role or, without one, their name. */
export function summarised<A>(options: ActivityOptions) {
  return new Proxy(proxyActivities<A>(options), {
    get(_activities, name) {
      const summary = options.activityId ?? String(name);
      return Reflect.get(proxyActivities<A>({ ...options, summary }), name) as unknown;
    },
  });
}
