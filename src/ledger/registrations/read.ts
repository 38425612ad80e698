import { and, desc, eq, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { runPrepared } from '../../db/prepared.ts';
import { auditEvents, UNCOMMON_EVENT } from '../../db/schema.ts';
import { COMMON_EVENTS, type AuditEvent } from '../../domain/audit-event.ts';
import type { Registration } from '../../domain/registration.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { auditColumns, timelinesOfRegistrations } from '../audit/timeline.ts';
import {
  boundedPage,
  endOfPage,
  type Position,
  type Scan,
  type ScannedTable,
} from '../bounded-scan.ts';
import { atEdge } from '../database-error.ts';
import { registrationOf } from './row.ts';

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

/** What the trail says of one registration, oldest first, without its person's later changes. */
export async function readTimeline(db: Database, id: string): Promise<AuditEvent[]> {
  return (await timelinesOfRegistrations(db, [id])).get(id) ?? [];
}

/** The same for a page of registrations, by id; one without events is missing. */
export async function readTimelines(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  return await timelinesOfRegistrations(db, ids);
}

/** Newest first. A page may have fewer items than `limit`, or none, and still a `next`.
 * @param filter.after where the page before ended */
export async function listAuditEvents(
  db: Database,
  filter: {
    readonly registrationId?: string;
    readonly userId?: string;
    readonly event?: string;
    readonly after?: Position | undefined;
    readonly limit: number;
  },
): Promise<{ items: AuditEvent[]; next: Position | null }> {
  const { after, limit } = filter;
  return await atEdge(async () => {
    const { ids, lookedTo } = await boundedPage(db, TRAIL, trailScans(filter), { after, limit });
    const rows = await db
      .select(auditColumns)
      .from(auditEvents)
      .where(sql`id IN (${ids})`)
      .orderBy(desc(auditEvents.at), desc(auditEvents.id))
      .limit(limit + 1);
    return endOfPage(rows, limit, lookedTo, ({ at, id }) => ({ at, id }));
  });
}

const TRAIL: ScannedTable = { name: 'audit_events', at: 'at' };

function trailScans({
  registrationId,
  userId,
  event,
}: Parameters<typeof listAuditEvents>[1]): Scan[] {
  const registration = registrationId ? eq(auditEvents.registrationId, registrationId) : undefined;
  const user = userId ? eq(auditEvents.userId, userId) : undefined;
  const named = event ? sql`event = ${event}` : undefined;
  const scans: Scan[] = [];
  if (registration) scans.push({ ranges: [registration], ordered: false, rest: and(user, named) });
  if (user) scans.push({ ranges: [user], ordered: false, rest: and(registration, named) });
  const common = COMMON_EVENTS.some((one) => one === event);
  scans.push(
    named && !common
      ? {
          ranges: [sql`(${named} AND ${UNCOMMON_EVENT})`],
          ordered: true,
          rest: and(registration, user),
        }
      : { ranges: [sql`true`], ordered: true, rest: and(registration, user, named) },
  );
  return scans;
}
