import { DrizzleQueryError } from 'drizzle-orm';

/** SQLSTATE classes and codes that mean the same statement will fail again; everything else passes. */
const DEFINITIVE_CLASSES = new Set(['22', '23', '42']);
const DEFINITIVE_CODES = new Set(['P0001']);
const UNIQUE_VIOLATION = '23505';

/**
 * What PostgreSQL, or the way to it, did. Carries no statement and no parameter: drizzle's own
 * error has both in its message, and they hold personal data.
 */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  /** The SQLSTATE, or the socket's error code, or `unknown`. */
  readonly sqlstate: string;
  /** The unique index or constraint that refused, where one did. */
  readonly constraint: string | null;
  readonly definitive: boolean;

  constructor(sqlstate: string, constraint: string | null) {
    super(`PostgreSQL: ${sqlstate}${constraint ? ` (${constraint})` : ''}`);
    this.sqlstate = sqlstate;
    this.constraint = constraint;
    this.definitive =
      sqlstate !== UNIQUE_VIOLATION &&
      /^[0-9A-Z]{5}$/.test(sqlstate) &&
      (DEFINITIVE_CLASSES.has(sqlstate.slice(0, 2)) || DEFINITIVE_CODES.has(sqlstate));
  }
}

/** The ledger's edge: whatever the driver throws inside leaves as a DatabaseError. */
export async function atEdge<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDatabaseError(error) ?? error;
  }
}

function toDatabaseError(error: unknown): DatabaseError | undefined {
  if (error instanceof DatabaseError) return error;
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  if (typeof cause !== 'object' || cause === null) return undefined;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  if (code === undefined) {
    return error instanceof DrizzleQueryError ? new DatabaseError('unknown', null) : undefined;
  }
  const constraint =
    'constraint_name' in cause && typeof cause.constraint_name === 'string'
      ? cause.constraint_name
      : null;
  return new DatabaseError(code, constraint);
}
