import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { atEdge } from './database-error.ts';

/** create: AdminCreateUser · update: what changes a user, its deletion included · compensation: what
 * is kept for deletions, so that no backlog of updates holds them up. */
export type Quota = 'create' | 'update' | 'compensation';

export interface CallWanted {
  readonly quota: Quota;
  /** Above 0, fractions allowed. */
  readonly perSecond: number;
  /** When the turn comes of a place in the queue; null for a newcomer, who comes behind the queue. */
  readonly turnAt: number | null;
  /** A call that may only be made later than this is not taken. */
  readonly withinMs: number;
}

/**
 * Takes the next call of a quota, for all processes of the deployment, in one statement: calls are
 * `1 / perSecond` apart, and after a pause a quarter of a second's calls may come at once. A turn that
 * is past takes the next call as well: after an outage they must not all come at once.
 * @returns how long to wait before it, in milliseconds; null when it lies too far away
 */
export async function takeCall(db: Database, wanted: CallWanted): Promise<number | null> {
  const { quota, turnAt } = wanted;
  const { apart, earliest } = spacing(wanted.perSecond);
  const turn = turnAt === null ? sql`q.queue_ends_at` : sql`to_timestamp(${turnAt / 1000}::float8)`;
  const call = sql`greatest(q.next_call_at, ${turn}, ${earliest})`;
  const [taken] = await atEdge(() =>
    db.execute<{ wait: number }>(sql`
      INSERT INTO quota_slots AS q (quota, queue_ends_at, next_call_at)
      VALUES (${quota}, ${earliest} + ${apart}, ${earliest} + ${apart})
      ON CONFLICT (quota) DO UPDATE SET
        next_call_at = ${call} + ${apart},
        queue_ends_at = ${turnAt === null ? sql`${call} + ${apart}` : sql`q.queue_ends_at`}
        WHERE ${call} <= clock_timestamp() + ${interval(wanted.withinMs)}
      RETURNING ${ms(sql`next_call_at - ${apart} - clock_timestamp()`)} AS wait`),
  );
  return taken ? Math.max(0, taken.wait) : null;
}

/** Takes a place at the end of a quota's queue. `at` is in milliseconds since the epoch, by
 * PostgreSQL's clock. */
export async function queue(
  db: Database,
  quota: Quota,
  perSecond: number,
): Promise<{ at: number; waitMs: number }> {
  const { apart, earliest } = spacing(perSecond);
  const [place] = await atEdge(() =>
    db.execute<{ at: number; wait: number }>(sql`
      INSERT INTO quota_slots AS q (quota, queue_ends_at, next_call_at)
      VALUES (${quota}, ${earliest} + ${apart}, ${earliest})
      ON CONFLICT (quota) DO UPDATE
        SET queue_ends_at = greatest(q.queue_ends_at, q.next_call_at, ${earliest}) + ${apart}
      RETURNING ${ms(sql`queue_ends_at - ${apart} - 'epoch'::timestamptz`)} AS at,
        ${ms(sql`queue_ends_at - ${apart} - clock_timestamp()`)} AS wait`),
  );
  if (!place) throw new Error('an upsert answered without its row');
  return { at: place.at, waitMs: Math.max(0, place.wait) };
}

function spacing(perSecond: number): { apart: SQL; earliest: SQL } {
  const apartMs = 1000 / perSecond;
  const burst = Math.max(1, Math.floor(perSecond / 4));
  return {
    apart: interval(apartMs),
    earliest: sql`(clock_timestamp() - ${interval((burst - 1) * apartMs)})`,
  };
}

function interval(milliseconds: number): SQL {
  return sql`make_interval(secs => ${milliseconds / 1000}::float8)`;
}

function ms(difference: SQL): SQL {
  return sql`(extract(epoch FROM ${difference}) * 1000)::float8`;
}
