import type { Database } from './client.ts';
import { migrationState } from './migrate.ts';

/** What PostgreSQL is to us: `away` when it does not answer, `forbidden` when our role may not read
 * which migrations were applied. */
export type DatabaseState = 'current' | 'behind' | 'empty' | 'forbidden' | 'away';

/** Less than any prober's patience. */
const PATIENCE_MS = 2000;

/** Asks PostgreSQL, in bounded time; never throws. */
export async function databaseState(
  db: Database,
  log: { warn(fields: object, message: string): void },
): Promise<DatabaseState> {
  const { promise: tooLate, resolve } = Promise.withResolvers<'away'>();
  const timer = setTimeout(() => resolve('away'), PATIENCE_MS);
  const state = migrationState(db).catch((error: unknown) => {
    const forbidden = isForbidden(error);
    log.warn(
      {},
      forbidden ? 'the database role in DATABASE_URL lacks grants' : 'PostgreSQL does not answer',
    );
    return forbidden ? ('forbidden' as const) : ('away' as const);
  });
  return await Promise.race([state, tooLate]).finally(() => clearTimeout(timer));
}

const INSUFFICIENT_PRIVILEGE = '42501';

function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === INSUFFICIENT_PRIVILEGE;
}
