import { randomBytes } from 'node:crypto';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { foundIn, newCanary, piecesOf } from '../support/canary.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { Deployment, type Answer, type Api } from '../support/deployment.ts';
import { readPostgresLog } from '../support/postgres-log.ts';
import { post } from '../support/post.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';
import { columnsOf, historiesOf } from '../support/traces.ts';

/** One person, from the first attempt that failed to the deletion: where Registrar writes who it is. */

const random = () => randomBytes(12).toString('hex');
/** Each says who the person is, and stands nowhere else. */
const canaries = {
  email: `${random()}@example.com`,
  username: `u${random()}`,
  'first name': newCanary(),
  'last name': newCanary(),
  attribute: newCanary(),
  key: random(),
  'reason of a retry': newCanary(),
  'reason of a cancel': newCanary(),
  'reason of a change': newCanary(),
  'key of a change': random(),
  'reason of the deletion': newCanary(),
  'key of the deletion': random(),
};
const roles = ['viewer'];
let database: TestDatabase;
let sql: postgres.Sql;
let connection: NativeConnection;
let temporal: Client;
let deployment: Deployment;
let hook: Receiver;
let api: Api;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  connection = await connectToTemporal();
  temporal = new Client({ connection, namespace: TEST_NAMESPACE });
  // Events wait, and have a last error.
  hook = await startReceiver((response) => void response.writeHead(500).end());
  const env = {
    ENVIRONMENT: 'local',
    EVENTS_WEBHOOK_URL: hook.url,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    DOORS: 'signup,session',
    COGNITO_ATTRIBUTES: 'locale',
    LOG_LEVEL: 'trace',
    RETRY_BUDGET_SECONDS: '1',
    PASSWORD_SEALING_KEYS: `canary:${randomBytes(32).toString('base64')}`,
  };
  deployment = await Deployment.make({ database, env });
  api = await deployment.api();
  const relay = { taskQueue: deployment.taskQueue, workflowId: `relay/${deployment.taskQueue}` };
  await temporal.workflow.start('relayEvents', relay);
});
afterAll(async () => {
  await temporal.workflow.getHandle(`relay/${deployment.taskQueue}`).terminate();
  await deployment.stop();
  await hook.close();
  await connection.close();
  await sql.end();
  await database.drop();
});

