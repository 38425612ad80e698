import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, describe, expect } from 'vitest';
import { openDatabase, type DatabasePool } from '../../../src/db/client.ts';
import { databaseState } from '../../../src/db/database-state.ts';
import { appendAuditEvent } from '../../../src/ledger/audit/audit-trail.ts';
import { checkpoint } from '../ledger/audit/trail-under-test.ts';
import { test } from '../../support/base-test.ts';
import { documentedRoles } from '../../support/documented-roles.ts';
import { eventually } from '../../support/eventually.ts';

/** The roles that docs/production.md makes. That the processes need no more than these grants is shown
 * by every test over Deployment, Saga, Relays and the API: they connect as `registrar_app`. */

let pool: DatabasePool;
let app: postgres.Sql;
let owner: postgres.Sql;
test.beforeAll(async ({ database }) => {
  pool = openDatabase(database.appUrl, 2);
  app = postgres(database.appUrl, { max: 1, onnotice: () => undefined });
  owner = postgres(database.ownerUrl, { max: 1, onnotice: () => undefined });
  await appendAuditEvent(pool.db, {
    event: 'registration.parked',
    registrationId: randomUUID(),
    actor: 'system',
  });
  // Transactions of other tests on this server delay a checkpoint.
  await eventually(async () => (await checkpoint(pool.db, 10)) === 1);
});
afterAll(() => Promise.all([app.end(), owner.end(), pool.close()]));

async function refusalOf(statement: string): Promise<string> {
  try {
    await app.unsafe(statement);
    return 'done';
  } catch (error) {
    if (error instanceof postgres.PostgresError) return error.code;
    throw error;
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';
const AUDIT_TABLES = ['audit_events', 'audit_checkpoints'];

describe('registrar_app', () => {
  test.each(
    AUDIT_TABLES.flatMap((table) => [
      `UPDATE ${table} SET ${table === 'audit_events' ? `actor = 'mallory'` : `digest = 'forged'`}`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      `ALTER TABLE ${table} DISABLE TRIGGER USER`,
      `DROP TRIGGER ${table}_append_only ON ${table}`,
      `CREATE TRIGGER own BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_change()`,
      `CREATE RULE own AS ON INSERT TO ${table} DO INSTEAD NOTHING`,
      `ALTER TABLE ${table} OWNER TO registrar_app`,
      `DROP TABLE ${table}`,
    ]),
  )('registrar_app cannot change the audit trail: %s', async (statement) => {
    expect(await refusalOf(statement)).toBe(INSUFFICIENT_PRIVILEGE);
  });

  test.each([
    'ALTER TABLE registrations ADD COLUMN extra text',
    'ALTER TABLE quota_slots SET LOGGED',
    'TRUNCATE registrations',
    'TRUNCATE changes',
    'ALTER TABLE changes ADD COLUMN extra text',
    'DROP INDEX registrations_open',
    'CREATE TABLE extra (it text)',
    'CREATE SCHEMA extra',
    `CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$`,
    'DROP FUNCTION refuse_change() CASCADE',
    'DELETE FROM drizzle.__drizzle_migrations',
    'UPDATE drizzle.__drizzle_migrations SET created_at = 0',
    `SELECT setval('audit_events_seq_seq', 1)`,
    'SET session_replication_role = replica',
    'SET ROLE registrar_owner',
    'GRANT registrar_owner TO registrar_app',
    'ALTER ROLE registrar_app SUPERUSER',
  ])('registrar_app cannot change the schema or its own rights: %s', async (statement) => {
    expect(await refusalOf(statement)).toBe(INSUFFICIENT_PRIVILEGE);
  });

  test.each(AUDIT_TABLES)(
    'registrar_app cannot change %s even when its owner disabled the trigger',
    async (table) => {
      await owner.unsafe(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
      expect(await refusalOf(`DELETE FROM ${table}`)).toBe(INSUFFICIENT_PRIVILEGE);
      await owner.unsafe(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
      expect(await app.unsafe(`SELECT count(*)::int FROM ${table}`)).toEqual([{ count: 1 }]);
    },
  );

  test('registrar_app can read which migrations were applied', async () => {
    expect(await databaseState(pool.db, { info: () => undefined, warn: () => undefined })).toBe(
      'current',
    );
  });

  test('registrar_app may use tables of a later migration', async () => {
    await owner.unsafe(
      'CREATE TABLE later (id integer PRIMARY KEY); CREATE SEQUENCE later_numbers',
    );
    expect(
      await app.unsafe(`INSERT INTO later VALUES (nextval('later_numbers')) RETURNING id`),
    ).toEqual([{ id: 1 }]);
    await app.unsafe('UPDATE later SET id = 2');
    await app.unsafe('DELETE FROM later');
    expect(await app.unsafe('SELECT * FROM later')).toEqual([]);
  });
});

test('the owner role is no superuser and cannot create roles', async () => {
  const [role] = await owner`SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls
    FROM pg_roles WHERE rolname = current_user`;
  expect(role).toEqual({
    rolsuper: false,
    rolcreaterole: false,
    rolcreatedb: false,
    rolbypassrls: false,
  });
});

test('the grants can be applied again to a database in use', async ({ database }) => {
  const { grants } = await documentedRoles();
  const superuser = postgres(database.url, { max: 1, onnotice: () => undefined });
  await superuser.unsafe(grants);
  await superuser.end();
  expect(await refusalOf('DELETE FROM audit_events')).toBe(INSUFFICIENT_PRIVILEGE);
});
