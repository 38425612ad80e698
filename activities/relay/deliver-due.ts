import type { Database } from '../../src/db/client.ts';
import {
  adoptEvents,
  dueEvents,
  recordEventsDelivered,
  recordEventsFailed,
  outboxFrom,
  type DueEvent,
  type FailedAttempt,
  type OutboxPlace,
} from '../../src/ledger/outbox/event-deliveries.ts';
import { databaseNow } from '../../src/ledger/registrations/row.ts';
import type { StepLog } from '../step-context.ts';
import type { Destination, Outcome, WatchedDestination } from './destination.ts';
import { pause, POLL_MS, rest } from './pause.ts';

export interface RelayStepDeps {
  readonly db: Database;
  readonly log: StepLog;
}

/** A destination that is switched on is told what has occurred since: older events wait for
 * `npm run redeliver`, so that nobody is told a year at once by mistake. */
const ADOPTED_MS = 7 * 86_400_000;
/** Longer than a transaction lasts and clocks differ: by then an event of this moment is to be seen. */
const FRESH_MS = 120_000;
const ADOPTED_AT_ONCE = 1000;
/** Of a backlog: half of the time, since others wait for events. */
const RESTS = 1;

/**
 * Gives every event its deliveries: what comes, and beside it once those of the last days, so that
 * a fresh event does not wait until the pages of a week are through.
 * @returns the two loops
 */
export function adopt(
  deps: RelayStepDeps,
  destinations: readonly Destination[],
  over: AbortSignal,
): Promise<void>[] {
  // The two meet here and do not overlap, so neither waits for the other's rows.
  const boundary = freshSince(deps.db);
  return [
    adoptFresh(deps, destinations, boundary, over),
    adoptPast(deps, destinations, boundary, over),
  ];
}

async function adoptFresh(
  { db }: RelayStepDeps,
  destinations: readonly Destination[],
  boundary: Promise<Date>,
  over: AbortSignal,
): Promise<void> {
  const names = destinations.map(({ name }) => name);
  let since = await boundary;
  while (!over.aborted) {
    let from: OutboxPlace | null = outboxFrom(since);
    while (from && !over.aborted) {
      const began = performance.now();
      ({ next: from } = await adoptEvents(db, names, from, ADOPTED_AT_ONCE));
      if (from) await rest(began, over, RESTS);
    }
    await pause(POLL_MS, over);
    since = await freshSince(db);
  }
}

// By the clock that stamps the events.
async function freshSince(db: RelayStepDeps['db']): Promise<Date> {
  return new Date((await databaseNow(db)).getTime() - FRESH_MS);
}

async function adoptPast(
  { db }: RelayStepDeps,
  destinations: readonly Destination[],
  boundaryOf: Promise<Date>,
  over: AbortSignal,
): Promise<void> {
  const names = destinations.map(({ name }) => name);
  const boundary = await boundaryOf;
  let from: OutboxPlace | null = outboxFrom(new Date(boundary.getTime() - ADOPTED_MS));
  while (from && !over.aborted) {
    const began = performance.now();
    ({ next: from } = await adoptEvents(db, names, from, ADOPTED_AT_ONCE, boundary));
    if (from) await rest(began, over, RESTS);
  }
}

/** Delivers what is due at one destination, whatever becomes of the others. */
export async function deliverDue(
  deps: RelayStepDeps,
  destination: WatchedDestination,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    const began = performance.now();
    const due = await dueEvents(deps.db, destination.name, destination.batch);
    const outcomes = due.length > 0 ? await destination.deliver(due, over) : [];
    await note(deps, destination, due, outcomes);
    if (outcomes.length < destination.batch) await pause(POLL_MS, over);
    else await rest(began, over, RESTS);
  }
}

async function note(
  { db, log }: RelayStepDeps,
  { name, retryInMs, availability }: WatchedDestination,
  due: readonly DueEvent[],
  outcomes: readonly Outcome[],
): Promise<void> {
  const attempts = new Map(due.map((event) => [event.id, event.attempts]));
  const delivered = outcomes.filter(({ kind }) => kind === 'delivered').map(({ id }) => id);
  await recordEventsDelivered(db, name, delivered);
  const failed = outcomes.flatMap((outcome): FailedAttempt[] => {
    if (outcome.kind === 'delivered') return [];
    const { id, reason, retryAfterMs = 0 } = outcome;
    const wait = retryInMs((attempts.get(id) ?? 0) + 1);
    const nextInMs = wait === null ? null : Math.max(wait, retryAfterMs);
    return [{ outboxId: id, reason, nextInMs }];
  });
  await recordEventsFailed(db, name, failed);
  // Not for each event: a dead endpoint fails them all.
  if (delivered.length > 0) availability.answered();
  const [first] = failed;
  if (first && delivered.length === 0) {
    const { outboxId, reason } = first;
    availability.failed({ destination: name, reason, events: failed.length, outboxId });
  }
  const last = failed.filter(({ nextInMs }) => nextInMs === null);
  if (last.length === 0) return;
  const outboxIds = last.map(({ outboxId }) => outboxId);
  log.error({ destination: name, outboxIds }, 'event delivery given up; see npm run redeliver');
}
