import { sql, type SQL } from 'drizzle-orm';
import { LOCKS } from '../db/advisory-lock.ts';
import type { Database, Transaction } from '../db/client.ts';
import { atEdge } from './database-error.ts';

/** create: AdminCreateUser · update: what changes a user, its deletion included · compensation: what
 * is kept for deletions, so that no backlog of updates holds them up · background_…: the part of the
 * first two that background work may take while persons wait · read: what the API reads of users. */
export type Quota =
  | 'create'
  | 'update'
  | 'compensation'
  | 'background_create'
  | 'background_update'
  | 'read';

/** A place whose time is this far in the past is not used any more: its run was terminated, or its
 * worker is unavailable. */
const OVERDUE_MS = 2000;
// A subquery, since the index cannot be searched for a value that is read anew for each row.
const overdue = sql`(SELECT clock_timestamp()) - ${interval(OVERDUE_MS)}`;
/** Of both sides, so that the index is searched twice and not read through. */
const eitherSide = sql`signup IN (true, false)`;
/** Places of either side that a newcomer looks at for a gap; with more it goes behind the last. */
const LOOKED_AT = 1000;

/** Places of a quota that an overview counts. */
const QUEUED_BOUND = 10_000;

/** Who asks for a call of a quota. */
export interface QuotaCaller {
  readonly quota: Quota;
  /** Above 0, fractions allowed. */
  readonly perSecond: number;
  /** null: of no registration's run. Public sign-up is told apart by the registration's door. */
  readonly registrationId: string | null;
  /** The step that a place is kept for; null: it never queues. */
  readonly step: string | null;
  /** Since when it waits, in milliseconds since the epoch by PostgreSQL's clock; null: a newcomer. */
  readonly since: number | null;
}

/**
 * Takes the next call of a quota, for all processes of the deployment. Calls are `1 / perSecond` apart,
 * and after a pause a quarter of a second's calls may come at once. While both wait, public sign-up
 * and all others take every second call each. A place that is used is removed.
 * @returns how long to wait before the call, in milliseconds; null when that is more than `withinMs`
 */
export async function takeQuotaCall(
  db: Database,
  caller: QuotaCaller,
  withinMs: number,
): Promise<number | null> {
  const taken =
    (await takeWhileNobodyWaits(db, caller, withinMs)) ??
    (await takeAmongPlaces(db, caller, withinMs));
  return taken && Math.max(0, taken.wait);
}

type Taken = { readonly wait: number } | null;

// The call waits for the commit, and the next caller for the row. A crash of the server that forgets
// the last half second of calls lets as many through again; Cognito's own answer covers that.
const withoutFlush = sql`set_config('synchronous_commit', 'off', true)`;

/** One cheap statement, which plans in a fraction of the time that the general one takes. */
async function takeWhileNobodyWaits(
  db: Database,
  { quota, perSecond }: QuotaCaller,
  withinMs: number,
): Promise<Taken> {
  const apart = interval(1000 / perSecond);
  const earliest = sql`clock_timestamp() - ${interval(burstMs(perSecond))}`;
  const call = sql`greatest(q.next_call_at, q.next_signup_call_at, ${earliest})`;
  const [taken] = await atEdge(() =>
    db.execute<{ wait: number }>(sql`
      INSERT INTO quota_slots AS q (quota, next_call_at, next_signup_call_at)
      VALUES (${quota}, ${earliest} + ${apart}, ${earliest} + ${apart})
      ON CONFLICT (quota) DO UPDATE SET
        next_call_at = ${call} + ${apart}, next_signup_call_at = ${call} + ${apart}
        WHERE ${call} <= clock_timestamp() + ${interval(withinMs)} AND NOT EXISTS (
          SELECT FROM quota_places WHERE quota = ${quota} AND ${eitherSide} AND turn_at >= ${overdue})
      RETURNING ${ms(sql`next_call_at - ${apart} - clock_timestamp()`)} AS wait,
        ${withoutFlush}`),
  );
  return taken ?? null;
}

