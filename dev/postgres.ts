import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { startChild, tailOf } from './child.ts';
import { readIfThere, writeFileSafely } from './files.ts';
import { endOrphan } from './orphan.ts';
import { findBinaries, findOwner, findPlace, type Owner } from './postgres-place.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Absolute folder of the embedded state. */
  readonly home: string;
  readonly port: number;
  /** Trades durability for speed: for state that is thrown away. */
  readonly ephemeral: boolean;
}

export interface RunningPart {
  readonly url: string;
  stop(): Promise<void>;
  kill(): void;
}

const USER = 'registrar';
const DATABASE = 'registrar';

/** Starts PostgreSQL on 127.0.0.1, making its data folder at the first start. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPart> {
  const { home, port, ephemeral } = options;
  const owner = await findOwner();
  const place = await findPlace(home);
  const binaries = await findBinaries(place);
  const data = join(place, 'data');
  const password = await passwordOf(home);
  await endPostmasterOf(data);
  if (!(await stat(join(data, 'initialised')).catch(() => undefined))) {
    await initialise(binaries, data, owner, password);
  }

  const logFile = join(home, 'postgres.log');
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: ephemeral ? '400' : '100',
    ...(ephemeral
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : { log_min_messages: 'warning' }),
  };
  const child = startChild({
    name: 'PostgreSQL',
    command: join(binaries, 'bin', 'postgres'),
    args: [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    ...owner,
    cwd: place,
    logFile,
    stopSignal: 'INT',
  });
  const admin = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  try {
    await waitForPostgres(admin, () => child.ended());
    await createDatabase(admin, DATABASE);
  } catch (error) {
    await child.stop();
    throw new Error(`PostgreSQL did not start: ${await tailOf(logFile)} (${logFile})`, {
      cause: error,
    });
  }
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
    stop: () => child.stop(),
    kill: () => child.kill(),
  };
}

async function passwordOf(home: string): Promise<string> {
  const file = join(home, 'postgres-password');
  const known = (await readIfThere(file))?.trim();
  if (known) return known;
  const password = randomBytes(18).toString('base64url');
  await writeFileSafely(file, `${password}\n`);
  return password;
}

async function initialise(
  binaries: string,
  data: string,
  owner: Owner,
  password: string,
): Promise<void> {
  // Without the mark at its end an earlier attempt was killed half-way: begin anew.
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { recursive: true, mode: 0o700 });
  const secret = `${data}-password`;
  await writeFile(secret, `${password}\n`, { mode: 0o600 });
  if (owner.uid !== undefined && owner.gid !== undefined) {
    await chown(data, owner.uid, owner.gid);
    await chown(secret, owner.uid, owner.gid);
  }
  try {
    await run(
      join(binaries, 'bin', 'initdb'),
      [
        `--pgdata=${data}`,
        `--username=${USER}`,
        `--pwfile=${secret}`,
        '--no-sync',
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--no-instructions',
        '--locale-provider=builtin',
        '--locale=C.UTF-8',
        '--lc-messages=C',
        '--lc-collate=C',
        '--lc-ctype=C',
        '--lc-monetary=C',
        '--lc-numeric=C',
        '--lc-time=C',
      ],
      { cwd: join(data, '..'), ...owner },
    );
  } finally {
    await unlink(secret).catch(() => undefined);
  }
  await chmod(data, 0o700);
  await writeFile(join(data, 'initialised'), '');
}

/** A killed run's server may still be ending, or live on: two on one folder is data loss. */
async function endPostmasterOf(data: string): Promise<void> {
  const lines = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(lines.split('\n', 1)[0]);
  if (Number.isInteger(pid) && pid > 1) await endOrphan(pid, data);
}

async function waitForPostgres(url: string, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (ended() || Date.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

async function createDatabase(adminUrl: string, name: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${name}`;
    if (found.length === 0) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
