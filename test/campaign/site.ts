import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { type Child, startChild } from '../../dev/child.ts';
import { sandboxClient } from '../../dev/cognito/client.ts';
import type { Rule } from '../../dev/cognito/fault-plan.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import { tokenOf } from '../../dev/person.ts';
import { anyFreePort } from '../../dev/ports.ts';
import { registrar } from '../../dev/registrar.ts';
import type { Stack } from '../../dev/stack.ts';
import { parseConfig } from '../../src/config.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { VARIABLES } from '../../src/environment-table.ts';
import { healthy } from '../rehearsal/parts.ts';
import { REPOSITORY } from '../stack/program.ts';
import { GRACE_SECONDS } from './faults.ts';

const ADMINISTRATOR = 'admin@example.com';
const PINO_ERROR = 50;

/** Short, so that a registration parks, heals or is taken back within seconds. */
const SETTINGS = {
  ENVIRONMENT: 'local',
  HOST: '127.0.0.1',
  RETRY_BUDGET_SECONDS: '2',
  COMPENSATION_BUDGET_SECONDS: '1',
  PROPAGATION_GRACE_SECONDS: String(GRACE_SECONDS),
  RESUME_INTERVAL_SECONDS: '4',
  SWEEP_INTERVAL_SECONDS: '2',
  // Bursts wait for their turn, between reading the row and the call.
  COGNITO_CREATE_RPS: '10',
  COGNITO_UPDATE_RPS: '20',
};

type ProcessName = 'api' | 'withoutTemporal' | 'worker';

/** A Registrar of one seed: API with a worker in it, an API that Temporal is away from, a worker. */
export class Site {
  readonly taskQueue: string;
  readonly db: DatabasePool['db'];
  readonly temporal: Client;
  readonly userPoolId: string;
  readonly client: CognitoIdentityProviderClient;
  /** Of an administrator. */
  readonly bearer: string;
  readonly #parts: SiteParts;
  readonly #running = new Map<ProcessName, Child>();
  readonly #logs: string[] = [];

  private constructor(parts: SiteParts) {
    this.#parts = parts;
    this.taskQueue = parts.env['TEMPORAL_TASK_QUEUE'] ?? '';
    this.db = parts.ledger.db;
    this.temporal = new Client({ connection: parts.connection, namespace: 'default' });
    this.userPoolId = parts.userPoolId;
    this.client = parts.client;
    this.bearer = parts.bearer;
  }

