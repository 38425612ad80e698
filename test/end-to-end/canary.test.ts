import { randomBytes } from 'node:crypto';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foundIn, newCanary, piecesOf, randomPartOf } from '../support/canary.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { Deployment, type Answer, type Api } from '../support/deployment.ts';
import { PASSWORD_DOORS } from '../support/password-doors.ts';
import { signsIn } from '../support/passwords.ts';
import { ProfileService } from '../support/profile-service.ts';
import { readPostgresLog } from '../support/postgres-log.ts';
import { RABBITMQ } from '../support/programs.ts';
import { Queue } from '../support/queue.ts';
import { Broker } from '../support/rabbitmq.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';
import { historiesOf, rowsOf } from '../support/traces.ts';

/** Who does the work: an API process by itself, or a worker process behind another API. */
const HOSTS = ['api', 'worker'] as const;
type Host = (typeof HOSTS)[number];

const canary = newCanary();
/** Part of every address of this test, and of nothing else. */
const tag = randomBytes(6).toString('hex');
const answers: Buffer[] = [];
const outputs: Record<Host, (() => string)[]> = { api: [], worker: [] };
/** Where they listen. */
const urls: Record<Host, string[]> = { api: [], worker: [] };
let deployment: Deployment;
let database: TestDatabase;
let sql: postgres.Sql;
let connection: NativeConnection;
let temporal: Client;
let apis: Record<Host, Api>;
let taskQueues: Record<Host, string>;
let hook: Receiver;
/** Not on a machine without RabbitMQ. */
let broker: Broker | undefined;
let queue: Queue | undefined;
let replies: Queue | undefined;
let profiles: ProfileService | undefined;

async function startWorker(taskQueue: string): Promise<void> {
  const worker = await deployment.worker({ TEMPORAL_TASK_QUEUE: taskQueue, WORKER_PORT: '0' });
  const [, url = ''] = await worker.says(/"url":"(http:[^"]+)","msg":"worker is listening"/);
  outputs.worker.push(() => worker.output());
  urls.worker.push(url);
}

async function startApi(env: Record<string, string>): Promise<Api> {
  const api = await deployment.api(env);
  outputs.api.push(() => api.output());
  urls.api.push(api.url);
  return api;
}

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  connection = await connectToTemporal();
  temporal = new Client({ connection, namespace: TEST_NAMESPACE });
  hook = await startReceiver((response) => void response.writeHead(204).end());
  broker = RABBITMQ.path === null ? undefined : await Broker.start();
  queue = broker && (await Queue.bind(broker, 'user_events', '#'));
  replies = broker && (await Queue.bind(broker, 'auth_events', '#'));
  const overAmqp = { PROFILE_AMQP: 'true', EVENTS_AMQP_URL: broker?.url ?? '' };
  profiles = broker && (await ProfileService.start(overAmqp));
  const env = {
    // Where a webhook may be on this machine.
    ENVIRONMENT: 'local',
    EVENTS_WEBHOOK_URL: hook.url,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    EVENTS_AMQP_URL: broker?.url ?? '',
    ...(profiles && { PROFILE_AMQP: 'true', PROFILE_SECRET: profiles.secret }),
    DOORS: 'signup,session,seeding',
    REGISTER_LIMIT_PER_MINUTE: '1000',
    LOG_LEVEL: 'trace',
    RETRY_BUDGET_SECONDS: '1',
    PASSWORD_SEALING_KEYS: `canary:${randomBytes(32).toString('base64')}`,
  };
  deployment = await Deployment.make({ database, env });
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
  const { taskQueue } = deployment;
  taskQueues = { api: taskQueue, worker: `${taskQueue}-apart` };
  apis = {
    api: await startApi({}),
    worker: await startApi({ TEMPORAL_TASK_QUEUE: taskQueues.worker, IN_PROCESS_WORKER: 'false' }),
  };
  await startWorker(taskQueues.worker);
  const relay = { taskQueue: taskQueues.worker, workflowId: `relay/${taskQueue}` };
  await temporal.workflow.start('relayEvents', relay);
});
afterAll(async () => {
  await temporal.workflow.getHandle(`relay/${deployment.taskQueue}`).terminate();
  await deployment.stop();
  await queue?.close();
  await replies?.close();
  await profiles?.remove();
  await broker?.remove();
  await hook.close();
  await connection.close();
  await sql.end();
  await database.drop();
});

async function ask(
  method: string,
  path: string,
  body?: unknown,
  { headers = {}, host = 'api' }: { headers?: Record<string, string>; host?: Host } = {},
): Promise<Answer> {
  const answer = await deployment.call(apis[host], method, path, body, headers);
  answers.push(...piecesOf([answer.body, [...answer.headers]]));
  return answer;
}

function addressOf(...parts: (string | undefined)[]): string {
  return `${parts.join('-')}-${tag}@example.com`;
}

async function idOf(email: string): Promise<string> {
  const [row] = await sql<{ id: string }[]>`SELECT id FROM registrations WHERE email = ${email}
    ORDER BY accepted_at LIMIT 1`;
  return row?.id ?? 'none';
}

