import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { IS_EVENT } from '../../db/schema.ts';
import {
  EVENT_DESTINATIONS,
  OUTBOX_DESTINATIONS,
  type EventDestination,
  type OutboxDestination,
} from '../../domain/outbox.ts';
import { atEdge } from '../database-error.ts';
import { adoptEvents, outboxFrom, type OutboxPlace } from './event-deliveries.ts';

/** Deliveries of one statement. */
const AT_ONCE = 1000;

export interface RedeliverRequest {
  /** null: all. */
  readonly destination: OutboxDestination | null;
  /** Deliveries that wait for their next attempt, rather than those that were given up. */
  readonly waiting: boolean;
  /** Only what occurred since; with those that were given up also events without a delivery. */
  readonly since: Date | null;
}

/** Why a request makes nothing due. not_an_event: an invitation that was given up is requested again at
 * its registration · not_configured: nobody would deliver it. */
export type RedeliverRefusal = 'not_an_event' | 'not_configured';

/** The destinations that a request is about. */
export function redeliverTargets(
  configured: readonly EventDestination[],
  { destination, waiting }: Pick<RedeliverRequest, 'destination' | 'waiting'>,
): OutboxDestination[] | RedeliverRefusal {
  const refusals = new Map(
    OUTBOX_DESTINATIONS.map((name) => [name, refusalOf(configured, name, waiting)] as const),
  );
  const refusal = destination && refusals.get(destination);
  if (refusal) return refusal;
  return OUTBOX_DESTINATIONS.filter(
    (name) => refusals.get(name) === null && name === (destination ?? name),
  );
}

function refusalOf(
  configured: readonly EventDestination[],
  name: OutboxDestination,
  waiting: boolean,
): RedeliverRefusal | null {
  if (!isEventDestination(name)) return waiting ? null : 'not_an_event';
  return configured.includes(name) ? null : 'not_configured';
}

/**
 * Makes deliveries due at once, with all their attempts: behind `npm run redeliver` and
 * `POST /outbox/redeliver`. Repeatable. @throws DatabaseError
 * @param goesOn asked after each thousand deliveries: false ends the work, and a repeat goes on
 * @returns how many deliveries are due because of it
 */
export async function redeliver(
  db: Database,
  targets: readonly OutboxDestination[],
  request: Pick<RedeliverRequest, 'waiting' | 'since'>,
  goesOn: () => boolean = () => true,
): Promise<number> {
  let due = 0;
  for (const name of targets) due += await makeAllDue(db, name, request, goesOn);
  return due;
}

async function makeAllDue(
  db: Database,
  destination: OutboxDestination,
  { waiting, since }: Pick<RedeliverRequest, 'waiting' | 'since'>,
  goesOn: () => boolean,
): Promise<number> {
  let due = 0;
  let some = AT_ONCE;
  while (some === AT_ONCE && goesOn()) {
    some =
      waiting || !isEventDestination(destination)
        ? await hastenDeliveries(db, destination, since)
        : await reviveEvents(db, destination, since);
    due += some;
  }
  if (waiting || since === null || !isEventDestination(destination)) return due;
  let from: OutboxPlace | null = outboxFrom(since);
  while (from && goesOn()) {
    const adopted = await adoptEvents(db, [destination], from, AT_ONCE);
    due += adopted.deliveries;
    from = adopted.next;
  }
  return due;
}

function isEventDestination(name: OutboxDestination): name is EventDestination {
  return EVENT_DESTINATIONS.some((event) => event === name);
}

/** Makes events that were given up due again, with all their attempts. @returns how many */
async function reviveEvents(
  db: Database,
  destination: EventDestination,
  since: Date | null,
): Promise<number> {
  return await makeDue(db, destination, since, sql`given_up_at IS NOT NULL`);
}

/**
 * Makes deliveries that wait for their next attempt due at once, with all their attempts. An
 * invitation that may have been mailed without a reply is left: it would be mailed again.
 * @returns how many
 */
async function hastenDeliveries(
  db: Database,
  destination: OutboxDestination,
  since: Date | null,
): Promise<number> {
  const waiting = sql`delivered_at IS NULL AND given_up_at IS NULL
    AND next_attempt_at > now() AND mail_attempted_at IS NULL`;
  return await makeDue(db, destination, since, waiting);
}

async function makeDue(
  db: Database,
  destination: OutboxDestination,
  since: Date | null,
  which: SQL,
): Promise<number> {
  const rows = await atEdge(() =>
    db.execute(sql`UPDATE outbox_deliveries
      SET given_up_at = NULL, attempts = 0, next_attempt_at = now()
      WHERE destination = ${destination} AND ${which} AND outbox_id IN (
        SELECT outbox_id FROM outbox_deliveries JOIN outbox o ON o.id = outbox_id
        WHERE destination = ${destination} AND ${which}
          AND o.occurred_at >= ${since?.toISOString() ?? '-infinity'}::timestamptz
        LIMIT ${AT_ONCE})
      RETURNING 1`),
  );
  return rows.length;
}

export interface EventCounts {
  readonly waiting: number;
  readonly givenUp: number;
  /** Events since `since` without a delivery. */
  readonly untold: number;
}

/** What a destination has not been told. */
export async function countEvents(
  db: Database,
  destination: OutboxDestination,
  since: Date | null,
): Promise<EventCounts> {
  return await atEdge(async () => {
    const from = isEventDestination(destination) ? since : null;
    const [counts] = await db.execute<{ waiting: number; given_up: number; untold: number }>(sql`
      SELECT (SELECT count(*) FROM outbox_deliveries WHERE destination = ${destination}
          AND delivered_at IS NULL AND given_up_at IS NULL)::int AS waiting,
        (SELECT count(*) FROM outbox_deliveries WHERE destination = ${destination}
          AND given_up_at IS NOT NULL)::int AS given_up,
        (SELECT count(*) FROM outbox o WHERE ${IS_EVENT}
          AND occurred_at >= ${from?.toISOString() ?? 'infinity'}::timestamptz
          AND NOT EXISTS (SELECT FROM outbox_deliveries d
            WHERE d.outbox_id = o.id AND d.destination = ${destination}))::int AS untold`);
    const { waiting = 0, given_up: givenUp = 0, untold = 0 } = counts ?? {};
    return { waiting, givenUp, untold };
  });
}