async function takeAmongPlaces(
  db: Database,
  caller: QuotaCaller,
  withinMs: number,
): Promise<Taken> {
  const { quota, perSecond, registrationId, step } = caller;
  const apart = interval(1000 / perSecond);
  // Behind more places than this, the call is more than `withinMs` away.
  const most = Math.ceil(((burstMs(perSecond) + withinMs) * perSecond) / 1000) + 2;
  const [taken] = await atEdge(() =>
    db.execute<{ wait: number }>(sql`
      WITH slot AS (SELECT * FROM quota_slots WHERE quota = ${quota} FOR UPDATE),
      ${estimate(caller, most)},
      next AS (
        SELECT *,
          call_at + CASE WHEN shared THEN 2 ELSE 1 END * ${apart} AS own_next_at,
          CASE WHEN shared AND other_call_at <= call_at - ${apart} THEN other_call_at
            ELSE greatest(other_call_at, call_at + ${apart}) END AS other_next_at
        FROM estimate
      ),
      taken AS (
        UPDATE quota_slots SET
          next_call_at = CASE WHEN next.signup THEN other_next_at ELSE own_next_at END,
          next_signup_call_at = CASE WHEN next.signup THEN own_next_at ELSE other_next_at END
        FROM next
        WHERE quota_slots.quota = ${quota}
          AND call_at + calls_ahead * ${apart} <= now + ${interval(withinMs)}
        RETURNING ${ms(sql`call_at - now`)} AS wait
      ),
      used AS (
        DELETE FROM quota_places
        WHERE registration_id = ${registrationId}::uuid AND step = ${step}::text
          AND quota = ${quota} AND EXISTS (SELECT FROM taken)
      )
      SELECT wait FROM taken`),
  );
  return taken ?? null;
}

/**
 * Takes a place in a quota's queue, or moves the one that the step has to its new time: the first gap
 * among the places that are left, or their end.
 * @returns since when it waits, and how long it still has to
 */
export async function joinQuotaQueue(
  db: Database,
  caller: QuotaCaller & { readonly registrationId: string; readonly step: string },
): Promise<{ since: number; waitMs: number }> {
  const { quota, registrationId, step, since } = caller;
  const apart = interval(1000 / caller.perSecond);
  const [place] = await atEdge(() =>
    db.transaction(async (tx) => {
      // One after the other, so that each sees the places before its own.
      await tx.execute(sql`SELECT pg_advisory_xact_lock(${LOCKS.quotaQueue})`);
      await removeOverdue(tx, quota);
      return await tx.execute<{ since: number; wait: number }>(sql`
        WITH slot AS (
          SELECT * FROM (SELECT) AS always LEFT JOIN quota_slots ON quota = ${quota}
        ),
        ${estimate(caller, LOOKED_AT)},
        place AS (
          INSERT INTO quota_places AS p (registration_id, step, quota, signup, since, turn_at)
          SELECT ${registrationId}::uuid, ${step}::text, ${quota}, signup,
            ${since === null ? sql`now` : timeOf(since)},
            greatest(call_at + calls_ahead * ${apart}, behind_last_at)
          FROM estimate
          ON CONFLICT (registration_id, step, quota) DO UPDATE
            SET turn_at = excluded.turn_at, since = least(p.since, excluded.since)
          RETURNING since, turn_at
        )
        SELECT ${ms(sql`place.since - 'epoch'::timestamptz`)} AS since,
          ${ms(sql`turn_at - now`)} AS wait
        FROM place, estimate`);
    }),
  );
  if (!place) throw new Error('the upsert returned no row');
  return { since: place.since, waitMs: Math.max(0, place.wait) };
}

/** Removes the places of a registration that no longer goes forward: nobody waits for them. */
export async function leaveQuotaQueues(tx: Transaction, registrationId: string): Promise<void> {
  await tx.execute(sql`DELETE FROM quota_places WHERE registration_id = ${registrationId}::uuid`);
}

/** How many steps wait for each of these quotas, counted up to 10,000 each. */
export async function queuedSteps(
  db: Database,
  quotas: readonly Quota[],
): Promise<Map<string, number>> {
  const counts = await atEdge(() =>
    db.execute<{ quota: string; queued: number }>(sql`SELECT wanted.quota, (
        SELECT count(*)::int FROM (
          SELECT FROM quota_places AS p
          WHERE p.quota = wanted.quota AND ${eitherSide} AND turn_at >= ${overdue}
          LIMIT ${QUEUED_BOUND}) AS places) AS queued
      FROM unnest(${sql.param([...quotas])}::text[]) AS wanted(quota)`),
  );
  return new Map(counts.map(({ quota, queued }) => [quota, queued]));
}

