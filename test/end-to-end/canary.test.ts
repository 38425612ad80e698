import { randomBytes } from 'node:crypto';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { Gauge, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foundIn, newCanary, piecesOf } from '../stack/canary.ts';
import { createTestDatabase, type TestDatabase } from '../stack/database.ts';
import { Deployment, type Answer, type Api } from '../stack/deployment.ts';
import { signsIn } from '../stack/passwords.ts';
import type { Program } from '../stack/program.ts';
import { startReceiver, type Receiver } from '../stack/receiver.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../stack/temporal.ts';

/** A way by which a password comes in; every open one has a row. */
interface PasswordDoor {
  readonly name: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: (email: string, password: string) => object;
  /** What it answers to a person, to a rejected password, while the run is parked, and to the same
   * person again. */
  readonly statuses: Readonly<Record<'completed' | 'rejected' | 'parked' | 'again', number>>;
}

const signup = (email: string, password: string) => ({
  email,
  username: email.slice(0, email.indexOf('@')),
  first_name: 'Ada',
  last_name: 'Lovelace',
  password,
  confirm_password: password,
});

const DOORS: readonly PasswordDoor[] = [
  {
    name: 'canonical',
    path: '/registrations',
    headers: { prefer: 'wait=10' },
    body: (email, password) => ({ email, roles: ['viewer'], password }),
    statuses: { completed: 201, rejected: 422, parked: 202, again: 409 },
  },
  {
    name: 'signup',
    path: '/auth/register',
    headers: {},
    body: signup,
    statuses: { completed: 201, rejected: 400, parked: 202, again: 400 },
  },
  {
    name: 'signup-async',
    path: '/auth/register',
    headers: { prefer: 'respond-async' },
    body: signup,
    statuses: { completed: 202, rejected: 202, parked: 202, again: 202 },
  },
  {
    name: 'seeding',
    path: '/api/v1/private/users/',
    headers: {},
    body: (email, password) => ({ email, password, full_name: 'Ada Lovelace' }),
    statuses: { completed: 200, rejected: 422, parked: 202, again: 409 },
  },
];

const canary = newCanary();
const answers: Buffer[] = [];
let deployment: Deployment;
let database: TestDatabase;
let sql: postgres.Sql;
let connection: NativeConnection;
let temporal: Client;
let api: Api;
let hook: Receiver;
const programs: Program[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  connection = await connectToTemporal();
  temporal = new Client({ connection, namespace: TEST_NAMESPACE });
  hook = await startReceiver((response) => void response.writeHead(204).end());
  const env = {
    // Where a webhook may be on this machine.
    ENVIRONMENT: 'local',
    EVENTS_WEBHOOK_URL: hook.url,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    DOORS: 'signup,session,seeding',
    REGISTER_LIMIT_PER_MINUTE: '1000',
    LOG_LEVEL: 'trace',
    RETRY_BUDGET_SECONDS: '1',
    PASSWORD_SEALING_KEYS: `canary:${randomBytes(32).toString('base64')}`,
  };
  deployment = await Deployment.make({ databaseUrl: database.url, env });
  await deployment.pool.setFaults([
    {
      operation: 'AdminSetUserPassword',
      match: { email: 'rejected-*' },
      fault: { kind: 'error', error: 'InvalidPasswordException' },
    },
    {
      operation: 'AdminSetUserPassword',
      match: { email: 'parked-*' },
      fault: { kind: 'server' },
    },
  ]);
  api = await deployment.api();
  programs.push(api, await deployment.worker());
  const { taskQueue } = deployment;
  await temporal.workflow.start('relayEvents', { taskQueue, workflowId: `relay/${taskQueue}` });
});
afterAll(async () => {
  await temporal.workflow.getHandle(`relay/${deployment.taskQueue}`).terminate();
  await deployment.stop();
  await hook.close();
  await connection.close();
  await sql.end();
  await database.drop();
});

async function ask(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
  const answer = await deployment.call(api, method, path, body, headers);
  answers.push(...piecesOf([answer.body, [...answer.headers]]));
  return answer;
}

async function idOf(email: string): Promise<string> {
  const [row] = await sql<{ id: string }[]>`SELECT id FROM registrations WHERE email = ${email}
    ORDER BY accepted_at LIMIT 1`;
  return row?.id ?? 'none';
}

describe.each(DOORS)('a password through the $name door', (door) => {
  const send = (email: string) =>
    ask('POST', door.path, door.body(email, canary), { ...door.headers });
  const address = (kind: string) => `${kind}-${door.name}@example.com`;
  const park = async (kind: string): Promise<string> => {
    expect((await send(address(kind))).status).toBe(door.statuses.parked);
    const id = await idOf(address(kind));
    await deployment.untilStatus(api, id, 'roles_pending', 30_000);
    return id;
  };

  test('lets somebody in, and is refused to a second one', async () => {
    expect((await send(address('ada'))).status).toBe(door.statuses.completed);
    const told = () => foundIn(piecesOf(hook.received), address('ada'));
    await expect.poll(told, { timeout: 20_000 }).toContain('clear');
    expect(await signsIn(deployment.pool, address('ada'), canary)).toBe(true);
    expect((await send(address('ada'))).status).toBe(door.statuses.again);
  });

  test('signs in, and a wrong one does not', async () => {
    const login = (password: string) =>
      ask('POST', '/auth/login', { username: address('ada'), password });
    expect((await login(canary)).status).toBe(200);
    expect((await login(`${canary}!`)).status).toBe(401);
  });

  test('rejected by the pool', async () => {
    expect((await send(address('rejected'))).status).toBe(door.statuses.rejected);
    await deployment.untilStatus(api, await idOf(address('rejected')), 'failed', 30_000);
  });

  test('in requests that do not fit', async () => {
    expect((await send('no address')).status).toBeGreaterThanOrEqual(400);
    const tooLong = door.body(address('long'), canary.repeat(9));
    expect((await ask('POST', door.path, tooLong)).status).toBeGreaterThanOrEqual(400);
    const asList = { ...door.body(address('list'), canary), password: [canary] };
    expect((await ask('POST', door.path, asList)).status).toBeGreaterThanOrEqual(400);
  });

  test('parked, retried, and cancelled', async () => {
    const id = await park('parked-cancelled');
    await ask('POST', `/registrations/${id}/retry`);
    await deployment.untilStatus(api, id, 'roles_pending', 30_000);
    expect((await ask('POST', `/registrations/${id}/cancel`)).status).toBe(202);
    await deployment.untilStatus(api, id, 'cancelled', 30_000);
  });

  test('parked, and there to stay', async () => {
    const id = await park('parked');
    for (const path of [`/registrations/${id}`, '/registrations', `/audit-events`]) {
      expect((await ask('GET', path)).status).toBe(200);
    }
    const stream = await deployment.stream(api, id);
    answers.push(...piecesOf(await stream.event()));
    await stream.cancel();
  });
});

