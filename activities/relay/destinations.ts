import { createAmqp } from './amqp.ts';
import type { Destination } from './destination.ts';
import { createWebhook } from './webhook.ts';
import type { StepLog } from '../step-context.ts';
import type { Config } from '../../src/config/config.ts';

/** Where the configuration sends events; nothing is connected yet. */
export function openDestinations({ events, environment }: Config, log: StepLog): Destination[] {
  const { amqp, webhook } = events;
  const allowsNearby = environment === 'local';
  return [
    ...(amqp ? [createAmqp(amqp, log)] : []),
    ...(webhook ? [createWebhook({ ...webhook, allowsNearby })] : []),
  ];
}
