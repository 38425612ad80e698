import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
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
    await drizzleMigrate(drizzle(client), MIGRATIONS);
  } finally {
    await client.end({ timeout: 5 });
  }
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
