import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConfirmChannel, type ConsumeMessage, type Options } from 'amqplib';
import { z } from 'zod';
import type { Created, Profiles } from './profiles.ts';
import { PersonFields, personOf } from './request.ts';

export interface AmqpSettings {
  readonly url: string;
  readonly requestExchange: string;
  readonly requestKey: string;
  readonly replyExchange: string;
  readonly replyKey: string;
  /** Ours: durable, and shared by all processes of this service. */
  readonly queue: string;
}

type Log = (line: string) => void;

const USER_DELETED = 'user.deleted';
const PREFETCH = 10;
const LARGEST_MESSAGE = 64 * 1024;
const RECONNECT_MS = 1000;
const AGAIN_MS = 500;

const Message = z.discriminatedUnion('event_type', [
  // Whatever else the request says goes back with the answer: `reply_token` is part of it.
  z.object({ event_type: z.literal('user.created'), user_data: PersonFields.loose() }),
  z.object({
    event_type: z.literal('user.creation_cancelled'),
    user_data: z.object({ registration_id: z.uuid() }),
  }),
  z.object({ event_type: z.literal(USER_DELETED), registration_id: z.uuid() }),
]);

/** The RabbitMQ form: consumes requests until `over` aborts, across restarts of the broker. */
export async function consumeRequests(
  settings: AmqpSettings,
  profiles: Profiles,
  over: AbortSignal,
  log: Log,
): Promise<void> {
  while (!over.aborted) {
    try {
      await consumeUntilGone(settings, profiles, over, log);
    } catch (error) {
      log(`RabbitMQ: ${error instanceof Error ? error.message : 'unknown error'}; reconnecting`);
    }
    await sleep(RECONNECT_MS, undefined, { signal: over }).catch(() => undefined);
  }
}

async function consumeUntilGone(
  settings: AmqpSettings,
  profiles: Profiles,
  over: AbortSignal,
  log: Log,
): Promise<void> {
  const { requestExchange, requestKey, replyExchange, queue } = settings;
  const address = new URL(settings.url);
  // Seconds. Two that are missed end the connection.
  address.searchParams.set('heartbeat', '10');
  const connection = await connect(address.href, { timeout: 10_000 });
  const gone = new Promise<void>((resolve) => {
    connection.on('error', () => resolve());
    connection.on('close', () => resolve());
    over.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => void connection.close().catch(() => undefined));
    await channel.assertExchange(requestExchange, 'topic', { durable: true });
    await channel.assertExchange(replyExchange, 'topic', { durable: true });
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, requestExchange, requestKey);
    await channel.bindQueue(queue, requestExchange, USER_DELETED);
    await channel.prefetch(PREFETCH);
    await channel.consume(queue, (message) => {
      if (!message) return void connection.close().catch(() => undefined);
      handle(channel, message, settings, profiles, log).catch(() => undefined);
    });
    log(`RabbitMQ: consuming ${queue}`);
    await gone;
  } finally {
    await connection.close().catch(() => undefined);
  }
}

/** Commits first, then answers, then acknowledges: a crash in between repeats what may be repeated. */
async function handle(
  channel: ConfirmChannel,
  message: ConsumeMessage,
  settings: AmqpSettings,
  profiles: Profiles,
  log: Log,
): Promise<void> {
  const request = readable(message.content);
  if (request === null) {
    log(`RabbitMQ: unreadable message ${String(message.properties.messageId)} dropped`);
    return channel.reject(message, false);
  }
  try {
    if (request.event_type === 'user.created') {
      const created = await profiles.create(personOf(request.user_data));
      const [key, answer] = answerOf(created, request.user_data, settings.replyKey);
      await publish(channel, [settings.replyExchange, key], answer, {
        messageId: `${request.user_data.registration_id}/reply`,
        correlationId: message.properties.correlationId,
      });
    } else if (request.event_type === 'user.creation_cancelled') {
      await profiles.delete(request.user_data.registration_id);
    } else await profiles.delete(request.registration_id);
    channel.ack(message);
  } catch {
    // PostgreSQL or the broker is away: the message comes again.
    await sleep(AGAIN_MS);
    channel.nack(message, false, true);
  }
}

/** Resolves when the broker has the message. */
async function publish(
  channel: ConfirmChannel,
  [exchange, key]: readonly [string, string],
  body: object,
  properties: Options.Publish,
): Promise<void> {
  const confirmed = Promise.withResolvers<void>();
  channel.publish(
    exchange,
    key,
    Buffer.from(JSON.stringify(body)),
    { persistent: true, contentType: 'application/json', ...properties },
    (error: unknown) => (error ? confirmed.reject(error) : confirmed.resolve()),
  );
  await confirmed.promise;
}

function answerOf(
  created: Created,
  original: Readonly<Record<string, unknown>>,
  replyKey: string,
): readonly [key: string, answer: object] {
  const { username, email, user_id } = original;
  const data = { username, email, user_id, original_request: original };
  if ('id' in created) {
    const user_data = { id: created.id, ...data };
    return [replyKey, { event_type: 'user.created', user_data }];
  }
  const event_type = 'user.creation_failed';
  const reason = created.kind === 'taken' ? `${created.field}_taken` : 'rejected';
  return [event_type, { event_type, user_data: data, reason }];
}

function readable(content: Buffer): z.infer<typeof Message> | null {
  if (content.length > LARGEST_MESSAGE) return null;
  try {
    return Message.parse(JSON.parse(content.toString()));
  } catch {
    return null;
  }
}
