import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AdminListGroupsForUserCommand,
  ListUsersCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { inject } from 'vitest';
import { SANDBOX_CREDENTIALS } from '../../dev/cognito/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createTestPool, type TestPool } from './cognito.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { EventReader } from './event-reader.ts';
import { type Program, REPOSITORY, startEntry, startScript } from './program.ts';
import { uniqueTaskQueue } from './temporal.ts';
import { Terminal } from './terminal.ts';

export interface DeploymentOptions {
  /** Of the test's own; by default a new database of the shared server. */
  readonly database?: Pick<TestDatabase, 'ownerUrl' | 'appUrl'>;
  readonly temporalAddress?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
  readonly tookMs: number;
}

export interface Api extends Program {
  readonly url: string;
  /** Where it serves `/metrics`: METRICS_PORT, or its own port. */
  readonly metricsUrl: string;
}

/** API and worker processes over real HTTP, with a pool, a database and a queue of their own. They
 * connect as the role of the processes, which may change no table and no event of the audit trail. */
export class Deployment {
  readonly pool: TestPool;
  readonly folder: string;
  readonly #env: Record<string, string>;
  readonly #programs: Program[] = [];
  /** Of an administrator. */
  readonly token: string;
  readonly #drop: () => Promise<void>;

  private constructor(
    pool: TestPool,
    folder: string,
    env: Record<string, string>,
    token: string,
    drop: () => Promise<void>,
  ) {
    this.pool = pool;
    this.folder = folder;
    this.#env = env;
    this.token = token;
    this.#drop = drop;
  }

  static async make(options: DeploymentOptions = {}): Promise<Deployment> {
    const folder = await mkdtemp(join(tmpdir(), 'registrar-deployment-'));
    await chmod(folder, 0o755);
    const temporalConfig = join(folder, 'temporal.toml');
    await writeFile(temporalConfig, '[profile.default]\n');
    const pool = await createTestPool();
    const made = options.database ? undefined : await createTestDatabase();
    const { ownerUrl = '', appUrl = '' } = options.database ?? made ?? {};
    await migrate(ownerUrl);
    const env = {
      HOME: folder,
      PORT: '0',
      DOORS: 'users,step',
      DATABASE_URL: appUrl,
      TEMPORAL_ADDRESS: options.temporalAddress ?? inject('temporalAddress'),
      TEMPORAL_NAMESPACE: 'default',
      TEMPORAL_CONFIG_FILE: temporalConfig,
      TEMPORAL_TASK_QUEUE: uniqueTaskQueue('deployment'),
      AWS_REGION: pool.region,
      AWS_ACCESS_KEY_ID: SANDBOX_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: SANDBOX_CREDENTIALS.secretAccessKey,
      COGNITO_ENDPOINT: pool.endpoint,
      COGNITO_USER_POOL_ID: pool.userPoolId,
      COGNITO_CLIENT_ID: pool.clientId,
      ...options.env,
    };
    const sub = randomUUID();
    const claims = { sub, username: sub, 'cognito:groups': ['admin'] };
    const token = await pool.token(claims);
    return new Deployment(pool, folder, env, token, async () => made?.drop());
  }

