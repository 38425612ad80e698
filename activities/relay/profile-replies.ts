import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ConsumeMessage } from 'amqplib';
import type { AmqpProfileSettings } from '../../src/config/profile-settings.ts';
import type { Database } from '../../src/db/client.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import type { Runs } from '../../src/domain/runs.ts';
import type { ProfileReplyOutcome, Telemetry } from '../../src/domain/telemetry.ts';
import { DatabaseError } from '../../src/ledger/database-error.ts';
import {
  recordProfileReply,
  type ProfileReply as RecordedReply,
} from '../../src/ledger/registrations/profile.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import type { Availability } from '../../src/telemetry/availability.ts';
import { deleteStrayProfile } from '../registration/delete-profile.ts';
import type { StepLog } from '../step-context.ts';
import { publish, reasonOf, type Line } from './amqp-line.ts';
import { createBrokerConnection } from './broker-connection.ts';
import { declareQueue } from './declare-queue.ts';
import { jittered } from './destination.ts';
import { pause } from './pause.ts';
import { parseReply, type NoReply, type ProfileReply } from './profile-messages.ts';

/** Replies that this process handles at once: as many as its background connections serve. */
const PREFETCH = 20;
/** The key of refusals, beside PROFILE_REPLY_KEY. */
const FAILED_KEY = 'user.creation_failed';
/** While PostgreSQL is away the replies wait at the broker. */
const FIRST_RETRY_MS = 500;
const CANCELLED_WITHIN_MS = 4000;
/** A broker that is short of memory takes nothing and says nothing. */
const BURIED_WITHIN_MS = 4000;
const MAX_RETRY_MS = 15_000;

export interface ProfileReplyDeps {
  readonly settings: AmqpProfileSettings;
  readonly db: Database;
  readonly log: StepLog;
  readonly telemetry: Pick<Telemetry, 'profileReplied'>;
  readonly runs: Pick<Runs, 'resume'>;
  readonly profiles: ProfileService;
  readonly broker?: Availability;
}

/**
 * Consumes the replies of the profile service until `over` aborts, across restarts of the broker. Any number
 * of these may run: the broker hands each reply to one of them, the row takes each decision once, and a reply
 * is acknowledged when the row, or the dead queue, has it.
 */
export async function consumeProfileReplies(
  deps: ProfileReplyDeps,
  over: AbortSignal,
): Promise<void> {
  const { settings, log, broker } = deps;
  const connection = createBrokerConnection(settings.url, settings.replyExchange, log, broker);
  const foreign = new Set<string>();
  try {
    while (!over.aborted) {
      try {
        const line = await connection.line(over);
        await consume(deps, line, over, foreign, () => connection.answered());
        if (!over.aborted) await connection.away(line.reason(), over);
      } catch (error) {
        await connection.away(reasonOf(error), over);
      }
    }
  } finally {
    await connection.close();
  }
}

/**
 * Consumes until the line has gone, or `over` has aborted and nothing is in hand any more.
 * @param foreign queues that somebody else declared, with other arguments
 */
async function consume(
  deps: ProfileReplyDeps,
  line: Line,
  over: AbortSignal,
  foreign: Set<string>,
  begun: () => void,
): Promise<void> {
  const { channel } = line;
  const { replyExchange, replyKey, replyQueue } = deps.settings;
  const inHand = new Set<Promise<void>>();
  const end = AbortSignal.any([line.gone, over]);
  await declareQueue(channel, deadQueueOf(deps.settings), foreign);
  await declareQueue(channel, replyQueue, foreign);
  for (const key of new Set([replyKey, FAILED_KEY])) {
    await channel.bindQueue(replyQueue, replyExchange, key);
  }
  await channel.prefetch(PREFETCH);
  const { consumerTag } = await channel.consume(replyQueue, (message) => {
    // Somebody deleted the queue: it is declared again on a new line.
    if (message === null) return void line.close();
    const handled = handle(deps, line, message, end).finally(() => inHand.delete(handled));
    inHand.add(handled);
  });
  deps.log.info({ queue: replyQueue }, 'consuming profile replies');
  begun();
  if (!end.aborted) await once(end, 'abort');
  if (!line.gone.aborted) {
    // A broker that is short of memory does not answer: the line then goes with what is in hand.
    const cancelled = channel.cancel(consumerTag).catch(() => undefined);
    await Promise.race([cancelled, once(line.gone, 'abort')]);
  }
  await Promise.all(inHand);
}

