import { createAmqp } from '../activities/relay/amqp.ts';
import type { Destination } from '../activities/relay/destination.ts';
import type { StepLog } from '../activities/step-context.ts';
import type { Config } from '../src/config.ts';

/** Where the configuration sends events; nothing is connected yet. */
export function openDestinations({ events }: Config, log: StepLog): Destination[] {
  return events.amqp ? [createAmqp(events.amqp, log)] : [];
}
