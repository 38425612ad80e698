import { fileURLToPath } from 'node:url';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate as drizzleMigrate } from 'drizzle-orm/postgres-js/migrator';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import postgres from 'postgres';
import { LOCKS } from './advisory-lock.ts';
import type { Database } from './client.ts';
import { sql } from 'drizzle-orm';

const MIGRATIONS = { migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)) };

/** Brings the database to this version's schema. Repeatable, and safe beside another migrator. */
export async function migrate(databaseUrl: string): Promise<void> {
  const client = postgres(databaseUrl, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    // Two migrators at once would collide.
    await client`SELECT pg_advisory_lock(${LOCKS.migration})`;
    const db = drizzle(client);
    if (await isOfAnOlderVersion(db)) {
      throw new Error(
        'This database was created by a development version before 0.2.0, which cannot be migrated. Use a new database; if it is the embedded one, run `npm run reset`.',
      );
    }
    await drizzleMigrate(db, MIGRATIONS);
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** Whether its migrations begin with one that is not ours: until 0.2.0 there were others. */
async function isOfAnOlderVersion(db: PostgresJsDatabase): Promise<boolean> {
  const [table] = await db.execute<{ there: string | null }>(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations')::text AS there`,
  );
  if (!table?.there) return false;
  const [first] = await db.execute<{ hash: string }>(
    sql`SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id LIMIT 1`,
  );
  return first !== undefined && first.hash !== readMigrationFiles(MIGRATIONS)[0]?.hash;
}

/** `current`, `behind` (migrations of ours are missing) or `empty` (we never migrated it). */
export async function migrationState(db: Database): Promise<'current' | 'behind' | 'empty'> {
  const [table] = await db.execute<{ there: string | null }>(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations')::text AS there`,
  );
  if (!table?.there) return 'empty';
  const [applied] = await db.execute<{ last: string | null }>(
    sql`SELECT max(created_at)::text AS last FROM drizzle.__drizzle_migrations`,
  );
  const newest = Math.max(...readMigrationFiles(MIGRATIONS).map((file) => file.folderMillis));
  return Number(applied?.last ?? 0) >= newest ? 'current' : 'behind';
}
