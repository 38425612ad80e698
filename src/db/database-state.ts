import type { Database } from './client.ts';
import { migrationState } from './migrate.ts';

/** What PostgreSQL is to us: `away` when it does not answer, `forbidden` when our role may not read
 * which migrations were applied. */
export type DatabaseState = 'current' | 'behind' | 'empty' | 'forbidden' | 'away';

interface StateLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Less than any prober's patience. */
const PATIENCE_MS = 2000;
/** How often a process asks by itself. */
const WATCHED_EVERY_MS = 2000;

/** What was said of each database last: a loss and a return are said once, however many ask. */
const said = new WeakMap<Database, 'away' | 'forbidden'>();

/** Asks PostgreSQL, in bounded time; never throws. */
export async function databaseState(db: Database, log: StateLog): Promise<DatabaseState> {
  const { promise: tooLate, resolve } = Promise.withResolvers<'away'>();
  const timer = setTimeout(() => resolve('away'), PATIENCE_MS);
  const asked = migrationState(db).catch((error: unknown) =>
    isForbidden(error) ? ('forbidden' as const) : ('away' as const),
  );
  const state = await Promise.race([asked, tooLate]).finally(() => clearTimeout(timer));
  sayChange(db, state, log);
  return state;
}

/** Asks again and again, so that a loss is in the log also while nobody asks for the readiness. */
export function watchDatabase(db: Database, log: StateLog): { stop(): void } {
  let asking = false;
  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    void databaseState(db, log).finally(() => {
      asking = false;
    });
  }, WATCHED_EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function sayChange(db: Database, state: DatabaseState, log: StateLog): void {
  const before = said.get(db);
  if (state === 'away' || state === 'forbidden') {
    if (state === before) return;
    said.set(db, state);
    log.warn({}, WARNINGS[state]);
  } else if (before !== undefined) {
    said.delete(db);
    log.info({}, 'PostgreSQL: connection restored');
  }
}

const WARNINGS = {
  away: 'PostgreSQL: connection lost',
  forbidden: 'the database role in DATABASE_URL lacks grants',
} as const;

const INSUFFICIENT_PRIVILEGE = '42501';

function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === INSUFFICIENT_PRIVILEGE;
}
