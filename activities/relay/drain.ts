import type { Database } from '../../src/db/client.ts';
import {
  adoptEvents,
  dueEvents,
  noteEventsDelivered,
  noteEventsFailed,
  outboxFrom,
  type DueEvent,
  type FailedAttempt,
  type OutboxPlace,
} from '../../src/ledger/event-deliveries.ts';
import type { StepLog } from '../step-context.ts';
import type { Destination, Outcome } from './destination.ts';
import { pause, POLL_MS } from './pause.ts';

export interface DrainDeps {
  readonly db: Database;
  readonly log: StepLog;
}

/** A destination that is switched on is told what has occurred since: older events wait for
 * `npm run redeliver`, so that nobody is told a year at once by mistake. */
const ADOPTED_DAYS = 7;
/** Longer than a transaction lasts and clocks differ: by then an event of this moment is to be seen. */
const FRESH_MS = 120_000;
const ADOPTED_AT_ONCE = 1000;

/** Gives every event its deliveries: first those of the last days, then what comes. */
export async function adopt(
  { db }: DrainDeps,
  destinations: readonly Destination[],
  over: AbortSignal,
): Promise<void> {
  const names = destinations.map(({ name }) => name);
  let sinceMs = ADOPTED_DAYS * 86_400_000;
  while (!over.aborted) {
    let from: OutboxPlace | null = outboxFrom(new Date(Date.now() - sinceMs));
    while (from && !over.aborted) {
      ({ next: from } = await adoptEvents(db, names, from, ADOPTED_AT_ONCE));
    }
    sinceMs = FRESH_MS;
    await pause(POLL_MS, over);
  }
}

/** Delivers what is due at one destination, whatever becomes of the others. */
export async function drain(
  deps: DrainDeps,
  destination: Destination,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    const due = await dueEvents(deps.db, destination.name, destination.batch);
    const outcomes = due.length > 0 ? await destination.deliver(due, over) : [];
    await note(deps, destination, due, outcomes);
    if (outcomes.length < destination.batch) await pause(POLL_MS, over);
  }
}

async function note(
  { db, log }: DrainDeps,
  { name, retryInMs }: Destination,
  due: readonly DueEvent[],
  outcomes: readonly Outcome[],
): Promise<void> {
  const attempts = new Map(due.map((event) => [event.id, event.attempts]));
  const delivered = outcomes.filter(({ kind }) => kind === 'delivered').map(({ id }) => id);
  await noteEventsDelivered(db, name, delivered);
  const failed = outcomes.flatMap((outcome): FailedAttempt[] => {
    if (outcome.kind === 'delivered') return [];
    const { id, reason, retryAfterMs = 0 } = outcome;
    const wait = retryInMs((attempts.get(id) ?? 0) + 1);
    const nextInMs = wait === null ? null : Math.max(wait, retryAfterMs);
    return [{ outboxId: id, reason, nextInMs }];
  });
  await noteEventsFailed(db, name, failed);
  // One line for each reason, not for each event: a dead endpoint fails them all.
  for (const [reason, all] of Map.groupBy(failed, (attempt) => attempt.reason)) {
    const fields = { destination: name, reason, events: all.length, outboxId: all[0]?.outboxId };
    log.warn(fields, 'events not delivered');
  }
  const last = failed.filter(({ nextInMs }) => nextInMs === null);
  if (last.length === 0) return;
  const outboxIds = last.map(({ outboxId }) => outboxId);
  log.error({ destination: name, outboxIds }, 'events given up: see npm run redeliver');
}
