import { sql } from 'drizzle-orm';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../src/db/client.ts';
import { migrate, migrationState } from '../../../src/db/migrate.ts';
import { createTestDatabase } from '../../support/database.ts';

async function emptyDatabase() {
  const database = await createTestDatabase();
  const pool = openDatabase(database.url, 2);
  onTestFinished(async () => {
    await pool.close(1);
    await database.drop();
  });
  return { url: database.url, db: pool.db };
}

test('a migration brings an empty database up to date, and a second one changes nothing', async () => {
  const { url, db } = await emptyDatabase();
  expect(await migrationState(db)).toBe('empty');
  await migrate(url);
  expect(await migrationState(db)).toBe('current');
  const applied = () => db.execute(sql`SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id`);
  const before = [...(await applied())];
  await migrate(url);
  expect([...(await applied())]).toEqual(before);
});

test('five concurrent migrations run one after the other', async () => {
  const { url, db } = await emptyDatabase();
  await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
  expect(await migrationState(db)).toBe('current');
  const [applied] = await db.execute<{ all: number; distinct: number }>(
    sql`SELECT count(*)::int AS all, count(DISTINCT hash)::int AS distinct FROM drizzle.__drizzle_migrations`,
  );
  expect(applied?.all).toBe(applied?.distinct);
});

test('a database is behind while a migration of ours is missing, and an unknown newer one does no harm', async () => {
  const { url, db } = await emptyDatabase();
  await migrate(url);
  await db.execute(sql`INSERT INTO drizzle.__drizzle_migrations (hash, created_at)
    VALUES ('newer', (extract(epoch FROM now()) * 1000)::bigint + 1000000)`);
  expect(await migrationState(db)).toBe('current');
  await db.execute(sql`DELETE FROM drizzle.__drizzle_migrations`);
  expect(await migrationState(db)).toBe('behind');
});

test('a failed migration releases its lock', async () => {
  const { url, db } = await emptyDatabase();
  await db.execute(sql`CREATE TABLE registrations (in_the_way text)`);
  await expect(migrate(url)).rejects.toThrow('registrations');
  expect(await migrationState(db)).not.toBe('current');
  await db.execute(sql`DROP TABLE registrations`);
  await migrate(url);
  expect(await migrationState(db)).toBe('current');
});

test('a database of a development version before 0.2.0 is refused, and `npm run reset` is named', async () => {
  const { url, db } = await emptyDatabase();
  await migrate(url);
  await db.execute(sql`UPDATE drizzle.__drizzle_migrations SET hash = 'older', created_at = 1`);
  expect(await migrationState(db)).toBe('behind');
  await expect(migrate(url)).rejects.toThrow('npm run reset');
});
