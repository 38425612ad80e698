import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Config, parseConfig, parseMigrationUrl } from '../src/config/config.ts';
import { configWarnings } from '../src/config/warnings.ts';
import { openDatabase } from '../src/db/client.ts';
import { migrationState } from '../src/db/migrate.ts';
import { readIfThere, writeFileSafely } from './stack/files.ts';
import { FIRST_ADMINISTRATOR, tokenOf } from './person.ts';
import { expectFree, freePortFrom, onFreePort } from './stack/ports.ts';
import type { Progress } from './stack/progress.ts';
import { homeOf, SEALING_KEY_FILE } from './stack/home.ts';
import { readFaultPlan } from './read-fault-plan.ts';
import { isFull } from './stack/room.ts';
import { damaged, databaseError, noRoom } from './stack/state-error.ts';
import { profileServiceConflict } from './stack/profile-service.ts';
import { type Stack, startStack } from './stack/stack.ts';
import { apiUrlOf, summaryOf } from './summary.ts';

/** The rest of Registrar, as `npm start` uses it. */
export interface Registrar {
  migrate(databaseUrl: string): Promise<void>;
  /** Search attribute, schedules and the first administrator. Repeatable. */
  setUp(config: Config, admin: string, log: Progress): Promise<void>;
  /** API and worker in this process. `stop` drains; `failed` hears why they cannot go on. */
  serve(config: Config, failed: (error: unknown) => void): Promise<{ stop(): Promise<void> }>;
}

export interface LocalOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly yes: boolean;
  /** Also starts the example in examples/profile-service. */
  readonly withProfileService: boolean;
  /** Path of a fault plan. */
  readonly faults: string | undefined;
  readonly log: Progress;
  /** Called as soon as there is something to stop. */
  readonly onStarted: (running: Running) => void;
  /** Called when what was started cannot go on: a part has ended by itself, or the disk is full. */
  readonly onFailed: (error: unknown) => void;
}

export interface Running {
  /** Drains the API and the worker, then ends the parts. */
  stop(): Promise<void>;
  /** Ends the parts in their own way, without draining what one of them has failed already. */
  stopParts(): Promise<void>;
  kill(): void;
}

const ALL_DOORS = 'users,step,signup,session,seeding';
const FIRST_PORT = 3000;
const SEALING_KEYS = /^[\w-]+:[\w+/]{43}=(?:,[\w-]+:[\w+/]{43}=)*$/;

/** Starts everything and answers what to tell the person. Throws one line; stops what it began. */
export async function startLocal(options: LocalOptions, registrar: Registrar): Promise<string> {
  const { env, log } = options;
  env['ENVIRONMENT'] ||= 'local';
  env['DOORS'] ||= ALL_DOORS;
  const conflict = options.withProfileService ? profileServiceConflict(env) : undefined;
  if (conflict !== undefined) throw new Error(conflict);
  const rules = options.faults === undefined ? [] : await readFaultPlan(options.faults);
  const home = resolve(homeOf(env));
  const choosesPort = !env['PORT'];
  // Before anything starts: what is wrong already will not get right.
  const wanted = { ...placeholders(env, options.withProfileService), ...withoutEmpty(env) };
  const early = parseConfig(wanted);
  parseMigrationUrl(wanted);
  for (const warning of configWarnings(early)) log(`Warning: ${warning}`);
  const { http } = early;
  await expectFree(choosesPort ? 0 : http.port, http.host);

  const { withProfileService } = options;
  const stack = await startStack({ home, env, log, faults: rules, withProfileService });
  let server: { stop(): Promise<void> } | undefined;
  options.onStarted({
    stop: async () => {
      await server?.stop();
      await stack.stop();
    },
    stopParts: () => stack.stop(),
    kill: () => stack.kill(),
  });
  const bringUp = async (): Promise<string> => {
    replaceEnvironment(env, stack.env);
    env['PASSWORD_SEALING_KEYS'] ||= await sealingKeyOf(home);
    const migrationUrl = parseMigrationUrl(env);
    await consent(stack, migrationUrl, options.yes);
    log('Migrating the database');
    await registrar.migrate(migrationUrl);
    // The server first: it installs Temporal's runtime, which the set-up would make otherwise.
    const serve = async (): Promise<Config> => {
      const config = withApiUrl(parseConfig(env));
      server = await registrar.serve(config, options.onFailed);
      return config;
    };
    const config = choosesPort ? await onChosenPort(env, serve) : await serve();
    log('Setting up roles, search attributes, schedules and the first administrator');
    await registrar.setUp(config, FIRST_ADMINISTRATOR, log);
    return summaryOf(config, stack, home, await bearerOf(stack, config));
  };
  try {
    const failed = stack.failed.then((error) => Promise.reject(error));
    const summary = await Promise.race([bringUp(), failed]);
    failed.catch(options.onFailed);
    return summary;
  } catch (error) {
    const cause = (await isFull(home))
      ? noRoom(home)
      : databaseError(join(home, 'postgres'), error);
    // What went wrong first is what a person has to know.
    await server?.stop().catch(() => undefined);
    await stack.stop().catch(() => undefined);
    throw cause;
  }
}

