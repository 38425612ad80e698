import type { Database } from '../../db/client.ts';
import type { AuditEvent } from '../../domain/audit-event.ts';
import type { Change, ChangeStatus } from '../../domain/change.ts';

export async function readChange(_db: Database, _id: string): Promise<Change | null> {
  throw new Error('not written yet');
}

/** What a waiting request polls: a fraction of the cost of the row. */
export async function readChangeStatus(_db: Database, _id: string): Promise<ChangeStatus | null> {
  throw new Error('not written yet');
}

/** What the trail says of one change, oldest first. */
export async function readChangeTimeline(_db: Database, _id: string): Promise<AuditEvent[]> {
  throw new Error('not written yet');
}

/** The same for a page of changes, by id; one without events is missing. */
export async function readChangeTimelines(
  _db: Database,
  _ids: readonly string[],
): Promise<Map<string, AuditEvent[]>> {
  throw new Error('not written yet');
}

/** The roles that open changes of a person assign: who may not grant them must not see the person. */
export async function rolesOfOpenChanges(_db: Database, _userId: string): Promise<string[]> {
  throw new Error('not written yet');
}
