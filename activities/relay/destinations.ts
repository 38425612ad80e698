import { createAmqp } from './amqp.ts';
import type { WatchedDestination } from './destination.ts';
import { createWebhook } from './webhook.ts';
import type { StepLog } from '../step-context.ts';
import type { Config } from '../../src/config/config.ts';
import { createAvailability, type Availability } from '../../src/telemetry/availability.ts';

/** What the log says of events at one destination. */
export const DELIVERY = {
  lost: 'event delivery failed',
  restored: 'event delivery restored',
};

/** Opens what the configuration names, for each run of the relay; nothing is connected yet. What was said
 * of a loss is remembered from run to run.
 * @param broker the same for the whole process */
export function destinationsOf(
  { events, environment }: Pick<Config, 'events' | 'environment'>,
  log: StepLog,
  broker: Availability,
): () => WatchedDestination[] {
  const { amqp, webhook } = events;
  const allowsNearby = environment === 'local';
  const byAmqp = { availability: createAvailability(log, DELIVERY) };
  const byWebhook = { availability: createAvailability(log, DELIVERY) };
  return () => [
    ...(amqp ? [{ ...createAmqp(amqp, log, broker), ...byAmqp }] : []),
    ...(webhook ? [{ ...createWebhook({ ...webhook, allowsNearby }), ...byWebhook }] : []),
  ];
}
