import { randomBytes, randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { Webhook } from 'standardwebhooks';
import { inject } from 'vitest';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { type Program, startEntry, startProgram } from './program.ts';

export interface Profile {
  readonly id: string;
  readonly registration_id: string;
  readonly user_id: string;
  readonly email: string;
  readonly username: string | null;
  readonly first_name: string | null;
}

/** The service of examples/profile-service as a process, with a database of its own. */
export class ProfileService {
  readonly secret = `whsec_${randomBytes(32).toString('base64')}`;
  readonly sql: postgres.Sql;
  readonly #database: TestDatabase;
  readonly #env: Readonly<Record<string, string>>;
  #program: Program | undefined;
  #url = '';

  private constructor(database: TestDatabase, env: Readonly<Record<string, string>>) {
    this.#database = database;
    this.#env = env;
    this.sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  }

  /** @param env `PROFILE_AMQP` and `EVENTS_AMQP_URL` for the form over RabbitMQ */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<ProfileService> {
    const service = new ProfileService(await createTestDatabase(), env);
    await service.start();
    return service;
  }

  /** Another service as a process, on a database of its own. It may not answer yet. */
  static async startScript(entry: string, port: number): Promise<ProfileService> {
    const service = new ProfileService(await createTestDatabase(), {});
    const env = {
      PORT: String(port),
      DATABASE_URL: service.#database.ownerUrl,
      PROFILE_SECRET: service.secret,
    };
    const cwd = inject('testHome');
    service.#url = `http://127.0.0.1:${port}/profiles`;
    service.#program = startProgram({ command: process.execPath, args: [entry], cwd, env });
    return service;
  }

  /** What PROFILE_URL is set to. It stays the same across `kill` and `start`. */
  get url(): string {
    return this.#url;
  }

  /** Starts the process, again after it was killed. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const program = startEntry('examples/profile-service/main.ts', inject('testHome'), {
      PORT: this.#url === '' ? '0' : new URL(this.#url).port,
      DATABASE_URL: this.#database.ownerUrl,
      PROFILE_SECRET: this.secret,
      ...this.#env,
      ...env,
    });
    this.#program = program;
    const [, url = ''] = await program.says(/is running: (\S+)/);
    this.#url = url;
    if (this.#env['PROFILE_AMQP']) await this.consumes();
  }

  /** Waits until it consumes requests from RabbitMQ. */
  async consumes(): Promise<void> {
    await this.#program?.says(/RabbitMQ: consuming/);
  }

  output(): string {
    return this.#program?.output() ?? '';
  }

  /** As kill -9 does. */
  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  async terminate(): Promise<number | null> {
    this.#program?.signal('SIGTERM');
    return (await this.#program?.exit)?.code ?? null;
  }

  async profiles(): Promise<Profile[]> {
    return await this.sql<Profile[]>`SELECT * FROM profiles ORDER BY created_at`;
  }

  async profileOf(registrationId: string): Promise<Profile | undefined> {
    return (await this.profiles()).find((one) => one.registration_id === registrationId);
  }

  /** One request, signed as Registrar signs it. @param secret another one than the service's */
  async call(
    method: 'PUT' | 'DELETE',
    registrationId: string,
    body?: object,
    { secret = this.secret, key = registrationId, id = `${registrationId}.${method}` } = {},
  ): Promise<{ status: number; body: unknown }> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const now = new Date();
    const answer = await fetch(`${this.#url}/${registrationId}`, {
      method,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': key,
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
        'webhook-signature': new Webhook(secret).sign(id, now, text),
      },
      ...(body !== undefined && { body: text }),
    });
    const json = await answer.text();
    return { status: answer.status, body: json === '' ? null : JSON.parse(json) };
  }

  async remove(): Promise<void> {
    await this.kill();
    await this.sql.end({ timeout: 1 });
    await this.#database.drop();
  }
}

/** The fields of a request about somebody new. */
export function personFields(registrationId: string, more: object = {}) {
  return {
    registration_id: registrationId,
    user_id: randomUUID(),
    email: `${registrationId}@example.com`,
    username: null,
    first_name: null,
    last_name: null,
    ...more,
  };
}
