import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.ts';
import { readIfThere, writeFileSafely } from './files.ts';
import { PROFILE_LOG_FILE, PROFILE_SECRET_FILE } from './home.ts';
import { failureOf } from './part-failure.ts';
import type { Part, PartOptions } from './parts.ts';
import { onFreePort } from './ports.ts';
import { createDatabase, type RunningPart } from './postgres.ts';
import { damaged } from './state-error.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DATABASE = 'profiles';
const STARTED_WITHIN_MS = 60_000;

/** Why the example cannot run beside what the environment names. undefined: it can. */
export function profileServiceConflict(
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (env['PROFILE_URL']) {
    return '--with-profile-service: PROFILE_URL names a profile service already; unset it';
  }
  if (env['DATABASE_URL']) {
    return '--with-profile-service keeps its profiles in the embedded PostgreSQL: unset DATABASE_URL, or start examples/profile-service yourself';
  }
  return undefined;
}

/**
 * The example in examples/profile-service/, with a database of its own beside the ledger's. Over HTTP, or
 * over RabbitMQ where the environment says PROFILE_AMQP=true.
 */
export async function profileServicePart(options: PartOptions): Promise<Part> {
  const { env, home, log, portOf } = options;
  log('Profile service: starting');
  const databaseUrl = new URL(env['DATABASE_URL'] ?? '');
  const admin = new URL('/postgres', databaseUrl);
  await createDatabase(admin.href, DATABASE);
  databaseUrl.pathname = DATABASE;
  const secret = env['PROFILE_SECRET'] ?? (await profileSecretOf(home));
  const overAmqp = env['PROFILE_AMQP'] === 'true';
  const running = await onFreePort(portOf, ['profile-service', 3100], (port) =>
    startProfileService(home, port, {
      DATABASE_URL: databaseUrl.href,
      PROFILE_SECRET: secret,
      PROFILE_AMQP: String(overAmqp),
      EVENTS_AMQP_URL: env['EVENTS_AMQP_URL'],
    }),
  );
  return {
    name: 'profile-service',
    kind: 'embedded',
    url: running.url,
    running,
    env: {
      ...env,
      PROFILE_SECRET: secret,
      ...(overAmqp ? {} : { PROFILE_URL: running.url }),
    },
  };
}

async function startProfileService(
  home: string,
  port: number,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningPart> {
  const logFile = join(home, PROFILE_LOG_FILE);
  const child = startChild({
    name: 'profile service',
    command: process.execPath,
    args: [join(ROOT, 'run.mjs'), join(ROOT, 'examples/profile-service/main.ts')],
    env: { ...env, HOST: '127.0.0.1', PORT: String(port) },
    cwd: home,
    logFile,
    stopSignal: 'TERM',
  });
  const address = `127.0.0.1:${port}`;
  const part = { title: 'The profile service', state: join(home, 'postgres'), logFile, address };
  try {
    await waitForHealth(`http://${address}/health`, () => child.ended());
  } catch {
    await child.stop();
    throw await failureOf(part, 'did not start');
  }
  return {
    url: `http://${address}/profiles`,
    pid: child.pid,
    failed: child.endedByItself.then(() => failureOf(part, 'stopped unexpectedly')),
    stop: () => child.stop(),
    kill: () => child.kill(),
  };
}

async function waitForHealth(url: string, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + STARTED_WITHIN_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (ended()) throw new Error('it stopped');
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error('it does not answer');
    await sleep(50);
  }
}

async function profileSecretOf(home: string): Promise<string> {
  const file = join(home, PROFILE_SECRET_FILE);
  const known = (await readIfThere(file))?.trim();
  if (known !== undefined) {
    if (!/^whsec_[\w+/]{43}=$/.test(known)) throw damaged(file, 'it does not contain the secret');
    return known;
  }
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  await writeFileSafely(file, `${secret}\n`);
  return secret;
}
