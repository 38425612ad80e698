import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { CHANGE_STATUSES } from '../domain/change.ts';
import { FAILURES, isFailureName, type FailureName } from '../domain/failure.ts';
import type {
  AttentionGroup,
  OutboxState,
  Overview,
  TemporalOverview,
} from '../domain/overview.ts';
import { CLOSED, STATUSES } from '../domain/status.ts';
import {
  CHANGE_WAITS_FOR,
  CHANGE_WAITS_SINCE,
  IS_WAITING,
  WAITS_FOR,
  WAITS_SINCE,
} from '../db/schema.ts';
import { BACKLOG_BOUND, CHANGE_WAITING_KINDS, readBacklog, WAITING_KINDS } from './backlog.ts';
import { lastComparison } from './compare.ts';
import { atEdge } from './database-error.ts';
import type { OutboxDestination } from '../domain/outbox.ts';
import { DESTINATIONS } from './outbox/destinations.ts';
import { queuedSteps } from './quota.ts';
import { quotaRates, type QuotaSettings } from './quota-rates.ts';
import { databaseNow } from './registrations/row.ts';

/** What is looked at: registrations of each status and code, those that wait longest, and deliveries of
 * each destination, those due longest. Beyond it none is counted. */
const BOUND = sql.raw(String(BACKLOG_BOUND));

/** Quotas that steps wait for; a request that reads does not wait. */
const QUEUES = [
  'create',
  'update',
  'compensation',
  'background_create',
  'background_update',
] as const;

export interface OverviewSources {
  readonly db: Database;
  readonly quotas: QuotaSettings;
  /** What Temporal says, in bounded time; never throws. */
  readonly temporal: () => Promise<TemporalOverview>;
}

/**
 * What an operator sees first: behind `GET /overview`, `npm run status` and the console. Each part reads a
 * bounded number of rows, however large the ledger is. @throws DatabaseError
 */
export async function readOverview({ db, quotas, temporal }: OverviewSources): Promise<Overview> {
  // At once with the ledger: Temporal may use all of its time.
  const asked = temporal();
  const ledger = await readLedger(db, quotas);
  return { ...ledger, temporal: await asked };
}

async function readLedger(
  db: Database,
  quotas: QuotaSettings,
): Promise<Omit<Overview, 'temporal'>> {
  const [registrations, changes, needsAttention, outbox, queued, comparison, readAt] =
    await Promise.all([
      registrationsByStatus(db),
      changesByStatus(db),
      atEdge(() => readAttention(db)),
      atEdge(() => readOutbox(db)),
      queuedSteps(db, QUEUES),
      lastComparison(db),
      databaseNow(db),
    ]);
  const perSecond = quotaRates(quotas);
  return {
    registrations: { byStatus: registrations },
    changes: { byStatus: changes },
    needsAttention,
    outbox,
    quotas: QUEUES.map((name) => ({
      name,
      perSecond: perSecond[name],
      queued: queued.get(name) ?? 0,
    })),
    comparison,
    readAt,
  };
}

async function registrationsByStatus(db: Database): Promise<Overview['registrations']['byStatus']> {
  const closed = CLOSED.map(
    (status) => sql`(SELECT count(*)::int FROM (
      SELECT FROM registrations WHERE phase = ${status} LIMIT ${BOUND}) AS closed)
      AS ${sql.identifier(status)}`,
  );
  const [{ open }, counted] = await Promise.all([
    readBacklog(db),
    atEdge(() => db.execute<Record<string, number>>(sql`SELECT ${sql.join(closed, sql`, `)}`)),
  ]);
  const byStatus = { ...zeros(STATUSES), ...counted[0] };
  for (const { status, count } of open) byStatus[status] += count;
  return byStatus;
}

