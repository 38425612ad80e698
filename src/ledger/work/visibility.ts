import { sql, type SQL } from 'drizzle-orm';
import type { Grants } from '../../domain/grants.ts';

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
