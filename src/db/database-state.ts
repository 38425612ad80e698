import type { Database } from './client.ts';
import { migrationState } from './migrate.ts';

/** What PostgreSQL is to us: `away` when it does not answer. */
export type DatabaseState = 'current' | 'behind' | 'empty' | 'away';

/** Less than any prober's patience. */
const PATIENCE_MS = 2000;

/** Asks PostgreSQL, in bounded time; never throws. */
export async function databaseState(
  db: Database,
  log: { warn(fields: object, message: string): void },
): Promise<DatabaseState> {
  const { promise: tooLate, resolve } = Promise.withResolvers<'away'>();
  const timer = setTimeout(() => resolve('away'), PATIENCE_MS);
  const state = migrationState(db).catch(() => {
    log.warn({}, 'PostgreSQL does not answer');
    return 'away' as const;
  });
  return await Promise.race([state, tooLate]).finally(() => clearTimeout(timer));
}
