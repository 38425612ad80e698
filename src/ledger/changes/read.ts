import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../db/client.ts';
import { runPrepared } from '../../db/prepared.ts';
import type { AuditEvent } from '../../domain/audit-event.ts';
import type { Change, ChangeStatus } from '../../domain/change.ts';
import { timelinesOfChanges } from '../audit/timeline.ts';
import { atEdge } from '../database-error.ts';
import { findRow } from '../work/work.ts';
import { CHANGE_WORK, toChange } from './row.ts';

export async function readChange(db: Database, id: string): Promise<Change | null> {
  return await atEdge(async () => {
    const row = await findRow(db, CHANGE_WORK, id);
    return row && toChange(row);
  });
}

/** What a waiting request polls: a fraction of the cost of the row. */
export async function readChangeStatus(db: Database, id: string): Promise<ChangeStatus | null> {
  const [raw] = await atEdge(() => runPrepared(db, STATUS, [id]));
  return raw ? (raw['status'] as ChangeStatus) : null;
}

const STATUS = `SELECT status FROM changes WHERE id = $1::uuid`;

/** What the trail says of one change, oldest first. */
export async function readChangeTimeline(db: Database, id: string): Promise<AuditEvent[]> {
  return (await timelinesOfChanges(db, [id])).get(id) ?? [];
}

/** The same for a page of changes, by id; one without events is missing. */
export async function readChangeTimelines(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  return await timelinesOfChanges(db, ids);
}

/**
 * The roles that a person has by changes which a read of Cognito may not show: those of open ones, and
 * those of the latest that completed within the lag. Who may not grant them must not see the person.
 * @param lagSeconds PROPAGATION_GRACE_SECONDS
 */
export async function rolesByChanges(
  db: Database | Transaction,
  userId: string,
  lagSeconds: number,
): Promise<string[]> {
  const rows = await atEdge(() =>
    db.execute<{ role: string }>(sql`
      SELECT DISTINCT unnest(roles) AS role FROM changes
      WHERE user_id = ${userId} AND open AND kind = 'roles'
      UNION SELECT unnest(roles) FROM (
        SELECT roles FROM changes
        WHERE user_id = ${userId} AND kind = 'roles' AND status = 'completed'
          AND finished_at > now() - make_interval(secs => ${lagSeconds})
        ORDER BY finished_at DESC LIMIT 1) AS latest
      ORDER BY role`),
  );
  return rows.map(({ role }) => role);
}