/** Links in the Temporal UI lead to the API of this process, whose port is known only now. */
function withApiUrl(config: Config): Config {
  const apiUrl = config.http.apiUrl ?? apiUrlOf(config.http);
  return { ...config, http: { ...config.http, apiUrl } };
}

async function onChosenPort<T>(env: NodeJS.ProcessEnv, serve: () => Promise<T>): Promise<T> {
  const portOf = (): Promise<number> => freePortFrom(FIRST_PORT, env['HOST'] || undefined);
  return await onFreePort(portOf, ['api', FIRST_PORT], (port) => {
    env['PORT'] = String(port);
    return serve();
  });
}

function withoutEmpty(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** Stands for the parts that are not started yet, where the environment names none. */
function placeholders(env: NodeJS.ProcessEnv, withProfileService: boolean): Record<string, string> {
  return {
    DATABASE_URL: 'postgres://127.0.0.1/embedded',
    ...(env['TEMPORAL_PROFILE'] ? {} : { TEMPORAL_ADDRESS: '127.0.0.1:7233' }),
    PASSWORD_SEALING_KEYS: `embedded:${Buffer.alloc(32).toString('base64')}`,
    ...(withProfileService && { PROFILE_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}` }),
    ...(env['COGNITO_USER_POOL_ID']
      ? {}
      : {
          AWS_REGION: 'local',
          COGNITO_ENDPOINT: 'http://127.0.0.1',
          COGNITO_USER_POOL_ID: 'local_embedded',
          COGNITO_CLIENT_ID: 'embedded',
        }),
  };
}

/** The SDKs read the process's environment: what the stack left out must not be there. */
function replaceEnvironment(env: NodeJS.ProcessEnv, wanted: Record<string, string>): void {
  for (const name of Object.keys(env)) if (!(name in wanted)) delete env[name];
  Object.assign(env, wanted);
}

async function sealingKeyOf(home: string): Promise<string> {
  const file = join(home, SEALING_KEY_FILE);
  const known = (await readIfThere(file))?.trim();
  if (known !== undefined) {
    // A new key in its place would open nothing that was sealed with the old one.
    if (!SEALING_KEYS.test(known)) throw damaged(file, 'it does not contain a valid key');
    return known;
  }
  const key = `local:${randomBytes(32).toString('base64')}`;
  await writeFileSafely(file, `${key}\n`);
  return key;
}

/** A database that we did not make is changed only by consent. */
async function consent(stack: Stack, migrationUrl: string, yes: boolean): Promise<void> {
  const part = stack.parts.find(({ name }) => name === 'postgres');
  if (part?.kind !== 'yours' || yes || (await isCurrent(migrationUrl))) return;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new Error(
      `DATABASE_URL names a database of yours (${part.url}): pass --yes to migrate it`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question(`Migrate the database ${part.url}? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim()))
      throw new Error('the database was not migrated, so nothing was started');
  } finally {
    terminal.close();
  }
}

/** True when a migration would change nothing. */
async function isCurrent(databaseUrl: string): Promise<boolean> {
  const pool = openDatabase(databaseUrl, 1);
  try {
    return (await migrationState(pool.db)) === 'current';
  } finally {
    await pool.close(1);
  }
}

async function bearerOf(stack: Stack, { cognito }: Config): Promise<string | undefined> {
  const part = stack.parts.find(({ name }) => name === 'cognito');
  if (part?.kind !== 'embedded') return undefined;
  const sandbox = {
    endpoint: cognito.endpoint ?? part.url,
    userPoolId: cognito.userPoolId,
    clientId: cognito.clientId ?? '',
  };
  return tokenOf(sandbox, FIRST_ADMINISTRATOR, 'admin');
}