const ask = (path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  deployment.call(api, 'POST', path, body, headers);
const until = (id: string, status: string) => deployment.untilStatus(api, id, status, 30_000);

const person = () => ({
  email: canaries.email,
  username: canaries.username,
  firstName: canaries['first name'],
  lastName: canaries['last name'],
  attributes: { locale: canaries.attribute },
  roles,
});

async function register(headers: Record<string, string> = {}): Promise<string> {
  const { status, body } = await ask('/registrations', person(), headers);
  expect(status).toBe(202);
  return String(body['id']);
}

const failing = (operation: string, fault: object) =>
  deployment.pool.setFaults([{ operation, match: { email: canaries.email }, fault } as never]);

/** The columns that say who the person is, by what they say. */
async function placesOf(): Promise<Record<string, string[]>> {
  const columns = [...(await columnsOf(sql))];
  return Object.fromEntries(
    Object.entries(canaries).map(([name, canary]) => [
      name,
      columns.filter(([, pieces]) => foundIn(pieces, canary).length > 0).map(([column]) => column),
    ]),
  );
}

/** Where everything is found that is found anywhere. */
const NOWHERE = Object.fromEntries(Object.keys(canaries).map((name) => [name, []]));

test('after a deletion no table says who the person was, whatever happened before', async () => {
  // Rejected by the pool, then cancelled while parked, with a reason.
  await failing('AdminCreateUser', { kind: 'error', error: 'InvalidParameterException' });
  await until(await register(), 'failed');
  await failing('AdminAddUserToGroup', { kind: 'server' });
  const cancelled = await register();
  await until(cancelled, 'roles_pending');
  await ask(`/registrations/${cancelled}/cancel`, { reason: canaries['reason of a cancel'] });
  await until(cancelled, 'cancelled');
  // Parked, retried with a reason, completed and invited.
  const id = await register({ 'idempotency-key': canaries.key });
  await until(id, 'roles_pending');
  await deployment.pool.clearFaults();
  await ask(`/registrations/${id}/retry`, { reason: canaries['reason of a retry'] });
  const { body: receipt } = await until(id, 'completed');
  const userId = String(receipt['userId']);
  // A sign-up for the address, which is taken, and a mail for a forgotten password.
  const signUp = {
    email: canaries.email,
    username: canaries.username,
    first_name: canaries['first name'],
    last_name: canaries['last name'],
    password: 'Analytical1',
  };
  const unseen = { prefer: 'respond-async', 'idempotency-key': canaries.key };
  expect((await post(api, '/auth/register', signUp, unseen)).status).toBe(202);
  const mails = async () =>
    (await deployment.pool.mail()).filter(({ to }) => to === canaries.email).length;
  await expect.poll(mails, { timeout: 30_000 }).toBeGreaterThan(0);
  const before = await mails();
  const forgot = { username: canaries.email };
  expect((await post(api, '/auth/forgot-password', forgot)).status).toBe(202);
  await expect.poll(mails, { timeout: 30_000 }).toBeGreaterThan(before);
  const disabling = { reason: canaries['reason of a change'] };
  const byKey = { prefer: 'wait=30', 'idempotency-key': canaries['key of a change'] };
  const disabled = await ask(`/users/${userId}/disable`, disabling, byKey);
  expect([disabled.status, disabled.body['status']]).toEqual([200, 'completed']);
  await expect.poll(() => hook.received.length, { timeout: 30_000 }).toBeGreaterThan(0);
  // A mail for a forgotten password that waits, since the pool does not answer.
  await failing('AdminGetUser', { kind: 'server' });
  const forgotten = { username: canaries.username };
  expect((await post(api, '/auth/forgot-password', forgotten)).status).toBe(202);

  const places = await placesOf();
  expect(places).toMatchObject({
    email: expect.arrayContaining(['registrations.email', 'registrations.key_scope']),
    username: expect.arrayContaining(['registrations.username', 'outbox.account_name']),
    'first name': expect.arrayContaining(['registrations.first_name']),
    'last name': expect.arrayContaining(['registrations.last_name']),
    attribute: expect.arrayContaining(['registrations.attributes']),
    key: expect.arrayContaining(['registrations.idempotency_key']),
    'reason of a retry': expect.arrayContaining(['registrations.instruction_reason']),
    'reason of a cancel': expect.arrayContaining(['registrations.instruction_reason']),
    'reason of a change': expect.arrayContaining(['changes.reason']),
    'key of a change': expect.arrayContaining(['changes.idempotency_key']),
  });

  await deployment.pool.clearFaults();
  const deletion = { reason: canaries['reason of the deletion'] };
  const deleted = await deployment.call(api, 'DELETE', `/users/${userId}`, deletion, {
    prefer: 'wait=30',
    'idempotency-key': canaries['key of the deletion'],
  });
  expect([deleted.status, deleted.body['status']]).toEqual([200, 'completed']);
  expect(await placesOf()).toEqual(NOWHERE);
  const after = await deployment.call(api, 'GET', `/registrations/${id}`);
  expect(after.body).toMatchObject({
    status: 'completed',
    userId,
    roles,
    email: null,
    username: null,
    firstName: null,
    lastName: null,
  });
});

test('neither Temporal, the logs nor the metrics ever said who the person was', async () => {
  const runs = await sql`SELECT id FROM registrations WHERE run_id IS NOT NULL`;
  const metrics = await (await fetch(`${api.metricsUrl}/metrics`)).text();
  const elsewhere = {
    Temporal: await historiesOf(temporal, [deployment.taskQueue], runs.length),
    'the log of the API': [Buffer.from(api.output())],
    'the metrics': [Buffer.from(metrics)],
    'the log of PostgreSQL': [await readPostgresLog()],
  };
  for (const [place, pieces] of Object.entries(elsewhere)) {
    expect(Buffer.concat(pieces).length).toBeGreaterThan(300);
    const found = Object.entries(canaries).filter(([, one]) => foundIn(pieces, one).length > 0);
    expect({ place, found: found.map(([name]) => name) }).toEqual({ place, found: [] });
  }
  expect(foundIn(piecesOf(hook.received), canaries.email)).toContain('clear');
});

test('the search finds who a person is in every kind of column', async () => {
  for (const type of ['text', 'text[]', 'jsonb', 'bytea']) {
    await sql.unsafe(`CREATE TABLE planted (it ${type})`);
    const value = {
      text: canaries.email,
      'text[]': sql.array([canaries.email]),
      jsonb: sql.json({ it: canaries.email }),
      bytea: Buffer.from(canaries.email),
    }[type];
    await sql`INSERT INTO planted VALUES (${value as never})`;
    expect((await placesOf())['email']).toContain('planted.it');
    await sql`DROP TABLE planted`;
  }
});