async function removeOverdue(tx: Transaction, quota: Quota): Promise<void> {
  // Skips what is being used or left just now: waiting for it could end in a deadlock.
  await tx.execute(sql`
    DELETE FROM quota_places WHERE (registration_id, step, quota) IN (
      SELECT registration_id, step, quota FROM quota_places
      WHERE quota = ${quota} AND ${eitherSide} AND turn_at < ${overdue}
      FOR UPDATE SKIP LOCKED)`);
}

/**
 * What the caller has to expect, as the last of some CTEs; the first one, `slot`, comes before it.
 * `call_at`: its side's next call (the sides are public sign-up and all others), `other_call_at` that
 * of the other side, `calls_ahead`: how many calls others make first, `behind_last_at`: behind the last
 * place, where there are too many to look at, `shared`: whether both sides wait, or the other has
 * taken calls in advance while both did.
 * @param most places of either side to look at
 */
function estimate(caller: QuotaCaller, most: number): SQL {
  const { quota, perSecond, registrationId, step, since } = caller;
  const apart = interval(1000 / perSecond);
  const older = since === null ? sql`true` : sql`since < ${timeOf(since)}`;
  const places = (signup: SQL) => sql`quota_places
    WHERE quota = ${quota} AND signup = ${signup} AND turn_at >= now - ${interval(OVERDUE_MS)}`;
  const ownPlaces = sql`${places(sql`waiting.signup`)} AND ${older}
    AND (registration_id, step) IS DISTINCT FROM (${registrationId}::uuid, ${step}::text)`;
  // The clock is read below the lock on `slot`: a statement that waited for it is late.
  return sql`
    caller AS MATERIALIZED (
      SELECT slot.*, clock_timestamp() AS now, EXISTS (
        SELECT FROM registrations WHERE id = ${registrationId}::uuid AND door = 'signup') AS signup
      FROM slot
    ),
    sides AS (
      SELECT now, signup, greatest(now - ${interval(burstMs(perSecond))},
          CASE WHEN signup THEN next_signup_call_at ELSE next_call_at END) AS call_at,
        greatest(now - ${interval(burstMs(perSecond))},
          CASE WHEN signup THEN next_call_at ELSE next_signup_call_at END) AS other_call_at
      FROM caller
    ),
    waiting AS (
      SELECT sides.*, others, coalesce(first_at <= call_at + 2 * ${apart}, false)
        OR other_call_at > call_at AS shared
      FROM sides, LATERAL (
        SELECT count(*) AS others, min(turn_at) AS first_at FROM (
          SELECT turn_at FROM ${places(sql`NOT sides.signup`)}
          ORDER BY turn_at LIMIT ${most}::bigint) AS other_side
      ) AS other_places
    ),
    looked AS (
      -- Before the first place whose time leaves room for one more call, or else behind all.
      SELECT waiting.*, gap, coalesce(gap, own + least(own, others)) AS calls_ahead,
        gap IS NULL AND own = ${most}::bigint AS too_many
      FROM waiting, LATERAL (
        SELECT count(*) AS own, min(before + least(before, others)) FILTER (WHERE turn_at >=
          call_at + (before + least(before, others) + 1) * ${apart} - interval '1 ms') AS gap
        FROM (
          SELECT turn_at, row_number() OVER (ORDER BY turn_at) - 1 AS before
          FROM ${ownPlaces} ORDER BY turn_at LIMIT ${most}::bigint) AS own_side
      ) AS own_places
    ),
    estimate AS (
      SELECT waiting.*, CASE WHEN too_many THEN (
        SELECT turn_at + ${apart} * CASE WHEN shared THEN 2 ELSE 1 END
        FROM ${ownPlaces} ORDER BY turn_at DESC LIMIT 1) END AS behind_last_at
      FROM looked AS waiting
    )`;
}

/** How far back a call may lie that was left unused: a quarter of a second, less the call itself. */
function burstMs(perSecond: number): number {
  return ((Math.max(1, Math.floor(perSecond / 4)) - 1) * 1000) / perSecond;
}

function interval(milliseconds: number): SQL {
  return sql`make_interval(secs => ${milliseconds / 1000}::float8)`;
}

function timeOf(msSinceEpoch: number): SQL {
  return sql`to_timestamp(${msSinceEpoch / 1000}::float8)`;
}

function ms(difference: SQL): SQL {
  return sql`(extract(epoch FROM ${difference}) * 1000)::float8`;
}
