import { bodyOf, type UserEvent } from '../../src/domain/user-event.ts';
import { createAvailability, type Availability } from '../../src/telemetry/availability.ts';
import type { StepLog } from '../step-context.ts';
import { openLine, reasonOf, unlessOver, type Line } from './amqp-line.ts';
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
/** While the broker is away: half a second, doubling, 15 s at most. */
const FIRST_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 15_000;
/** For a message that nobody is bound to, or that the broker refuses: without end, since binding a
 * queue is all it takes. */
const FIRST_RETRY_MS = 5000;
const MAX_RETRY_MS = 300_000;

/** What the log says of the broker. */
export const BROKER = {
  lost: 'broker unreachable; reconnecting',
  restored: 'broker reconnected',
};

/** RabbitMQ: a message counts once the broker has confirmed it and a queue has it. */
export function createAmqp(
  settings: AmqpSettings,
  log: StepLog,
  broker: Availability = createAvailability(log, BROKER),
): Destination {
  let line: Line | null = null;
  /** Since the last confirm. */
  let failures = 0;

  async function away(reason: string, over: AbortSignal): Promise<[]> {
    if (over.aborted) return [];
    broker.failed({ reason });
    const ms = Math.min(MAX_RECONNECT_MS, FIRST_RECONNECT_MS * 2 ** Math.min(failures, 10));
    failures += 1;
    await pause(jittered(ms), over);
    return [];
  }

  return {
    name: 'amqp',
    batch: BATCH,
    retryInMs: (failed) =>
      jittered(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failed - 1, 10))),
    async deliver(events, over) {
      if (!line || line.gone.aborted) {
        // Its connection may have outlived its channel.
        await line?.close();
        line = null;
        try {
          line = await unlessOver(openLine(settings.url, settings.exchange, log), over);
        } catch (error) {
          return await away(reasonOf(error), over);
        }
      }
      if (line.isBlocked()) return await away(line.reason(), over);
      const outcomes = await publishAll(line, settings, events, over);
      if (outcomes.length === 0) return await away(line.reason(), over);
      broker.answered();
      failures = 0;
      return outcomes;
    },
    async close() {
      await line?.close();
    },
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
  const confirmed: string[] = [];
  const refused: string[] = [];
  const answers: Promise<void>[] = [];
  for (const event of events) {
    // Nothing is published once the lock may be another's.
    if (ended.aborted) break;
    const answer = Promise.withResolvers<void>();
    answers.push(answer.promise);
    line.channel.publish(
      settings.exchange,
      event.type === 'user.created' ? settings.routingKey : event.type,
      Buffer.from(JSON.stringify(bodyOf(event))),
      {
        persistent: true,
        mandatory: true,
        messageId: event.id,
        type: event.type,
        contentType: 'application/json',
        timestamp: Math.floor(event.occurredAt.getTime() / 1000),
        appId: 'registrar',
      },
      (error: unknown) => {
        (error ? refused : confirmed).push(event.id);
        answer.resolve();
      },
    );
  }
  const all = Promise.all(answers).then(() => done.abort());
  do await Promise.race([all, pause(CONFIRMED_WITHIN_MS, ended)]);
  while (line.isBlocked() && !ended.aborted);
  // Without a confirm in time the line is of no use.
  if (!ended.aborted) await line.close();
  const nacked = line.gone.aborted ? [] : refused;
  return [
    ...confirmed.map((id): Outcome => {
      // A message that comes back does so before its confirm.
      const isReturned = line.returned.delete(id);
      return isReturned
        ? { id, kind: 'failed', reason: 'no queue bound' }
        : { id, kind: 'delivered' };
    }),
    ...nacked.map((id): Outcome => ({ id, kind: 'failed', reason: 'rejected by the broker' })),
  ];
}