  static async open(stack: Stack, home: string, seed: number): Promise<Site> {
    const folder = join(home, `seed-${seed}-${randomUUID().slice(0, 8)}`);
    await mkdir(folder, { mode: 0o755 });
    const databaseUrl = await createDatabase(stack.env['DATABASE_URL'] ?? '', seed);
    const endpoint = stack.env['COGNITO_ENDPOINT'] ?? '';
    const client = sandboxClient(endpoint);
    const pool = await makePool(client, `campaign-${seed}`);
    const ports = {
      api: await anyFreePort(),
      withoutTemporal: await anyFreePort(),
      worker: await anyFreePort(),
      // Nobody listens there.
      nobody: await anyFreePort(),
    };
    const env: Record<string, string> = {
      ...stack.env,
      ...SETTINGS,
      HOME: folder,
      REGISTRAR_HOME: folder,
      DATABASE_URL: databaseUrl,
      COGNITO_USER_POOL_ID: pool.userPoolId,
      COGNITO_CLIENT_ID: pool.clientId,
      TEMPORAL_TASK_QUEUE: `campaign-${seed}-${randomUUID()}`,
      PASSWORD_SEALING_KEYS: `campaign:${randomBytes(32).toString('base64')}`,
    };
    const config = parseConfig({ ...env, PORT: String(ports.api) });
    await registrar.migrate(databaseUrl);
    await registrar.setUp(config, ADMINISTRATOR, () => undefined);
    const site = new Site({
      env,
      folder,
      ports,
      client,
      userPoolId: pool.userPoolId,
      control: `${endpoint}/_sandbox`,
      bearer: await tokenOf({ endpoint, ...pool }, ADMINISTRATOR, 'admin'),
      ledger: openDatabase(databaseUrl, 2),
      connection: await NativeConnection.connect({ address: env['TEMPORAL_ADDRESS'] ?? '' }),
    });
    try {
      await Promise.all([site.start('api'), site.start('withoutTemporal'), site.start('worker')]);
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  /** Base address of an API process; it stays the same when the process is started again. */
  urlOf(name: 'api' | 'withoutTemporal'): string {
    return `http://127.0.0.1:${this.#parts.ports[name]}`;
  }

  async start(name: ProcessName): Promise<void> {
    const { env, folder, ports } = this.#parts;
    const nothing = Object.keys(process.env).map((key) => [key, undefined] as const);
    // Set and empty counts as not set: no variable of the developer's shell gets in.
    const blank = VARIABLES.map((variable) => [variable.name, ''] as const);
    const own = {
      api: { PORT: String(ports.api) },
      withoutTemporal: {
        PORT: String(ports.withoutTemporal),
        IN_PROCESS_WORKER: 'false',
        TEMPORAL_ADDRESS: `127.0.0.1:${ports.nobody}`,
      },
      worker: { WORKER_PORT: String(ports.worker) },
    }[name];
    const logFile = join(folder, `${name}-${this.#logs.length}.log`);
    const entry = name === 'worker' ? 'worker/main.ts' : 'src/main.ts';
    const child = startChild({
      name,
      command: process.execPath,
      args: [`${REPOSITORY}run.mjs`, `${REPOSITORY}${entry}`],
      cwd: folder,
      env: {
        ...Object.fromEntries([...nothing, ...blank]),
        PATH: process.env['PATH'],
        ...env,
        ...own,
      },
      logFile,
      stopSignal: 'TERM',
    });
    this.#logs.push(logFile);
    this.#running.set(name, child);
    const path = name === 'withoutTemporal' ? 'live' : 'ready';
    await healthy(`http://127.0.0.1:${ports[name]}/health/${path}`);
  }

  /** Ends a process, by kill -9 or as a roll-out does, and starts it again. */
  async restart(name: ProcessName, how: 'kill' | 'stop'): Promise<void> {
    const child = this.#running.get(name);
    if (how === 'stop') await child?.stop(20_000);
    child?.kill();
    await child?.exit();
    await this.start(name);
  }

  /** Cuts every connection to the ledger, as a restart of PostgreSQL does. */
  async cutConnections(): Promise<void> {
    await asAdministrator(this.#parts.env['DATABASE_URL'] ?? '', async (sql, name) => {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    });
  }

  async setFaults(rules: readonly Rule[]): Promise<void> {
    await this.#control('PUT', 'faults', rules);
  }

  /** How many requests without a reply are still to take effect. */
  async late(): Promise<number> {
    return ((await this.#control('GET', 'late')) as { pending: number }).pending;
  }

  async #control(method: string, what: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(`${this.#parts.control}/${what}?pool=${this.userPoolId}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`sandbox: ${method} ${what}: ${await reply.text()}`);
    return await reply.json();
  }

  /** Messages that the logs have at level `error` or above, and how often. */
  async complaints(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (const file of this.#logs) {
      for (const line of (await readFile(file, 'utf8')).split('\n')) {
        // A process that was killed may have left half a line.
        if (!line.endsWith('}')) continue;
        const { level, msg } = JSON.parse(line) as { level: number; msg: string };
        if (level >= PINO_ERROR) found.set(msg, (found.get(msg) ?? 0) + 1);
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((child) => child.stop()));
    const { ledger, connection, client } = this.#parts;
    client.destroy();
    await ledger.close();
    await connection.close();
  }
}

interface SiteParts {
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly ports: Readonly<Record<ProcessName | 'nobody', number>>;
  readonly client: CognitoIdentityProviderClient;
  readonly userPoolId: string;
  readonly control: string;
  readonly bearer: string;
  readonly ledger: DatabasePool;
  readonly connection: NativeConnection;
}

async function createDatabase(serverUrl: string, seed: number): Promise<string> {
  const name = `campaign_${seed}_${randomUUID().replaceAll('-', '')}`;
  await asAdministrator(serverUrl, (sql) => sql`create database ${sql(name)}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** On a connection to the server's own database, which nothing here cuts. */
async function asAdministrator(
  databaseUrl: string,
  work: (sql: postgres.Sql, name: string) => Promise<unknown>,
): Promise<void> {
  const url = new URL(databaseUrl);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
  try {
    await work(sql, name);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
