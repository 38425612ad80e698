import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import postgres from 'postgres';
import { sandboxClient } from '../../dev/cognito/client.ts';
import type { Rule } from '../../dev/cognito/fault-plan.ts';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import { tokenOf } from '../../dev/person.ts';
import { registrar } from '../../dev/registrar.ts';
import type { Stack } from '../../dev/stack/stack.ts';
import { parseConfig } from '../../src/config/config.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { PROFILE_SECRET, ProfileSite } from '../support/profile-site.ts';
import { GRACE_SECONDS } from './faults.ts';
import { Processes } from './processes.ts';

const ADMINISTRATOR = 'admin@example.com';

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
  COGNITO_CREATE_RPS: '20',
  // Above what the attempts of a plan need: a queue of half a minute would outlast whatever is late.
  COGNITO_UPDATE_RPS: '100',
};

/** A Registrar of one seed, with a database, a pool and a task queue of its own. */
export class Site {
  readonly taskQueue: string;
  readonly db: DatabasePool['db'];
  readonly temporal: Client;
  readonly userPoolId: string;
  readonly clientId: string;
  readonly client: CognitoIdentityProviderClient;
  /** Of an administrator. */
  readonly bearer: string;
  readonly processes: Processes;
  /** null: no profile service is configured. */
  readonly profiles: ProfileSite | null;
  readonly #parts: SiteParts;

  private constructor(parts: SiteParts) {
    this.#parts = parts;
    this.processes = parts.processes;
    this.profiles = parts.profiles;
    this.taskQueue = parts.env['TEMPORAL_TASK_QUEUE'] ?? '';
    this.db = parts.ledger.db;
    this.temporal = new Client({ connection: parts.connection, namespace: 'default' });
    this.userPoolId = parts.userPoolId;
    this.clientId = parts.env['COGNITO_CLIENT_ID'] ?? '';
    this.client = parts.client;
    this.bearer = parts.bearer;
  }

  static async open(
    stack: Stack,
    home: string,
    seed: number,
    withProfiles: boolean,
  ): Promise<Site> {
    const folder = join(home, `seed-${seed}-${randomUUID().slice(0, 8)}`);
    await mkdir(folder, { mode: 0o755 });
    const databaseUrl = await createDatabase(stack.env['DATABASE_URL'] ?? '', seed);
    const endpoint = stack.env['COGNITO_ENDPOINT'] ?? '';
    const client = sandboxClient(endpoint);
    const pool = await makePool(client, `campaign-${seed}`);
    const profiles = withProfiles
      ? await startProfiles(stack.env['DATABASE_URL'] ?? '', seed)
      : null;
    const env: Record<string, string> = {
      ...stack.env,
      ...SETTINGS,
      HOME: folder,
      REGISTRAR_HOME: folder,
      DATABASE_URL: databaseUrl,
      COGNITO_USER_POOL_ID: pool.userPoolId,
      COGNITO_CLIENT_ID: pool.clientId,
      TEMPORAL_TASK_QUEUE: `campaign-${seed}-${randomUUID()}`,
      ...(profiles && { PROFILE_URL: profiles.url, PROFILE_SECRET }),
      PASSWORD_SEALING_KEYS: `campaign:${randomBytes(32).toString('base64')}`,
    };
    await registrar.migrate(databaseUrl);
    await registrar.setUp(parseConfig(env), ADMINISTRATOR, () => undefined);
    return new Site({
      env,
      profiles,
      client,
      userPoolId: pool.userPoolId,
      control: `${endpoint}/_sandbox`,
      bearer: await tokenOf({ endpoint, ...pool }, ADMINISTRATOR, 'admin'),
      ledger: openDatabase(databaseUrl, 2),
      connection: await NativeConnection.connect({ address: env['TEMPORAL_ADDRESS'] ?? '' }),
      processes: await Processes.start(folder, env),
    });
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

  /** What was mailed, the oldest first. */
  async mail(): Promise<Mail[]> {
    return ((await this.#control('GET', 'mail')) as { items: Mail[] }).items;
  }

  async #control(method: string, what: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(`${this.#parts.control}/${what}?pool=${this.userPoolId}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`sandbox: ${method} ${what}: ${await reply.text()}`);
    return await reply.json();
  }

  async close(): Promise<void> {
    const { processes, ledger, connection, client } = this.#parts;
    await processes.stop();
    await this.profiles?.stop();
    client.destroy();
    await ledger.close();
    await connection.close();
  }
}

interface SiteParts {
  readonly env: Readonly<Record<string, string>>;
  readonly client: CognitoIdentityProviderClient;
  readonly userPoolId: string;
  readonly control: string;
  readonly bearer: string;
  readonly processes: Processes;
  readonly profiles: ProfileSite | null;
  readonly ledger: DatabasePool;
  readonly connection: NativeConnection;
}

/** The example's profile service, in this process, with a database beside the ledger's. */
async function startProfiles(serverUrl: string, seed: number): Promise<ProfileSite> {
  const url = await createDatabase(serverUrl, seed);
  const drop = () =>
    asAdministrator(url, (sql, name) => sql`drop database if exists ${sql(name)} with (force)`);
  return await ProfileSite.start({ url, drop });
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
