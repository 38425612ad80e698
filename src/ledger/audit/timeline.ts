import { and, asc, inArray, isNull, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { auditEvents } from '../../db/schema.ts';
import type { AuditEvent } from '../../domain/audit-event.ts';
import { atEdge } from '../database-error.ts';

/** Events of one registration or change; more come only of hundreds of operators' instructions. */
const TIMELINE_BOUND = 500;

/** The change that an event belongs to. */
const CHANGE_ID = sql<string | null>`details->>'changeId'`;

export const auditColumns = {
  id: auditEvents.id,
  event: auditEvents.event,
  registrationId: auditEvents.registrationId,
  userId: auditEvents.userId,
  actor: auditEvents.actor,
  at: auditEvents.at,
  details: auditEvents.details,
};

/** What the trail says of each registration, oldest first, without its person's later changes; one
 * without events is missing. */
export async function timelinesOfRegistrations(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  const own = and(inArray(auditEvents.registrationId, [...ids]), isNull(CHANGE_ID));
  return await timelines(db, ids, own, ({ registrationId }) => registrationId);
}

/** The same of changes. */
export async function timelinesOfChanges(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  const own = inArray(CHANGE_ID, [...ids]);
  return await timelines(db, ids, own, ({ details }) => String(details['changeId']));
}

async function timelines(
  db: Database,
  ids: readonly string[],
  where: SQL | undefined,
  ownerOf: (event: AuditEvent) => string | null,
): Promise<Map<string, AuditEvent[]>> {
  const found = new Map<string, AuditEvent[]>();
  if (ids.length === 0) return found;
  const events = await atEdge(() =>
    db
      .select(auditColumns)
      .from(auditEvents)
      .where(where)
      .orderBy(asc(auditEvents.seq))
      .limit(TIMELINE_BOUND * ids.length),
  );
  for (const event of events) {
    const owner = ownerOf(event);
    if (owner === null) continue;
    const timeline = found.get(owner);
    if (timeline) timeline.push(event);
    else found.set(owner, [event]);
  }
  return found;
}