  /** The API process, when it listens, and has Temporal where that is the shared one: what is
   * accepted before is the sweep's, and a deployment has none until its set-up. `npm` starts it by
   * its script. */
  async api(env: Record<string, string> = {}, by: 'node' | 'npm' = 'node'): Promise<Api> {
    const program =
      by === 'node'
        ? this.#start('src/main.ts', env)
        : this.#keep(startScript('api', { ...this.#env, ...env }));
    const listens =
      /"url":"(http:[^"]+)"(?:,"metricsUrl":"(http:[^"]+)")?,"msg":"API is listening"/;
    const [, url = '', metricsUrl = url] = await program.says(listens);
    if (this.#env['TEMPORAL_ADDRESS'] === inject('temporalAddress')) {
      await program.says(/"Temporal: connected"/);
    }
    return { ...program, url, metricsUrl };
  }

  /** The worker process, when it polls. */
  async worker(env: Record<string, string> = {}): Promise<Program> {
    const program = this.#start('worker/main.ts', env);
    await program.says(/"worker is polling"/);
    return program;
  }

  /** The prefix of its task queues. */
  get taskQueue(): string {
    return this.#env['TEMPORAL_TASK_QUEUE'] ?? '';
  }

  /** A terminal in the clone, with the settings of the processes. */
  openTerminal(): Terminal {
    return Terminal.open({ cwd: REPOSITORY, env: this.#env });
  }

  /** One of the commands, to its end. */
  async command(
    entry: string,
    env: Record<string, string> = {},
    args: readonly string[] = [],
  ): Promise<{ code: number | null; output: string }> {
    const program = this.#start(entry, env, args);
    const { code } = await program.exit;
    return { code, output: program.output() };
  }

  /** The set-up, to its end. */
  async setUp(): Promise<void> {
    const { code, output } = await this.command('cli/setup/main.ts');
    if (code !== 0) throw new Error(`setup: ${output}`);
  }

  #start(entry: string, env: Record<string, string>, args: readonly string[] = []): Program {
    return this.#keep(startEntry(entry, this.folder, { ...this.#env, ...env }, args));
  }

  #keep(program: Program): Program {
    this.#programs.push(program);
    return program;
  }

  async call(
    api: Api,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const from = performance.now();
    const answer = await fetch(`${api.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const json = (await answer.json()) as Record<string, unknown>;
    const { status } = answer;
    return { status, headers: answer.headers, body: json, tookMs: performance.now() - from };
  }

  /** The events of a registration, as they come. */
  async stream(api: Api, id: string): Promise<EventReader> {
    const headers = { authorization: `Bearer ${this.token}` };
    return new EventReader(
      (await fetch(`${api.url}/registrations/${id}/stream`, { headers })).body,
    );
  }

  async register(api: Api, email: string, headers: Record<string, string> = {}): Promise<Answer> {
    return await this.call(api, 'POST', '/registrations', { email, roles: ['viewer'] }, headers);
  }

  /** Polls the receipt until it has this status. */
  async untilStatus(
    api: Api,
    id: string,
    status: string,
    withinMs: number,
    of: 'registrations' | 'changes' = 'registrations',
  ): Promise<Answer> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const answer = await this.call(api, 'GET', `/${of}/${id}`);
      if (answer.body['status'] === status) return answer;
      if (Date.now() > deadline) {
        throw new Error(`not ${status} in ${withinMs} ms: ${JSON.stringify(answer.body)}`);
      }
      await sleep(50);
    }
  }

  /** Everybody in the pool, as `mark` and roles. */
  async users(): Promise<{ email: string; mark: string; roles: string[] }[]> {
    const UserPoolId = this.pool.userPoolId;
    const { Users = [] } = await this.pool.client.send(new ListUsersCommand({ UserPoolId }));
    return await Promise.all(
      Users.map(async ({ Username, Attributes = [] }) => {
        const of = (name: string) => Attributes.find(({ Name }) => Name === name)?.Value ?? '';
        const { Groups = [] } = await this.pool.client.send(
          new AdminListGroupsForUserCommand({ UserPoolId, Username }),
        );
        const roles = Groups.map(({ GroupName = '' }) => GroupName);
        return { email: of('email'), mark: of('custom:registration_id'), roles };
      }),
    );
  }

  /** Polls until the pool has been called so often. */
  async untilCalled(operation: string, calls = 1): Promise<void> {
    while (((await this.pool.calls())[operation]?.calls ?? 0) < calls) await sleep(20);
  }

  async stop(): Promise<void> {
    for (const program of this.#programs) await program.kill();
    await this.pool.remove();
    await this.#drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
