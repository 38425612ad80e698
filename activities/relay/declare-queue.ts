import type { Channel } from 'amqplib';

const NOT_FOUND = 404;
const OTHER_ARGUMENTS = 406;

/**
 * Makes a durable queue where it is not there. One that somebody else declared with other arguments is used
 * as it is. Each of these errors ends the channel, so it is the next call, on another channel, that succeeds.
 * @param foreign queues of the second kind, kept from call to call
 * @throws Error of the broker
 */
export async function declareQueue(
  channel: Pick<Channel, 'assertQueue' | 'checkQueue'>,
  queue: string,
  foreign: Set<string>,
): Promise<void> {
  try {
    if (foreign.has(queue)) await channel.checkQueue(queue);
    else await channel.assertQueue(queue, { durable: true });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === OTHER_ARGUMENTS) foreign.add(queue);
    if (code === NOT_FOUND) foreign.delete(queue);
    throw error;
  }
}
