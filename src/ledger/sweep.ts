import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { IS_OPEN, registrations } from '../db/schema.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';

export interface OpenRow {
  readonly id: string;
  readonly status: RegistrationStatus;
  readonly acceptedAt: Date;
}

/** Open rows that no sweep has looked at since `sweptBefore`, those looked at longest ago first. A new
 * row counts from when it was accepted, so that a flood of new rows delays no other. */
export async function openRows(db: Database, limit: number, sweptBefore: Date): Promise<OpenRow[]> {
  return await atEdge(() =>
    db
      .select({
        id: registrations.id,
        status: registrations.status,
        acceptedAt: registrations.acceptedAt,
      })
      .from(registrations)
      .where(and(IS_OPEN, lt(registrations.sweptAt, sweptBefore)))
      .orderBy(registrations.sweptAt)
      .limit(limit),
  );
}

export async function noteSwept(db: Database, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await atEdge(() =>
    db
      .update(registrations)
      .set({ sweptAt: new Date() })
      .where(inArray(registrations.id, [...ids])),
  );
}

/** Those of these registrations that are closed. */
export async function closedAmong(db: Database, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  return await atEdge(async () => {
    const rows = await db
      .select({ id: registrations.id })
      .from(registrations)
      .where(
        and(
          inArray(registrations.id, [...ids]),
          sql`status IN ('completed', 'failed', 'cancelled')`,
        ),
      );
    return rows.map(({ id }) => id);
  });
}

/** Whether a mark names a registration of this ledger that failed or was cancelled. */
export async function isLeftover(db: Database, registrationId: string): Promise<boolean> {
  return await atEdge(async () => {
    const [row] = await db
      .select({ status: registrations.status })
      .from(registrations)
      .where(eq(registrations.id, registrationId));
    return row?.status === 'failed' || row?.status === 'cancelled';
  });
}
