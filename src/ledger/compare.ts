import { and, asc, inArray, sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import type { Comparison, PoolReport } from '../../activities/contract.ts';
import { lastPoolComparison, poolSeenUsers, registrations } from '../db/schema.ts';
import type { ComparisonResult } from '../domain/overview.ts';
import type { RegistrationStatus } from '../domain/status.ts';
import { atEdge } from './database-error.ts';

/** What a comparison needs to know of the row that a mark names. */
export interface MarkedRow {
  readonly id: string;
  readonly status: RegistrationStatus;
  readonly userId: string | null;
  readonly finishedAt: Date | null;
  /** Its user was once found to be gone. */
  readonly gone: boolean;
}

/** A completed row whose user should be in the pool. */
export interface ExpectedUser {
  readonly id: string;
  readonly cognitoUsername: string;
  readonly userId: string | null;
  readonly roles: readonly string[];
  readonly rolesTouched: readonly string[];
  /** They were replaced while the user existed: a late write may have changed the groups. */
  readonly rolesReplaced: boolean;
}

/** The rows that marks name, by id. @param ids UUIDs */
export async function rowsMarked(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, MarkedRow>> {
  if (ids.length === 0) return new Map();
  const rows = await atEdge(() =>
    db
      .select({
        id: registrations.id,
        status: registrations.status,
        userId: registrations.userId,
        finishedAt: registrations.finishedAt,
        gone: sql<boolean>`(user_deleted_at IS NOT NULL OR released_at IS NOT NULL)`,
      })
      .from(registrations)
      .where(inArray(registrations.id, [...ids])),
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Completed rows that finished before `finishedBefore`, by id, behind `after`. */
export async function expectedUsers(
  db: Database,
  page: {
    readonly after: string | null;
    readonly finishedBefore: Date;
    readonly limit: number;
  },
): Promise<ExpectedUser[]> {
  return await atEdge(() =>
    db
      .select({
        id: registrations.id,
        cognitoUsername: sql<string>`cognito_username`,
        userId: registrations.userId,
        roles: registrations.roles,
        rolesTouched: registrations.rolesTouched,
        rolesReplaced: sql<boolean>`roles_replaced_at IS NOT NULL`,
      })
      .from(registrations)
      .where(
        and(
          sql`status = 'completed' AND user_deleted_at IS NULL AND released_at IS NULL`,
          sql`cognito_username IS NOT NULL`,
          sql`finished_at < ${page.finishedBefore.toISOString()}::timestamptz`,
          page.after === null ? undefined : sql`id > ${page.after}::uuid`,
        ),
      )
      .orderBy(asc(registrations.id))
      .limit(page.limit),
  );
}

/** Notes that the comparison that began at `comparedAt` met these registrations' users. Repeatable. */
export async function recordSeenUsers(
  db: Database,
  ids: readonly string[],
  comparedAt: Date,
): Promise<void> {
  if (ids.length === 0) return;
  // In one order: two comparisons at once must not lock each other's rows crosswise.
  const rows = [...new Set(ids)]
    .toSorted()
    .map((registrationId) => ({ registrationId, comparedAt }));
  await atEdge(() =>
    db
      .insert(poolSeenUsers)
      .values(rows)
      .onConflictDoUpdate({
        target: poolSeenUsers.registrationId,
        set: { comparedAt: sql`greatest(excluded.compared_at, ${poolSeenUsers.comparedAt})` },
      }),
  );
}

/** Those of `ids` whose users that comparison, or one begun later, has met. */
export async function seenUsersAmong(
  db: Database,
  ids: readonly string[],
  comparedAt: Date,
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await atEdge(() =>
    db
      .select({ id: poolSeenUsers.registrationId })
      .from(poolSeenUsers)
      .where(
        and(
          inArray(poolSeenUsers.registrationId, [...ids]),
          sql`compared_at >= ${comparedAt.toISOString()}::timestamptz`,
        ),
      ),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Whether ledger and pool agree, as far as the report can tell. */
export function isClean({ findings, unasked }: PoolReport): boolean {
  return findings.length === 0 && unasked === 0;
}

/** The numbers of a report, without ids. */
export function countsOf({
  findings: _named,
  advice: _advice,
  ...numbers
}: PoolReport): Record<string, number> {
  return numbers;
}

/** Keeps the result of a comparison that is done, for the overview. Repeatable; an older one changes nothing. */
export async function recordComparison(
  db: Database,
  { startedAt, report }: Pick<Comparison, 'startedAt' | 'report'>,
): Promise<void> {
  const result = {
    startedAt: new Date(startedAt),
    finishedAt: sql`clock_timestamp()`,
    agrees: isClean(report),
    counts: countsOf(report),
  };
  await atEdge(() =>
    db
      .insert(lastPoolComparison)
      .values(result)
      .onConflictDoUpdate({
        target: lastPoolComparison.isLast,
        set: result,
        setWhere: sql`excluded.started_at >= ${lastPoolComparison.startedAt}`,
      }),
  );
}

/** The result of the last comparison; null: none has finished yet. */
export async function lastComparison(db: Database): Promise<ComparisonResult | null> {
  const [row] = await atEdge(() => db.select().from(lastPoolComparison));
  if (!row) return null;
  const { startedAt, finishedAt, agrees, counts } = row;
  return { startedAt, finishedAt, agrees, counts };
}
