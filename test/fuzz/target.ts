import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import { tokenOf } from '../../dev/person.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { registrar } from '../../dev/registrar.ts';
import { type Stack, startStack } from '../../dev/stack/stack.ts';
import { parseConfig } from '../../src/config/config.ts';

/** A whole Registrar with every door open, on free ports and with state of its own. */
export interface Target {
  /** `http://host:port` */
  readonly url: string;
  /** Of an administrator. */
  readonly token: string;
  /** Of somebody whose sessions may end. */
  readonly otherToken: string;
  /** Lines of the log that tell of a bug. */
  complaints(): Promise<string[]>;
  stop(): Promise<void>;
}

// What may choose the Temporal program: a DATABASE_URL or a pool of the developer's shell must
// never meet a fuzzer.
const KEPT = ['PATH', 'HOME', 'TEMPORAL_ADDRESS', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];
const ADMINISTRATOR = 'admin@example.com';
const PINO_ERROR = 50;

export async function startTarget(print: (line: string) => void): Promise<Target> {
  const home = await mkdtemp(join(tmpdir(), 'registrar-fuzz-'));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(home, 0o755);
  const removeHome = () => rm(home, { recursive: true, force: true, maxRetries: 10 });
  try {
    const env = Object.fromEntries(KEPT.map((name) => [name, process.env[name]]));
    const stack = await startStack({ home, env, log: print, ephemeral: true });
    try {
      const { url, token, otherToken, server } = await serveOn(stack, home, print);
      return {
        url,
        token,
        otherToken,
        complaints: () => complaintsIn(join(home, 'registrar.log')),
        stop: async () => {
          await server.stop();
          await stack.stop();
          await removeHome();
        },
      };
    } catch (error) {
      await stack.stop();
      throw error;
    }
  } catch (error) {
    await removeHome();
    throw error;
  }
}

async function serveOn(stack: Stack, home: string, print: (line: string) => void) {
  const endpoint = stack.env['COGNITO_ENDPOINT'] ?? '';
  const client = sandboxClient(endpoint);
  const pool = await makePool(client, 'fuzz').finally(() => client.destroy());
  Object.assign(process.env, stack.env);
  const config = parseConfig({
    ...stack.env,
    COGNITO_USER_POOL_ID: pool.userPoolId,
    COGNITO_CLIENT_ID: pool.clientId,
    ENVIRONMENT: 'local',
    DOORS: 'users,step,signup,session,seeding',
    // On a Temporal of the developer's, too, it takes nobody's tasks.
    TEMPORAL_TASK_QUEUE: `fuzz-${randomUUID()}`,
    // So that most of what is sent gets further than the limit.
    REGISTER_LIMIT_PER_MINUTE: '100000',
    PASSWORD_SEALING_KEYS: `fuzz:${randomBytes(32).toString('base64')}`,
    PORT: String(await anyFreePort()),
    REGISTRAR_HOME: home,
  });
  await registrar.migrate(config.database.url);
  const server = await registrar.serve(config, () => undefined);
  try {
    await registrar.setUp(config, ADMINISTRATOR, print);
    const token = await tokenOf({ endpoint, ...pool }, ADMINISTRATOR, 'admin');
    const otherToken = await tokenOf({ endpoint, ...pool }, 'leaver@example.com', 'viewer');
    const url = `http://${config.http.host}:${config.http.port}`;
    return { url, token, otherToken, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function complaintsIn(log: string): Promise<string[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.filter((line) => (JSON.parse(line) as { level: number }).level >= PINO_ERROR);
}
