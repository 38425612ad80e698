import type { ConfirmChannel, Options } from 'amqplib';
import type { Broker } from './rabbitmq.ts';

/** Publishes one persistent message, and waits for the broker's confirm. */
export async function publishTo(
  broker: Broker,
  [exchange, key]: readonly [exchange: string, key: string],
  body: object | Buffer,
  properties: Options.Publish = {},
): Promise<void> {
  await onChannel(broker, async (channel) => {
    if (exchange !== '') await channel.assertExchange(exchange, 'topic', { durable: true });
    const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    channel.publish(exchange, key, content, { persistent: true, ...properties });
    await channel.waitForConfirms();
  });
}

/** Messages of a queue that no consumer has in hand; 0 where there is no such queue. */
export async function readyIn(broker: Broker, queue: string): Promise<number> {
  return await onChannel(broker, async (channel) => {
    channel.on('error', () => undefined);
    return (await channel.checkQueue(queue).catch(() => ({ messageCount: 0 }))).messageCount;
  });
}

async function onChannel<T>(
  broker: Broker,
  work: (channel: ConfirmChannel) => Promise<T>,
): Promise<T> {
  const connection = await broker.connect();
  try {
    return await work(await connection.createConfirmChannel());
  } finally {
    await connection.close().catch(() => undefined);
  }
}
