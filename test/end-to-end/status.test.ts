import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import { adoptEvents, outboxFrom } from '../../src/ledger/outbox/event-deliveries.ts';
import { createTestDatabase } from '../support/database.ts';
import type { Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

const status = (deployment: Deployment, env: Record<string, string> = {}) =>
  deployment.command('cli/status.ts', env);

test('npm run status exits with 2 and says what to do while an operator is needed, otherwise with 0', async ({
  ledger,
  deployment,
}) => {
  const bare = await status(deployment);
  expect(bare.code).toBe(2);
  expect(bare.output).toContain(`worker: no worker polls task queue ${deployment.taskQueue}.`);
  expect(bare.output).toMatch(/schedules missing: sweepRegistrations, .*npm run setup/);

  await deployment.setUp();
  const worker = await deployment.worker();
  const clean = await status(deployment);
  expect(clean).toMatchObject({ code: 0 });
  expect(clean.output).toMatch(/^needs a person:\n {2}nothing\ndependencies:\n {2}database: ok\n/);
  expect(clean.output).toMatch(/^ {2}temporal: ok, \S+\n {2}worker: ok\nregistrations:\n/m);
  expect(clean.output).toMatch(/^ {2}update: [\d.]+ per second, 0 queued$/m);
  expect(clean.output).toMatch(/^ {2}webhook: 0 pending, 0 given up$/m);
  expect(clean.output).toMatch(/^ {2}sweepRegistrations: last run \S+Z, \w+; next run \S+Z$/m);
  await worker.kill();

  const parked = await ledger.at('roles_pending');
  const stuck = await ledger.at('cleanup_required');
  await ledger.at('completed', { invite: false });
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 10);
  await ledger.db.execute(sql`UPDATE outbox_deliveries
    SET given_up_at = now(), last_error = 'HTTP 410'`);
  const { code, output } = await status(deployment);
  expect(code).toBe(2);
  const since = String.raw`since \d{4}-\d\d-\d\dT[\d:.]+Z\.`;
  const lines = output.split('\n').slice(1, 4);
  expect(lines[0]).toMatch(
    new RegExp(`^ {2}roles_pending identity_provider_unavailable .*: 1 ${since}`),
  );
  expect(lines[0]).toContain(FAILURES.provider_unavailable_parked.operator);
  expect(lines[0]).toContain(
    'npm run request -- POST /registrations/retry status=roles_pending failureCode=identity_provider_unavailable',
  );
  expect(lines[0]).toContain(parked.id);
  expect(lines[1]).toMatch(/^ {2}cleanup_required registration_failed .*: 1 since/);
  expect(lines[1]).toContain(stuck.id);
  expect(lines[2]).toMatch(/^ {2}outbox given_up \(HTTP 410\): 1 for webhook since/);
  expect(lines[2]).toContain('npm run redeliver -- --destination webhook');
});

test('npm run status reports an unreachable Temporal and still shows the ledger', async ({
  deployment,
}) => {
  const nobody = `127.0.0.1:${await anyFreePort()}`;
  const { code, output } = await status(deployment, { TEMPORAL_ADDRESS: nobody });
  expect(code).toBe(2);
  expect(output).toContain(
    `  Temporal at ${nobody} does not answer: connect ECONNREFUSED ${nobody}.`,
  );
  expect(output).toMatch(/^ {2}roles_pending .*$/m);
  expect(output).toContain('  temporal: degraded\n');
});

test('npm run status reports an unreachable or unmigrated database in one line with code 1', async ({
  deployment,
}) => {
  const nobody = `127.0.0.1:${await anyFreePort()}`;
  expect(
    await status(deployment, { DATABASE_URL: `postgres://somebody:secret@${nobody}/ledger` }),
  ).toEqual({
    code: 1,
    output: `PostgreSQL at ${nobody}/ledger does not answer: ECONNREFUSED\n`,
  });
  const database = await createTestDatabase();
  try {
    expect(await status(deployment, { DATABASE_URL: database.url })).toEqual({
      code: 1,
      output: 'The database is empty: run `npm run migrate`.\n',
    });
  } finally {
    await database.drop();
  }
});
