import { connect, type ConfirmChannel, type Options } from 'amqplib';
import type { StepLog } from '../step-context.ts';
import { pause } from './pause.ts';

/** Seconds; two that are missed end the connection. */
const HEARTBEAT_S = 10;
const OPEN_MS = 10_000;
const CLOSED_WITHIN_MS = 1000;

/** A connection with one channel that confirms. */
export interface Line {
  readonly channel: ConfirmChannel;
  /** Ids of messages that no queue took. */
  readonly returned: Set<string>;
  readonly gone: AbortSignal;
  /** The broker takes no messages for now: it is short of memory or disk. */
  isBlocked(): boolean;
  /** What ended it, or why it is blocked. */
  reason(): string;
  close(): Promise<void>;
}

/**
 * Connects, and makes the exchange where it is not there.
 * @throws Error with the broker's own words, also where the exchange is of another kind
 */
export async function openLine(url: string, exchange: string, log: StepLog): Promise<Line> {
  const address = new URL(url);
  if (!address.searchParams.has('heartbeat')) {
    address.searchParams.set('heartbeat', String(HEARTBEAT_S));
  }
  const connection = await connect(address.href, {
    timeout: OPEN_MS,
    noDelay: true,
    clientProperties: { connection_name: 'registrar' },
  });
  const gone = new AbortController();
  const returned = new Set<string>();
  let blocked = false;
  let reason = 'connection closed';
  const ended = (): void => gone.abort();
  // Nothing can be sent from here on, though the other side may still have to agree.
  const failed = (error: Error): void => {
    reason = reasonOf(error);
    ended();
  };
  const close = async (): Promise<void> => {
    ended();
    // A broker that does not answer is left to the heartbeat.
    const stop = new AbortController();
    const closed = connection.close().catch(() => undefined);
    await Promise.race([closed, pause(CLOSED_WITHIN_MS, stop.signal)]);
    stop.abort();
  };
  connection.on('error', failed);
  connection.on('close', ended);
  connection.on('blocked', (why) => {
    blocked = true;
    reason = `blocked: ${why}`;
    log.warn({ reason }, 'broker blocked');
  });
  connection.on('unblocked', () => {
    blocked = false;
    log.info({}, 'broker unblocked');
  });
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', failed);
    channel.on('close', ended);
    channel.on('return', ({ properties }) => returned.add(String(properties.messageId)));
    await channel.assertExchange(exchange, 'topic', { durable: true });
    const isBlocked = (): boolean => blocked;
    return { channel, returned, gone: gone.signal, isBlocked, reason: () => reason, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What became of a message. unanswered: nobody knows, since the line went first. */
export type Published = 'confirmed' | 'no queue bound' | 'rejected by the broker' | 'unanswered';

/**
 * Publishes one persistent message, and resolves when the broker has answered or the line has gone.
 * @param properties.messageId two messages that are under way at once must not share it
 */
export async function publish(
  { channel, returned, gone }: Line,
  [exchange, routingKey]: readonly [exchange: string, routingKey: string],
  content: Buffer,
  properties: Options.Publish & { readonly messageId: string },
): Promise<Published> {
  const answer = Promise.withResolvers<unknown>();
  try {
    channel.publish(
      exchange,
      routingKey,
      content,
      { persistent: true, mandatory: true, appId: 'registrar', ...properties },
      answer.resolve,
    );
  } catch (error) {
    // A channel that is closing throws.
    answer.resolve(error);
  }
  const error = await answer.promise;
  // A message that comes back does so before its confirm.
  const isReturned = returned.delete(properties.messageId);
  if (!error) return isReturned ? 'no queue bound' : 'confirmed';
  return gone.aborted ? 'unanswered' : 'rejected by the broker';
}

export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : 'unknown').slice(0, 200);
}
