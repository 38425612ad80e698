import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { documentedRoles, type Role } from './documented-roles.ts';

export interface TestDatabase {
  /** Connection URL of an empty database, as a superuser: for what no role of a deployment may do. */
  readonly url: string;
  /** As the role that owns the schema: `migrate` comes next. */
  readonly ownerUrl: string;
  /** As the role of the processes: it may use what `ownerUrl` migrated. */
  readonly appUrl: string;
  /** Drops it, cutting connections that are still open. */
  drop(): Promise<void>;
}

/** Makes a new, empty database with the roles and grants of docs/production.md; `drop` it at the end.
 * @param options of CREATE DATABASE */
export async function createTestDatabase(options = ''): Promise<TestDatabase> {
  const admin = inject('adminDatabaseUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const run = async (statement: string, database = admin): Promise<void> => {
    const sql = postgres(database, { max: 1, onnotice: () => {} });
    try {
      await sql.unsafe(statement);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const { database, grants, passwords } = await documentedRoles();
  await run(`${database.replace('registrar', name).replace(/;\s*$/, '')} ${options}`);
  const as = (role?: Role): string => {
    const url = new URL(admin);
    url.pathname = `/${name}`;
    if (role) [url.username, url.password] = [role, passwords[role]];
    return url.href;
  };
  await run(grants, as());
  return {
    url: as(),
    ownerUrl: as('registrar_owner'),
    appUrl: as('registrar_app'),
    drop: () => run(`drop database if exists ${name} with (force)`),
  };
}

/** A new database with the ledger's tables.
 * @param options of CREATE DATABASE */
export async function createLedgerDatabase(options = ''): Promise<TestDatabase> {
  const database = await createTestDatabase(options);
  await migrate(database.ownerUrl);
  return database;
}