async function changesByStatus(db: Database): Promise<Overview['changes']['byStatus']> {
  const counts = CHANGE_STATUSES.map(
    (status) => sql`(SELECT count(*)::int FROM (
      SELECT FROM changes WHERE status = ${status} LIMIT ${BOUND}) AS those)
      AS ${sql.identifier(status)}`,
  );
  const [counted] = await atEdge(() =>
    db.execute<Record<string, number>>(sql`SELECT ${sql.join(counts, sql`, `)}`),
  );
  return { ...zeros(CHANGE_STATUSES), ...counted };
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

type Kind = AttentionGroup['kind'];

async function readAttention(db: Database): Promise<AttentionGroup[]> {
  const groups = await db.execute<{
    kind: Kind;
    status: AttentionGroup['status'];
    code: string | null;
    cause: string | null;
    count: number;
    oldest_at: string;
    oldest_id: string;
  }>(sql`WITH RECURSIVE ${WAITING_KINDS}, ${CHANGE_WAITING_KINDS}, waiting AS (
      SELECT 'registration' AS kind, r.id, r.status, r.failure, CASE r.status
        WHEN 'roles_pending' THEN r.parked_at
        ELSE coalesce((SELECT max(at) FROM audit_events
          WHERE registration_id = r.id AND event = 'registration.cleanup_required'), r.accepted_at)
        END AS since
      FROM kinds CROSS JOIN LATERAL (
        SELECT * FROM registrations WHERE ${IS_WAITING}
          AND phase = kinds.state AND ${WAITS_FOR} = kinds.code
        ORDER BY ${WAITS_SINCE} LIMIT ${BOUND}) AS r
      WHERE kinds.state IN ('roles_pending', 'cleanup_required')
      UNION ALL
      SELECT 'change', c.id, c.status, c.failure, coalesce(c.parked_at, c.accepted_at)
      FROM change_kinds CROSS JOIN LATERAL (
        SELECT * FROM changes WHERE open
          AND status = change_kinds.state AND ${CHANGE_WAITS_FOR} = change_kinds.code
        ORDER BY ${CHANGE_WAITS_SINCE} LIMIT ${BOUND}) AS c
      WHERE change_kinds.state = 'parked'
      UNION ALL
      SELECT 'registration', r.id, r.status, r.invitation_failure, d.given_up_at
      FROM (SELECT outbox_id, given_up_at FROM outbox_deliveries
        WHERE destination = 'cognito-mail' AND given_up_at IS NOT NULL LIMIT ${BOUND}) d
      JOIN outbox o ON o.id = d.outbox_id
      JOIN registrations r ON r.id = o.registration_id
    )
    SELECT kind, status, failure->>'code' AS code, failure->>'cause' AS cause, count(*)::int AS count,
      min(since) AS oldest_at, (array_agg(id ORDER BY since))[1] AS oldest_id
    FROM waiting GROUP BY 1, 2, 3, 4 ORDER BY min(since)`);
  return groups.map(({ kind, status, code, cause: written, count, oldest_at, oldest_id }) => {
    const cause = causeOf(status, code, written);
    return {
      kind,
      status,
      failureCode: code,
      cause,
      count,
      oldestAt: new Date(oldest_at),
      oldestId: oldest_id,
      remedy: FAILURES[cause].operator,
      request: requestFor(kind, status, code, oldest_id),
    };
  });
}

/** The row of FAILURES that a group waits under: as it was written, or the parked one of the code. */
function causeOf(
  status: AttentionGroup['status'],
  code: string | null,
  written: string | null,
): FailureName {
  // Its failure says why it is taken back, and not what stands in the way.
  if (status === 'cleanup_required') return 'manual_cleanup_required';
  if (written !== null && isFailureName(written)) return written;
  const parked = Object.keys(FAILURES)
    .filter(isFailureName)
    .find((name) => FAILURES[name].kind === 'parked' && FAILURES[name].code === code);
  return parked ?? 'provider_unavailable_parked';
}

/** Of a group the whole; an invitation is requested for one registration at a time. */
function requestFor(
  kind: Kind,
  status: AttentionGroup['status'],
  failureCode: string | null,
  id: string,
): string {
  if (status === 'completed') return `POST /registrations/${id}/invitation`;
  const body = { status, ...(failureCode !== null && { failureCode }) };
  return `POST /${kind}s/retry ${JSON.stringify(body)}`;
}

async function readOutbox(db: Database): Promise<OutboxState[]> {
  const rows = await db.execute<{
    destination: OutboxDestination;
    pending: number;
    given_up: number;
    oldest_at: string | null;
    next_attempt_at: string | null;
    last_error: string | null;
  }>(sql`SELECT destination, count(w.outbox_id) FILTER (WHERE given_up_at IS NULL)::int AS pending,
      count(given_up_at)::int AS given_up, min(occurred_at) AS oldest_at,
      min(next_attempt_at) FILTER (WHERE given_up_at IS NULL) AS next_attempt_at,
      (array_agg(last_error ORDER BY next_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1]
        AS last_error
    FROM unnest(${DESTINATIONS}) AS destination
    LEFT JOIN LATERAL (
      (SELECT outbox_id, given_up_at, next_attempt_at, last_error FROM outbox_deliveries d
        WHERE d.destination = destination.destination AND delivered_at IS NULL
          AND given_up_at IS NULL ORDER BY next_attempt_at LIMIT ${BOUND})
      UNION ALL
      (SELECT outbox_id, given_up_at, next_attempt_at, last_error FROM outbox_deliveries d
        WHERE d.destination = destination.destination AND given_up_at IS NOT NULL
        LIMIT ${BOUND})
    ) AS w ON true
    LEFT JOIN outbox o ON o.id = w.outbox_id
    GROUP BY destination ORDER BY destination`);
  return rows.map((row) => ({
    destination: row.destination,
    pending: row.pending,
    givenUp: row.given_up,
    oldestAt: row.oldest_at === null ? null : new Date(row.oldest_at),
    nextAttemptAt: row.next_attempt_at === null ? null : new Date(row.next_attempt_at),
    lastError: row.last_error,
  }));
}
