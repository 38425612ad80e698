import { bodyOf, type UserEvent } from '../../src/domain/user-event.ts';
import type { Availability } from '../../src/telemetry/availability.ts';
import type { StepLog } from '../step-context.ts';
import { publish, reasonOf, type Line, type Published } from './amqp-line.ts';
import { createBrokerConnection } from './broker-connection.ts';
import { jittered, type Destination, type Outcome } from './destination.ts';
import { pause } from './pause.ts';

export interface AmqpSettings {
  /** Holds a password. */
  readonly url: string;
  readonly exchange: string;
  /** Of `user.created`; other events go by their type. */
  readonly routingKey: string;
}

const BATCH = 100;
/** A broker confirms within milliseconds, or when its disk is slow within seconds. */
const CONFIRMED_WITHIN_MS = 30_000;
/** For a message that nobody is bound to, or that the broker refuses: without end, since binding a
 * queue is all it takes. */
const FIRST_RETRY_MS = 5000;
const MAX_RETRY_MS = 300_000;

/** RabbitMQ: a message counts once the broker has confirmed it and a queue has it. */
export function createAmqp(
  settings: AmqpSettings,
  log: StepLog,
  broker?: Availability,
): Destination {
  const connection = createBrokerConnection(settings.url, settings.exchange, log, broker);

  async function away(reason: string, over: AbortSignal): Promise<[]> {
    await connection.away(reason, over);
    return [];
  }

  return {
    name: 'amqp',
    batch: BATCH,
    retryInMs: (failed) =>
      jittered(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failed - 1, 10))),
    async deliver(events, over) {
      let line: Line;
      try {
        line = await connection.line(over);
      } catch (error) {
        return await away(reasonOf(error), over);
      }
      if (line.isBlocked()) return await away(line.reason(), over);
      const outcomes = await publishAll(line, settings, events, over);
      if (outcomes.length === 0) return await away(line.reason(), over);
      connection.answered();
      return outcomes;
    },
    close: () => connection.close(),
  };
}

/** Outcomes of what was confirmed, or refused; whatever the line took down with it is not known. */
async function publishAll(
  line: Line,
  settings: AmqpSettings,
  events: readonly UserEvent[],
  over: AbortSignal,
): Promise<Outcome[]> {
  const done = new AbortController();
  const ended = AbortSignal.any([over, line.gone, done.signal]);
  const outcomes: Outcome[] = [];
  const answers: Promise<void>[] = [];
  const deliverOne = async (event: UserEvent): Promise<void> => {
    const { id } = event;
    const published = await publishEvent(line, settings, event);
    if (published === 'confirmed') outcomes.push({ id, kind: 'delivered' });
    else if (published !== 'unanswered') outcomes.push({ id, kind: 'failed', reason: published });
  };
  for (const event of events) {
    // Nothing is published once the lock may be another's.
    if (ended.aborted) break;
    answers.push(deliverOne(event));
  }
  const all = Promise.all(answers).then(() => done.abort());
  do await Promise.race([all, pause(CONFIRMED_WITHIN_MS, ended)]);
  while (line.isBlocked() && !ended.aborted);
  // Without a confirm in time the line is of no use.
  if (!ended.aborted) await line.close();
  // What is answered from here on is not known to the caller.
  return [...outcomes];
}

function publishEvent(line: Line, settings: AmqpSettings, event: UserEvent): Promise<Published> {
  const key = event.type === 'user.created' ? settings.routingKey : event.type;
  const content = Buffer.from(JSON.stringify(bodyOf(event)));
  return publish(line, [settings.exchange, key], content, {
    messageId: event.id,
    type: event.type,
    contentType: 'application/json',
    timestamp: Math.floor(event.occurredAt.getTime() / 1000),
  });
}
