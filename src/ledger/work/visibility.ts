import { sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import type { Grants } from '../../domain/grants.ts';

/** Each set of roles is a range of the index, and a branch of the query. */
const ROLE_SETS_BOUND = 64;

/** For whom a list is. */
export interface Caller {
  readonly callerId: string;
  readonly grants: Grants;
}

/** A table whose rows that the same callers see share the column `visibility`. */
export interface VisibleTable {
  readonly table: SQL;
  /** The column with the roles that decide who sees a row. */
  readonly roles: SQL;
}

// The same rule as maySee in domain/grants.ts.
export function visible({ roles }: VisibleTable, { callerId, grants }: Caller): SQL | undefined {
  if (grants === '*') return undefined;
  return sql`(CASE WHEN ${roles} = '{}' THEN requested_by = ${callerId}
    ELSE ${roles} <@ ${sql.param([...grants])}::text[] END)`;
}

/** Ranges of what the caller sees and has the role; null if there are too many sets of roles. */
export async function visibilitiesOf(
  db: Database,
  { table, roles: column }: VisibleTable,
  { callerId, grants }: Caller,
  role?: string,
): Promise<SQL[] | null> {
  // By jumps in the index past all rows of one set. 'requester:…' comes before 'roles:…'.
  const sets = await db.execute<{ visibility: string; roles: string[] }>(sql`
    WITH RECURSIVE sets AS (
      (SELECT visibility, ${column} AS roles FROM ${table} WHERE visibility > 'roles:'
        ORDER BY visibility LIMIT 1)
      UNION ALL
      SELECT next.* FROM sets CROSS JOIN LATERAL (
        SELECT visibility, ${column} AS roles FROM ${table} WHERE visibility > sets.visibility
        ORDER BY visibility LIMIT 1) AS next
    )
    SELECT visibility, roles FROM sets LIMIT ${ROLE_SETS_BOUND + 1}`);
  if (sets.length > ROLE_SETS_BOUND) return null;
  const wanted = sets
    .filter(({ roles }) => grants === '*' || roles.every((one) => grants.has(one)))
    .filter(({ roles }) => role === undefined || roles.includes(role))
    .map(({ visibility }) => visibility);
  if (grants !== '*' && role === undefined) wanted.push(`requester:${callerId}`);
  return wanted.map((visibility) => sql`visibility = ${visibility}`);
}