const untilStatus = (id: string, status: string) =>
  deployment.untilStatus(apis.api, id, status, 30_000);

describe.each(PASSWORD_DOORS)('a password through the $name door', (door) => {
  const { path, headers, statuses } = door;
  const send = (email: string, host: Host) =>
    ask('POST', path, door.body(email, canary), { headers, host });
  const address = (...kind: string[]) => addressOf(...kind, door.name);
  const park = async (email: string, host: Host): Promise<string> => {
    expect((await send(email, host)).status).toBe(statuses.parked);
    const id = await idOf(email);
    await untilStatus(id, 'roles_pending');
    return id;
  };

  test.each(HOSTS)(
    'registers through the %s once, and a second registration of the same address is refused',
    async (host) => {
      const email = address('ada', host);
      expect((await send(email, host)).status).toBe(statuses.completed);
      for (const place of Object.keys(EVENTS)) {
        await expect.poll(() => found(place, email), { timeout: 20_000 }).toContain('clear');
      }
      expect(await signsIn(deployment.pool, email, canary)).toBe(true);
      expect((await send(email, host)).status).toBe(statuses.again);
    },
  );

  test('the right password signs in, and a wrong password does not', async () => {
    const login = (password: string) =>
      ask('POST', '/auth/login', { username: address('ada', 'api'), password });
    expect((await login(canary)).status).toBe(200);
    expect((await login(`${canary}!`)).status).toBe(401);
  });

  test.each(HOSTS)(
    'a password that the pool rejects fails the registration through the %s',
    async (host) => {
      const email = address('rejected', host);
      expect((await send(email, host)).status).toBe(statuses.rejected);
      await untilStatus(await idOf(email), 'failed');
    },
  );

  test('a password in an invalid request is not echoed', async () => {
    expect((await send('no address', 'api')).status).toBeGreaterThanOrEqual(400);
    const tooLong = door.body(address('long'), canary.repeat(9));
    expect((await ask('POST', path, tooLong)).status).toBeGreaterThanOrEqual(400);
    const asList = { ...door.body(address('list'), canary), password: [canary] };
    expect((await ask('POST', path, asList)).status).toBeGreaterThanOrEqual(400);
  });

  test.each(HOSTS)(
    'a registration that parks, is retried and is cancelled keeps its password secret, through the %s',
    async (host) => {
      const id = await park(address('parked', 'cancelled', host), host);
      await ask('POST', `/registrations/${id}/retry`);
      await untilStatus(id, 'roles_pending');
      expect((await ask('POST', `/registrations/${id}/cancel`)).status).toBe(202);
      await untilStatus(id, 'cancelled');
    },
  );

  test('a registration that stays parked keeps its sealed password', async () => {
    const id = await park(address('parked'), 'worker');
    for (const shown of [`/registrations/${id}`, '/registrations', `/audit-events`]) {
      expect((await ask('GET', shown)).status).toBe(200);
    }
    const stream = await deployment.stream(apis.api, id);
    answers.push(...piecesOf(await stream.event()));
    await stream.cancel();
  });
});

