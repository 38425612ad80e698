import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import * as schema from './schema.ts';

export type Database = PostgresJsDatabase<typeof schema> & { readonly $client: Sql };
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

export interface DatabasePool {
  readonly db: Database;
  /** Ends every connection; queries under way get `graceSeconds`. */
  close(graceSeconds?: number): Promise<void>;
}

/** Opens nothing by itself: connections are made when the first query wants one.
 * @param maxConnections of this process
 * @param prepare whether frequent statements stay prepared; a pooler in transaction mode may not allow it */
export function openDatabase(
  url: string,
  maxConnections = 10,
  prepare = true,
  applicationName = 'registrar',
): DatabasePool {
  const client = postgres(url, {
    max: maxConnections,
    prepare,
    // 3 s, so that a request finds out that PostgreSQL is away before its client gives up.
    connect_timeout: 3,
    // Seconds between connection attempts. The driver's own back-off grows to 20 s, in which a query
    // waits without any bound; callers have back-offs of their own.
    backoff: () => 0.2,
    idle_timeout: 60,
    onnotice: () => undefined,
    connection: {
      application_name: applicationName,
      // A statement that hangs must not outlive the activity that sent it.
      statement_timeout: 4000,
      lock_timeout: 3000,
      idle_in_transaction_session_timeout: 10_000,
    },
  });
  return {
    db: drizzle(client, { schema }),
    close: (graceSeconds = 5) => client.end({ timeout: graceSeconds }),
  };
}