/** Of every run of this deployment, each event with its payloads, and what the server says beside it. */
async function histories(): Promise<Buffer[]> {
  const accepted = await sql`SELECT id FROM registrations`;
  const pieces: Buffer[] = [];
  // The list lags behind the server.
  for (let listed = 0; listed < accepted.length;) {
    pieces.length = 0;
    listed = 0;
    const query = `TaskQueue = '${deployment.taskQueue}'`;
    for await (const { workflowId, runId } of temporal.workflow.list({ query })) {
      const handle = temporal.workflow.getHandle(workflowId, runId);
      pieces.push(...piecesOf(await handle.fetchHistory()));
      pieces.push(...piecesOf((await handle.describe()).raw));
      listed += 1;
    }
  }
  return pieces;
}

/** Every row of every table, as values and as text: pg_dump may be older than the server. */
async function databaseDump(): Promise<Buffer[]> {
  const tables = await sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;
  const pieces: Buffer[] = [];
  for (const { name } of tables) {
    pieces.push(
      ...piecesOf(await sql.unsafe(`SELECT t.*, row_to_json(t)::text AS as_text FROM ${name} t`)),
    );
  }
  return pieces;
}

async function metrics(): Promise<Buffer[]> {
  return [Buffer.from(await (await fetch(`${api.url}/metrics`)).text())];
}

const PLACES: Readonly<Record<string, () => Promise<Buffer[]>>> = {
  'Temporal histories': histories,
  'the database': databaseDump,
  logs: async () => programs.map((program) => Buffer.from(program.output())),
  'HTTP answers': async () => answers,
  events: async () => [...piecesOf(hook.received)],
  '/metrics': metrics,
};

describe('the password is in none of', () => {
  test.each(Object.keys(PLACES))('%s', async (place) => {
    const pieces = (await PLACES[place]?.()) ?? [];
    expect(Buffer.concat(pieces).length).toBeGreaterThan(300);
    expect(foundIn(pieces, canary)).toEqual([]);
  });

  test('which hold what they should: the registrations, the step, and a seal that waits', async () => {
    const id = await idOf(`parked-${DOORS[0]?.name}@example.com`);
    for (const place of ['Temporal histories', 'the database', 'logs', 'HTTP answers']) {
      expect(foundIn((await PLACES[place]?.()) ?? [], id)).toContain('clear');
    }
    expect(foundIn(await histories(), 'setPassword')).toContain('clear');
    const sealed = await sql`SELECT id FROM registrations WHERE sealed_password IS NOT NULL`;
    expect(sealed).toHaveLength(DOORS.length);
  });
});

describe('it is found where it is put into', () => {
  const found = async (place: string) => foundIn((await PLACES[place]?.()) ?? [], canary);

  test('a history', async () => {
    const { taskQueue } = deployment;
    const workflowId = `planted/${taskQueue}`;
    const args = [{ registrationId: canary }];
    const handle = await temporal.workflow.start('planted', { taskQueue, workflowId, args });
    await handle.terminate();
    await expect.poll(() => found('Temporal histories'), { timeout: 20_000 }).toContain('JSON');
  });

  test.each([
    ['text', 'clear'],
    ['jsonb', 'JSON'],
    ['bytea', 'clear'],
  ])('a column of type %s', async (type, form) => {
    await sql.unsafe(`CREATE TABLE planted (it ${type})`);
    const value = type === 'jsonb' ? sql.json({ it: canary }) : canary;
    await sql`INSERT INTO planted VALUES (${type === 'bytea' ? Buffer.from(canary) : value})`;
    expect(await found('the database')).toContain(form);
    await sql`DROP TABLE planted`;
    expect(await found('the database')).toEqual([]);
  });

  test('a log line', async () => {
    programs.push(await deployment.worker({ TEMPORAL_TASK_QUEUE: canary }));
    expect(await found('logs')).toContain('JSON');
  });

  test('an answer, and an event', async () => {
    const email = 'planted@example.com';
    await ask('POST', '/registrations', { email, roles: [], username: canary });
    expect(await found('HTTP answers')).toContain('clear');
    await expect.poll(() => found('events'), { timeout: 20_000 }).toContain('JSON');
  });

  test('a label of a metric', async () => {
    const registry = new Registry();
    const gauge = new Gauge({ name: 'x', help: 'x', labelNames: ['it'], registers: [registry] });
    gauge.set({ it: canary }, 1);
    const planted = [...(await metrics()), Buffer.from(await registry.metrics())];
    expect(foundIn(planted, canary)).toContain('JSON');
  });
});
