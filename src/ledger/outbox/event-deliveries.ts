import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { IS_EVENT } from '../../db/schema.ts';
import type { EventDestination } from '../../domain/outbox.ts';
import type { UserEvent, UserEventType } from '../../domain/user-event.ts';
import { atEdge } from '../database-error.ts';

export interface DueEvent extends UserEvent {
  /** Attempts that have failed. */
  readonly attempts: number;
}

/** An attempt that failed. */
export interface FailedAttempt {
  readonly outboxId: string;
  /** Short, and of no person: it stays readable. */
  readonly reason: string;
  /** null: it was the last. */
  readonly nextInMs: number | null;
}

/** A place in the outbox: everything before it has been looked at. */
export interface OutboxPlace {
  readonly occurredAt: string;
  readonly id: string;
}

/** The place before everything that occurred at a time, or later. */
export function outboxFrom(time: Date): OutboxPlace {
  return { occurredAt: time.toISOString(), id: '00000000-0000-0000-0000-000000000000' };
}

export interface Adopted {
  readonly deliveries: number;
  /** Where to go on; null when no more than the limit were left. */
  readonly next: OutboxPlace | null;
}

/**
 * Gives each destination a delivery of every event from a place on that has none: written before
 * the destination was configured, or by a process that did not know of it. Repeatable.
 * @param limit how many events are looked at
 * @param before only events that occurred before this time
 */
export async function adoptEvents(
  db: Database,
  destinations: readonly EventDestination[],
  from: OutboxPlace,
  limit: number,
  before: Date | null = null,
): Promise<Adopted> {
  return await atEdge(async () => {
    const [page] = await db.execute<{
      events: number;
      deliveries: number;
      occurred_at: string;
      id: string;
    }>(sql`
      WITH page AS (
        SELECT id, occurred_at FROM outbox
        WHERE ${IS_EVENT}
          AND (occurred_at, id) > (${from.occurredAt}::timestamptz, ${from.id}::uuid)
          AND occurred_at < ${before?.toISOString() ?? 'infinity'}::timestamptz
        ORDER BY occurred_at, id LIMIT ${limit}
      ), lacking AS (
        -- Locked, and left out where it cannot be: the deletion of a person takes events away meanwhile.
        SELECT o.id, wanted.destination
        FROM outbox o JOIN page ON page.id = o.id
          CROSS JOIN unnest(${sql.param([...destinations])}::text[]) AS wanted(destination)
        WHERE NOT EXISTS (SELECT FROM outbox_deliveries d
          WHERE d.outbox_id = o.id AND d.destination = wanted.destination)
        FOR KEY SHARE OF o SKIP LOCKED
      ), adopted AS (
        INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at)
        SELECT id, destination, now() FROM lacking
        ON CONFLICT DO NOTHING RETURNING 1
      )
      SELECT count(*)::int AS events, (SELECT count(*) FROM adopted)::int AS deliveries,
        max(occurred_at)::text AS occurred_at,
        (array_agg(id ORDER BY occurred_at DESC, id DESC))[1]::text AS id FROM page`);
    const { events = 0, deliveries = 0, occurred_at: occurredAt = '', id = '' } = page ?? {};
    return { deliveries, next: events < limit ? null : { occurredAt, id } };
  });
}

/** Events that are due at a destination, the longest first. */
export async function dueEvents(
  db: Database,
  destination: EventDestination,
  limit: number,
): Promise<DueEvent[]> {
  return await atEdge(async () => {
    const rows = await db.execute<{
      id: string;
      kind: UserEventType;
      registration_id: string;
      occurred_at: string;
      sequence: number;
      attempts: number;
      user_id: string;
      username: string | null;
      email: string | null;
      email_verified: boolean;
      profile_id: string | null;
      roles: string[] | null;
    }>(sql`SELECT o.id, o.kind, o.registration_id, o.occurred_at, o.sequence, o.roles, d.attempts,
        r.user_id, coalesce(r.username, r.email) AS username, r.email, r.email_verified,
        r.profile_id
      FROM outbox_deliveries d JOIN outbox o ON o.id = d.outbox_id
      JOIN registrations r ON r.id = o.registration_id
      WHERE d.destination = ${destination} AND d.delivered_at IS NULL AND d.given_up_at IS NULL
        AND d.next_attempt_at <= now()
      ORDER BY d.next_attempt_at, o.occurred_at LIMIT ${limit}`);
    return rows.map((row) => ({
      id: row.id,
      type: row.kind,
      registrationId: row.registration_id,
      occurredAt: new Date(row.occurred_at),
      sequence: row.sequence,
      attempts: row.attempts,
      user: {
        id: row.user_id,
        username: row.username,
        email: row.email,
        emailVerified: row.email_verified,
        profileId: row.profile_id,
      },
      roles: row.roles,
    }));
  });
}

export async function recordEventsDelivered(
  db: Database,
  destination: EventDestination,
  outboxIds: readonly string[],
): Promise<void> {
  if (outboxIds.length === 0) return;
  await atEdge(() =>
    db.execute(sql`UPDATE outbox_deliveries
      SET delivered_at = now(), attempts = attempts + 1, last_error = NULL
      WHERE outbox_id = ANY(${sql.param([...outboxIds])}::uuid[]) AND destination = ${destination}
        AND delivered_at IS NULL`),
  );
}

export async function recordEventsFailed(
  db: Database,
  destination: EventDestination,
  failed: readonly FailedAttempt[],
): Promise<void> {
  if (failed.length === 0) return;
  await atEdge(() =>
    db.execute(sql`UPDATE outbox_deliveries d
      SET attempts = attempts + 1, last_error = f.reason,
        next_attempt_at = now() + make_interval(secs => coalesce(f.next_in_s, 0)),
        given_up_at = CASE WHEN f.next_in_s IS NULL THEN now() END
      FROM jsonb_to_recordset(${JSON.stringify(
        failed.map(({ outboxId, reason, nextInMs }) => ({
          outbox_id: outboxId,
          reason,
          next_in_s: nextInMs === null ? null : nextInMs / 1000,
        })),
      )}::jsonb) AS f(outbox_id uuid, reason text, next_in_s double precision)
      WHERE d.outbox_id = f.outbox_id AND d.destination = ${destination}
        AND d.delivered_at IS NULL`),
  );
}