/** Never rejects: what cannot be settled now is not acknowledged, and comes again. */
async function handle(
  deps: ProfileReplyDeps,
  line: Line,
  message: ConsumeMessage,
  end: AbortSignal,
): Promise<void> {
  try {
    const settled = await settle(deps, message.content, end);
    if (settled === null) return;
    if (settled.outcome === 'dead') await bury(deps, line, message, settled);
    line.channel.ack(message);
    deps.telemetry.profileReplied(settled.outcome);
  } catch (error) {
    deps.log.warn({ reason: reasonOf(error) }, 'profile reply not acknowledged; it comes again');
    await line.close();
  }
}

type Settled =
  | { readonly outcome: Exclude<ProfileReplyOutcome, 'dead'> }
  | {
      readonly outcome: 'dead';
      readonly reason: NoReply | 'not recorded' | 'contradicts' | 'unknown';
      readonly registrationId?: string;
    };

/** @returns null when `end` aborts before the row has it */
async function settle(
  deps: ProfileReplyDeps,
  content: Buffer,
  end: AbortSignal,
): Promise<Settled | null> {
  const reply = parseReply(content, deps.settings.secret);
  if (typeof reply === 'string') return { outcome: 'dead', reason: reply };
  const { registrationId, decision } = reply;
  const outcome = await record(deps, reply, end);
  switch (outcome) {
    case null:
      return null;
    case 'recorded':
    case 'repeated':
      // Also for one that came before: its consumer may have been killed between the row and the signal.
      await attempt(deps, registrationId, () => resumeIfParked(deps, registrationId));
      return { outcome };
    case 'closed':
      if (decision.kind === 'created') {
        await attempt(deps, registrationId, () => cancelAgain(deps, registrationId));
      }
      return { outcome };
    case 'contradicts':
    case 'unknown':
    case 'not recorded':
      return { outcome: 'dead', reason: outcome, registrationId };
  }
}

async function record(
  { db, log }: ProfileReplyDeps,
  { registrationId, decision }: ProfileReply,
  end: AbortSignal,
): Promise<RecordedReply | 'not recorded' | null> {
  for (let failures = 0; !end.aborted; failures += 1) {
    try {
      return await recordProfileReply(db, registrationId, decision);
    } catch (error) {
      const passes = error instanceof DatabaseError && !error.definitive;
      const fields = { registrationId, error: error instanceof Error ? error.name : 'Unknown' };
      // Whatever fails for good would hold its place among the prefetched ones for ever.
      if (!passes) {
        log.error(fields, 'profile reply cannot be recorded');
        return 'not recorded';
      }
      if (failures === 0) log.warn(fields, 'profile reply waits for PostgreSQL');
      await pause(jittered(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)), end);
    }
  }
  return null;
}

/** A step that is under way finds the decision in the row by itself. */
async function resumeIfParked(
  { db, runs }: ProfileReplyDeps,
  registrationId: string,
): Promise<void> {
  const { status } = await readRow(db, registrationId);
  if (status === 'roles_pending') await runs.resume(registrationId, 'schedule');
}

/** A row that is still being taken back does so by itself. */
async function cancelAgain(deps: ProfileReplyDeps, registrationId: string): Promise<void> {
  const row = await readRow(deps.db, registrationId);
  if (row.profileStrayAt === null) return;
  const signal = AbortSignal.timeout(CANCELLED_WITHIN_MS);
  // No grace: over RabbitMQ a cancellation is final.
  await deleteStrayProfile({ ...deps, graceMs: 0, signal, attempt: 1, slow: false }, row);
}

/** The row has the decision, and what is not done now is done by the schedules. */
async function attempt(
  { log }: ProfileReplyDeps,
  registrationId: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const fields = { registrationId, error: error instanceof Error ? error.name : 'Unknown' };
    log.info(fields, 'profile reply recorded; the schedules do the rest');
  }
}

/** @throws Error unless the dead queue has the message */
async function bury(
  { settings, log }: ProfileReplyDeps,
  line: Line,
  { content, properties, fields }: ConsumeMessage,
  { reason, registrationId }: Settled & { outcome: 'dead' },
): Promise<void> {
  const queue = deadQueueOf(settings);
  const late = new AbortController();
  const sent = publish(line, ['', queue], content, {
    messageId: randomUUID(),
    headers: {
      'x-reason': reason,
      'x-routing-key': fields.routingKey,
      'x-message-id': String(properties.messageId ?? ''),
      'x-correlation-id': String(properties.correlationId ?? ''),
    },
  });
  const waited = pause(BURIED_WITHIN_MS, late.signal).then(() => 'unanswered' as const);
  const published = await Promise.race([sent, waited]).finally(() => late.abort());
  if (published !== 'confirmed') throw new Error(`${queue}: ${published}`);
  log.warn({ registrationId, reason, queue }, 'profile reply moved to the dead queue');
}

function deadQueueOf({ replyQueue }: AmqpProfileSettings): string {
  return `${replyQueue}.dead`;
}
