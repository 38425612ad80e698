import { randomUUID } from 'node:crypto';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { UserEventBody } from '../../src/domain/user-event.ts';
import { eventually } from './eventually.ts';
import type { Broker } from './rabbitmq.ts';

/** A consumer with a durable queue: it acknowledges what it has, and comes back with its broker. */
export class Queue {
  readonly name = `queue-${randomUUID()}`;
  readonly messages: ConsumeMessage[] = [];
  readonly #broker: Broker;
  readonly #exchange: string;
  readonly #pattern: string;
  #connection: ChannelModel | undefined;

  private constructor(broker: Broker, exchange: string, pattern: string) {
    this.#broker = broker;
    this.#exchange = exchange;
    this.#pattern = pattern;
  }

  static async bind(broker: Broker, exchange: string, pattern = 'user.*'): Promise<Queue> {
    const queue = new Queue(broker, exchange, pattern);
    await queue.consume();
    return queue;
  }

  /** Begins to consume, again after the broker was away. */
  async consume(): Promise<void> {
    this.#connection = await this.#broker.connect();
    const channel: Channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    await channel.assertExchange(this.#exchange, 'topic', { durable: true });
    await channel.assertQueue(this.name, { durable: true });
    await channel.bindQueue(this.name, this.#exchange, this.#pattern);
    await channel.consume(this.name, (message) => {
      if (!message) return;
      this.messages.push(message);
      channel.ack(message);
    });
  }

  /** Distinct `message_id`s: what a consumer that deduplicates has seen. */
  ids(): Set<string> {
    return new Set(this.messages.map(({ properties }) => String(properties.messageId)));
  }

  bodies(): UserEventBody[] {
    return this.messages.map(({ content }) => JSON.parse(content.toString()) as UserEventBody);
  }

  /** Waits for so many distinct messages. */
  async until(count: number, withinMs?: number): Promise<void> {
    await eventually(() => this.ids().size >= count, withinMs);
  }

  async close(): Promise<void> {
    await this.#connection?.close().catch(() => undefined);
  }
}