describe('passwords and codes at the routes of accounts', () => {
  const username = addressOf('account');
  const next = `${canary}2`;
  /** Without a token, unless one is given. */
  async function post(path: string, body: object, token?: string) {
    const answer = await fetch(`${apis.api.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    answers.push(...piecesOf([text, [...answer.headers]]));
    return { status: answer.status, text };
  }
  const login = (password: string) => post('/auth/login', { username, password });
  const tokenFor = async (password: string): Promise<string> =>
    (JSON.parse((await login(password)).text) as { access_token: string }).access_token;

  test('a code that is guessed, with a token or with the password, is refused', async () => {
    const signup = PASSWORD_DOORS.find(({ name }) => name === 'signup');
    const registered = await post('/auth/register', signup?.body(username, canary) ?? {});
    expect(registered.status).toBe(201);
    const [code, session] = [canary, canary];
    const token = await tokenFor(canary);
    const pair = { username, password: canary };
    const first = { challenge: 'NEW_PASSWORD_REQUIRED', new_password: canary };
    const statuses = [
      await post('/auth/verify-email/request', {}, token),
      await post('/auth/verify-email', { code }, token),
      await post('/auth/verify-email/request', pair),
      await post('/auth/verify-email', { ...pair, code }),
      await post('/auth/challenge', { username, session, challenge: 'SMS_MFA', code }),
      await post('/auth/challenge', { username, session, ...first }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([202, 400, 202, 400, 401, 401]);
  });

  test('a password is changed', async () => {
    const token = await tokenFor(canary);
    const change = { current_password: canary, new_password: next };
    const wrong = { current_password: next, new_password: `${next}3` };
    expect((await post('/auth/change-password', wrong, token)).status).toBe(400);
    expect((await post('/auth/change-password', change, token)).status).toBe(200);
    expect((await login(next)).status).toBe(200);
  });
});

type Place = () => Promise<Buffer[]>;

/** What others are told. */
const EVENTS: Readonly<Record<string, Place>> = {
  'the webhook’s events': async () => [...piecesOf(hook.received)],
  ...(RABBITMQ.path !== null && {
    'the broker’s messages': async () => [...piecesOf(queue?.messages)],
    'the profile service’s messages, rows and log': async () => [
      ...piecesOf(replies?.messages),
      ...piecesOf(await profiles?.profiles()),
      Buffer.from(profiles?.output() ?? ''),
    ],
  }),
};

const ofProcesses = (host: Host): Readonly<Record<string, Place>> => ({
  [`logs of the ${host}`]: async () => outputs[host].map((output) => Buffer.from(output())),
  [`/metrics of the ${host}`]: () =>
    Promise.all(
      urls[host].map(async (url) => Buffer.from(await (await fetch(`${url}/metrics`)).text())),
    ),
});

const PLACES: Readonly<Record<string, Place>> = {
  'Temporal histories': async () => {
    const runs = await sql`SELECT id FROM registrations WHERE run_id IS NOT NULL`;
    return await historiesOf(temporal, Object.values(taskQueues), runs.length);
  },
  'the database': () => rowsOf(sql),
  'the log of PostgreSQL': async () => [await readPostgresLog()],
  'HTTP answers': async () => answers,
  ...EVENTS,
  ...ofProcesses('api'),
  ...ofProcesses('worker'),
};

async function found(place: string, text = canary): Promise<string[]> {
  return foundIn((await PLACES[place]?.()) ?? [], text);
}

describe('the password does not leak', () => {
  test.each(Object.keys(PLACES))('the password is not in %s', async (place) => {
    const pieces = (await PLACES[place]?.()) ?? [];
    expect(Buffer.concat(pieces).length).toBeGreaterThan(300);
    expect(foundIn(pieces, canary)).toEqual([]);
  });

  test('the searched tables hold registrations, steps and pending seals', async () => {
    const id = await idOf(addressOf('parked', PASSWORD_DOORS[0]?.name));
    for (const place of ['Temporal histories', 'the database', 'HTTP answers']) {
      expect(await found(place, id)).toContain('clear');
    }
    expect(await found('logs of the worker', id)).toContain('clear');
    expect(await found('Temporal histories', 'setPassword')).toContain('clear');
    for (const host of HOSTS) {
      const rejected = await idOf(addressOf('rejected', host, PASSWORD_DOORS[0]?.name));
      expect(await found(`logs of the ${host}`, rejected)).toContain('clear');
      expect(await found(`/metrics of the ${host}`, 'AdminSetUserPassword')).toContain('clear');
    }
    const sealed = await sql`SELECT id FROM registrations WHERE sealed_password IS NOT NULL`;
    expect(sealed).toHaveLength(PASSWORD_DOORS.length);
  });
});

test('the log of PostgreSQL holds no address, although requests met conflicts', async () => {
  expect(await found('the log of PostgreSQL', tag)).toEqual([]);
  expect(await found('the database', tag)).toContain('clear');
});

describe('the search finds a planted password', () => {
  test('a password planted in a workflow history is found', async () => {
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
  ])('a password planted in a column of type %s is found', async (type, form) => {
    await sql.unsafe(`CREATE TABLE planted (it ${type})`);
    const value = type === 'jsonb' ? sql.json({ it: canary }) : canary;
    await sql`INSERT INTO planted VALUES (${type === 'bytea' ? Buffer.from(canary) : value})`;
    expect(await found('the database')).toContain(form);
    await sql`DROP TABLE planted`;
    expect(await found('the database')).toEqual([]);
  });

  test('a password that a unique violation writes into the PostgreSQL log is found', async () => {
    await sql`CREATE TABLE planted (it text UNIQUE)`;
    const insert = () => sql`INSERT INTO planted VALUES (${canary})`;
    await insert();
    await expect(insert()).rejects.toMatchObject({ code: '23505' });
    expect(await found('the log of PostgreSQL')).toContain('clear');
    await sql`DROP TABLE planted`;
  });

  test('a password planted in an answer or an event is found', async () => {
    const email = 'planted@example.com';
    const username = randomPartOf(canary);
    await ask('POST', '/registrations', { email, roles: [], username, firstName: canary });
    expect(await found('HTTP answers')).toContain('clear');
    for (const place of Object.keys(EVENTS)) {
      await expect.poll(() => found(place), { timeout: 20_000 }).toContain('random part');
    }
  });

  test('a password planted in a log line of the API is found', async () => {
    const { output } = await deployment.command('src/main.ts', { DOORS: canary });
    outputs.api.push(() => output);
    expect(await found('logs of the api')).toContain('JSON');
  });

  test('a password planted in a metric label of the API is found', async () => {
    await startApi({ TEMPORAL_TASK_QUEUE: canary });
    await expect.poll(() => found('/metrics of the api'), { timeout: 20_000 }).toContain('JSON');
  });

  test('a password planted in a log line or a metric label of the worker is found', async () => {
    await startWorker(canary);
    for (const place of ['logs of the worker', '/metrics of the worker']) {
      await expect.poll(() => found(place), { timeout: 20_000 }).toContain('JSON');
    }
  });
});
