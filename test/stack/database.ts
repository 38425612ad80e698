import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';

export interface TestDatabase {
  /** Connection URL of an empty database: `migrate` comes next. */
  readonly url: string;
  /** Drops it, cutting connections that are still open. */
  drop(): Promise<void>;
}

/** Makes a new, empty database; call it in `beforeAll` and `drop` in `afterAll`.
 * @param options of CREATE DATABASE */
export async function createTestDatabase(options = ''): Promise<TestDatabase> {
  const admin = inject('adminDatabaseUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const run = async (statement: string): Promise<void> => {
    const sql = postgres(admin, { max: 1, onnotice: () => {} });
    try {
      await sql.unsafe(statement);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  await run(`create database ${name} ${options}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(`drop database if exists ${name} with (force)`) };
}
