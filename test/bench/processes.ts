import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createSigner, mintToken } from '../../dev/cognito/tokens.ts';
import { type Child, startChild, tailOf } from '../../dev/stack/child.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { healthy } from '../compose/parts.ts';
import { cleanEnvironment, REPOSITORY } from '../support/program.ts';

/** A day: no run of the benchmark outlives its token. */
const TOKEN_SECONDS = 86_400;
const CLIENT_ID = 'bench';
const POOL_ID = 'local_bench';

export interface CognitoStub {
  readonly url: string;
  /** Of a caller who may assign every role. */
  readonly bearer: string;
  stop(): Promise<void>;
}

function startEntry(home: string, entry: string, args: readonly string[], env = {}): Child {
  return startChild({
    name: [entry, ...args].join(' '),
    command: process.execPath,
    args: [`${REPOSITORY}run.mjs`, `${REPOSITORY}${entry}`, ...args],
    // Away from the clone's `.env`.
    cwd: home,
    env: cleanEnvironment(env),
    logFile: join(home, 'log'),
    stopSignal: 'TERM',
  });
}

export async function startCognitoStub(home: string): Promise<CognitoStub> {
  await mkdir(home, { recursive: true });
  const port = await anyFreePort();
  const url = `http://127.0.0.1:${port}`;
  const signer = await createSigner(home);
  const child = startEntry(home, 'test/bench/cognito-stub.ts', [String(port), home]);
  await healthyOr(child, `${url}/`, home);
  const bearer = mintToken(signer, `${url}/${POOL_ID}`, {
    client_id: CLIENT_ID,
    'cognito:groups': ['admin'],
    exp: Math.floor(Date.now() / 1000) + TOKEN_SECONDS,
  });
  return { url, bearer, stop: () => child.stop() };
}

export interface ApiOptions {
  readonly home: string;
  /** Of src/main.ts, or of a contender. */
  readonly entry: readonly [string, ...string[]];
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly taskQueue: string;
  readonly cognito: CognitoStub;
}

export interface RunningApi {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Search attribute and schedules, as `npm run setup` makes them. */
export async function setUp(options: ApiOptions): Promise<void> {
  const { home } = options;
  await mkdir(home, { recursive: true });
  const args = ['--skip-cognito'];
  const child = startEntry(home, 'cli/setup/main.ts', args, apiEnvironment(options, 0));
  const code = await child.exit();
  if (code !== 0) throw new Error(`setup: ${await tailOf(join(home, 'log'), 5)}`);
}

function apiEnvironment(options: Omit<ApiOptions, 'entry'>, port: number) {
  return {
    ENVIRONMENT: 'local',
    REGISTRAR_HOME: options.home,
    PORT: String(port),
    DATABASE_URL: options.databaseUrl,
    TEMPORAL_ADDRESS: options.temporalAddress,
    TEMPORAL_TASK_QUEUE: options.taskQueue,
    AWS_REGION: 'local',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    COGNITO_ENDPOINT: options.cognito.url,
    COGNITO_USER_POOL_ID: POOL_ID,
    COGNITO_CLIENT_ID: CLIENT_ID,
    // Otherwise the quota is what would be measured.
    COGNITO_CREATE_RPS: '0',
    COGNITO_UPDATE_RPS: '0',
  };
}

/** Starts an API process with its worker and waits until it is ready. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { home, entry } = options;
  await mkdir(home, { recursive: true });
  const port = await anyFreePort();
  const env = apiEnvironment(options, port);
  const [file, ...args] = entry;
  const child = startEntry(home, file, args, env);
  const url = `http://127.0.0.1:${port}`;
  await healthyOr(child, `${url}/health/ready`, home);
  return { url, pid: child.pid, stop: () => child.stop() };
}

async function healthyOr(child: Child, url: string, home: string): Promise<void> {
  try {
    const ended = child.exit().then((code) => Promise.reject(new Error(`ended with ${code}`)));
    await Promise.race([healthy(url), ended]);
  } catch (error) {
    await child.stop();
    throw new Error(`${child.name}: ${await tailOf(join(home, 'log'), 5)}`, { cause: error });
  }
}
