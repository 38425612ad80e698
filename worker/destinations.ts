import { createAmqp } from '../activities/relay/amqp.ts';
import type { Destination } from '../activities/relay/destination.ts';
import { createWebhook } from '../activities/relay/webhook.ts';
import type { StepLog } from '../activities/step-context.ts';
import type { Config } from '../src/config.ts';

/** Where the configuration sends events; nothing is connected yet. */
export function openDestinations({ events, environment }: Config, log: StepLog): Destination[] {
  const { amqp, webhook } = events;
  const allowsNearby = environment === 'local';
  return [
    ...(amqp ? [createAmqp(amqp, log)] : []),
    ...(webhook ? [createWebhook({ ...webhook, allowsNearby })] : []),
  ];
}
