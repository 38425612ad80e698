import { and, eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { isLeftoverOf, type Registration } from '../../domain/registration.ts';
import { registrations } from '../../db/schema.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { atEdge } from '../database-error.ts';
import { ageMsOf, openRowsOf, recordSweptOf, withoutNewRun } from '../work/sweep.ts';
import { REGISTRATION_WORK, ROW, toRegistration } from './row.ts';

export interface OpenRow {
  readonly id: string;
  readonly status: RegistrationStatus;
  /** Since it was accepted, by PostgreSQL's clock. */
  readonly ageMs: number;
  /** The run that began its steps last. */
  readonly runId: string | null;
}

/** accepted: nobody has begun them, and persons may wait · any: whatever is open */
export type OpenKind = 'accepted' | 'any' | { readonly among: readonly string[] };

/** Open rows that no sweep has looked at since `sweptBefore`; see `openRowsOf`. */
export async function openRows(
  db: Database,
  limit: number,
  sweptBefore: Date,
  kind: OpenKind = 'any',
): Promise<OpenRow[]> {
  const rows = await openRowsOf(db, REGISTRATION_WORK, limit, sweptBefore, isOf(kind));
  return rows.map((row) => {
    const { id, status, runId } = row;
    return { id, status, runId, ageMs: ageMsOf(row) };
  });
}

function isOf(kind: OpenKind): SQL | undefined {
  if (kind === 'any') return undefined;
  if (kind === 'accepted') return eq(registrations.status, 'accepted');
  return inArray(registrations.id, [...kind.among]);
}

/** Those of these open rows whose steps no other run than the known one has begun. */
export async function notBegun(db: Database, rows: readonly OpenRow[]): Promise<OpenRow[]> {
  return await withoutNewRun(db, REGISTRATION_WORK, rows);
}

export async function recordSwept(db: Database, ids: readonly string[]): Promise<void> {
  await recordSweptOf(db, REGISTRATION_WORK, ids);
}

/**
 * How long ago a sweep first saw that this run had ended, by PostgreSQL's clock, in ms. Temporal's time
 * of the end is another machine's.
 * @param record false only reads
 */
export async function endedRunSeenForMs(
  db: Database,
  id: string,
  runId: string,
  record: boolean,
): Promise<number> {
  return await atEdge(async () => {
    if (record) {
      await db
        .update(registrations)
        .set({ endedRunId: runId, endedRunSeenAt: sql`clock_timestamp()` })
        .where(and(eq(registrations.id, id), sql`ended_run_id IS DISTINCT FROM ${runId}`));
    }
    const [row] = await db
      .select({
        seenForMs: sql<number>`(extract(epoch FROM clock_timestamp() - ended_run_seen_at) * 1000)::float8`,
      })
      .from(registrations)
      .where(and(eq(registrations.id, id), eq(registrations.endedRunId, runId)));
    return row?.seenForMs ?? 0;
  });
}

/** Rows that name users of ours which must not stay. */
export async function rowsWithStrays(db: Database, limit: number): Promise<Registration[]> {
  return await atEdge(async () => {
    const rows = await db
      .select(ROW)
      .from(registrations)
      .where(sql`stray_usernames <> '{}'`)
      .limit(limit);
    return rows.map(toRegistration);
  });
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

/** Whether a user of the pool is left over from the registration that its mark names. */
export async function isLeftover(
  db: Database,
  { mark, ...user }: { mark: string; userId: string; isProved: boolean },
): Promise<boolean> {
  return await atEdge(async () => {
    const [row] = await db
      .select({
        status: registrations.status,
        userDeletedAt: registrations.userDeletedAt,
        userId: registrations.userId,
        door: registrations.door,
        emailVerified: registrations.emailVerified,
      })
      .from(registrations)
      .where(eq(registrations.id, mark));
    return row !== undefined && isLeftoverOf(row, user);
  });
}
