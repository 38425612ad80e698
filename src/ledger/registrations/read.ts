import { and, asc, desc, eq, gte, inArray, lt, or, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { runPrepared } from '../../db/prepared.ts';
import { auditEvents, FAILURE_CODE, registrations } from '../../db/schema.ts';
import type { AuditEvent } from '../../domain/audit-event.ts';
import type { Grants } from '../../domain/grants.ts';
import type { Registration } from '../../domain/registration.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { atEdge } from '../database-error.ts';
import { everHadEmail, everHadEmailPrefix, everHadUsername } from './living.ts';
import { registrationOf, ROW, toRegistration } from './row.ts';

/** Counting stops here: beyond it a total costs more than it tells. */
const COUNT_BOUND = 10_000;
/** Events of one registration; more come only of hundreds of operators' instructions. */
const TIMELINE_BOUND = 500;

export interface RegistrationFilter {
  readonly visibleTo: { readonly callerId: string; readonly grants: Grants };
  readonly statuses?: readonly RegistrationStatus[];
  /** What they wait for or ended with. */
  readonly failureCode?: string;
  readonly email?: string;
  /** The beginning of the address, lower case. */
  readonly emailPrefix?: string;
  /** Compared without case. */
  readonly username?: string;
  readonly role?: string;
  readonly requestedBy?: string;
  readonly acceptedAfter?: Date;
  readonly acceptedBefore?: Date;
}

export async function readRegistration(db: Database, id: string): Promise<Registration | null> {
  const [raw] = await atEdge(() => runPrepared(db, READ, [id]));
  return raw ? registrationOf(raw) : null;
}

/** What a waiting request polls: a fraction of the cost of the row. */
export async function readStatus(db: Database, id: string): Promise<RegistrationStatus | null> {
  const [raw] = await atEdge(() => runPrepared(db, STATUS, [id]));
  return raw ? (raw['status'] as RegistrationStatus) : null;
}

const STATUS = `SELECT status FROM registrations WHERE id = $1::uuid`;
const READ = `SELECT *, clock_timestamp() AS read_at FROM registrations WHERE id = $1::uuid`;

/** What the trail says of one registration, oldest first. */
export async function readTimeline(db: Database, id: string): Promise<AuditEvent[]> {
  return await atEdge(() =>
    db
      .select(auditColumns)
      .from(auditEvents)
      .where(eq(auditEvents.registrationId, id))
      .orderBy(asc(auditEvents.seq))
      .limit(TIMELINE_BOUND),
  );
}

/** The same for a page of registrations, by id; one without events is missing. */
export async function readTimelines(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  const timelines = new Map<string, AuditEvent[]>();
  if (ids.length === 0) return timelines;
  const events = await atEdge(() =>
    db
      .select(auditColumns)
      .from(auditEvents)
      .where(inArray(auditEvents.registrationId, [...ids]))
      .orderBy(asc(auditEvents.seq))
      .limit(TIMELINE_BOUND * ids.length),
  );
  for (const event of events) {
    if (event.registrationId === null) continue;
    const timeline = timelines.get(event.registrationId);
    if (timeline) timeline.push(event);
    else timelines.set(event.registrationId, [event]);
  }
  return timelines;
}

/** Newest first, by keyset: `after` is the last one of the page before. */
export async function listRegistrations(
  db: Database,
  filter: RegistrationFilter & {
    readonly after?: { readonly acceptedAt: Date; readonly id: string };
    readonly limit: number;
  },
): Promise<Registration[]> {
  const { after } = filter;
  const page = after
    ? sql`(accepted_at, id) < (${after.acceptedAt.toISOString()}::timestamptz, ${after.id}::uuid)`
    : undefined;
  const matches = and(...conditions(filter), page);
  const newest = filter.statuses?.length
    ? sql`id IN (${newestOfEach(filter.statuses, matches, filter.limit)})`
    : matches;
  return await atEdge(async () => {
    const rows = await db
      .select(ROW)
      .from(registrations)
      .where(newest)
      .orderBy(desc(registrations.acceptedAt), desc(registrations.id))
      .limit(filter.limit);
    return rows.map(toRegistration);
  });
}

/** Exact up to 10,000, null beyond. */
export async function countRegistrations(
  db: Database,
  filter: RegistrationFilter,
): Promise<number | null> {
  return await atEdge(async () => {
    const bounded = db
      .select({ one: sql`1` })
      .from(registrations)
      .where(and(...conditions(filter), anyOf(filter.statuses)))
      .limit(COUNT_BOUND + 1)
      .as('bounded');
    const [counted] = await db.select({ total: sql<string>`count(*)` }).from(bounded);
    const total = Number(counted?.total ?? 0);
    return total > COUNT_BOUND ? null : total;
  });
}

export async function listAuditEvents(
  db: Database,
  filter: {
    readonly registrationId?: string;
    readonly userId?: string;
    readonly event?: string;
    readonly after?: { readonly at: Date; readonly id: string };
    readonly limit: number;
  },
): Promise<AuditEvent[]> {
  const { after } = filter;
  return await atEdge(() =>
    db
      .select(auditColumns)
      .from(auditEvents)
      .where(
        and(
          filter.registrationId ? eq(auditEvents.registrationId, filter.registrationId) : undefined,
          filter.userId ? eq(auditEvents.userId, filter.userId) : undefined,
          filter.event ? sql`event = ${filter.event}` : undefined,
          after
            ? sql`(at, id) < (${after.at.toISOString()}::timestamptz, ${after.id}::uuid)`
            : undefined,
        ),
      )
      .orderBy(desc(auditEvents.at), desc(auditEvents.id))
      .limit(filter.limit),
  );
}

const auditColumns = {
  id: auditEvents.id,
  event: auditEvents.event,
  registrationId: auditEvents.registrationId,
  userId: auditEvents.userId,
  actor: auditEvents.actor,
  at: auditEvents.at,
  details: auditEvents.details,
};

/** A page of each status: only of one status does an index know the newest. */
function newestOfEach(
  statuses: readonly RegistrationStatus[],
  matches: SQL | undefined,
  limit: number,
): SQL {
  const pages = [...new Set(statuses)].map(
    (status) => sql`(SELECT id FROM registrations WHERE ${and(hasStatus(status), matches)}
      ORDER BY accepted_at DESC, id DESC LIMIT ${limit})`,
  );
  return sql.join(pages, sql` UNION ALL `);
}

function anyOf(statuses: readonly RegistrationStatus[] = []): SQL | undefined {
  return or(...statuses.map(hasStatus));
}

// By the phase, since no index names the status.
function hasStatus(status: RegistrationStatus): SQL {
  const active = status === 'accepted' || status === 'running';
  return active ? sql`(phase = 'active' AND status = ${status})` : sql`phase = ${status}`;
}

function conditions(filter: RegistrationFilter): (SQL | undefined)[] {
  return [
    visible(filter.visibleTo),
    filter.failureCode ? sql`${FAILURE_CODE} = ${filter.failureCode}` : undefined,
    filter.email ? everHadEmail(filter.email) : undefined,
    filter.emailPrefix ? everHadEmailPrefix(filter.emailPrefix) : undefined,
    filter.username ? everHadUsername(filter.username) : undefined,
    filter.role ? sql`(roles <> '{}' AND roles @> ${sql.param([filter.role])}::text[])` : undefined,
    filter.requestedBy ? eq(registrations.requestedBy, filter.requestedBy) : undefined,
    filter.acceptedAfter ? gte(registrations.acceptedAt, filter.acceptedAfter) : undefined,
    filter.acceptedBefore ? lt(registrations.acceptedAt, filter.acceptedBefore) : undefined,
  ];
}

// The same rule as maySee in domain/grants.ts, where the database can use it.
function visible({ callerId, grants }: RegistrationFilter['visibleTo']): SQL | undefined {
  if (grants === '*') return undefined;
  return sql`((roles = '{}' AND requested_by = ${callerId})
    OR (roles <> '{}' AND roles <@ ${sql.param([...grants])}::text[]))`;
}
