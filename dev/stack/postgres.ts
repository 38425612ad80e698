import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { startChild } from './child.ts';
import { endOrphan } from './orphan.ts';
import { failureOf } from './part-failure.ts';
import { damaged, databaseError, StateError } from './state-error.ts';
import { makeData, PASSWORD_FILE, passwordOf } from './postgres-data.ts';
import { findBinaries, findOwner, findPlace } from './postgres-place.ts';

export interface PostgresOptions {
  /** Absolute folder of the embedded state. */
  readonly home: string;
  readonly port: number;
  /** Trades durability for speed: for state that is thrown away. */
  readonly ephemeral: boolean;
  /** 400 where it is ephemeral and 100 otherwise, unless given. */
  readonly maxConnections?: number;
}

export interface RunningPart {
  readonly url: string;
  /** The root of its processes. Absent where it lives in this process. */
  readonly pid?: number;
  /** Why it ended by itself, if it does: one line. Absent where it lives in this process. */
  readonly failed?: Promise<Error>;
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
  await makeData({ binaries, data, owner, user: USER, password });

  const logFile = join(home, 'postgres.log');
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: String(options.maxConnections ?? (ephemeral ? 400 : 100)),
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
  const part = { title: 'PostgreSQL', state: data, logFile, address: `127.0.0.1:${port}` };
  const admin = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  try {
    await waitForPostgres(admin, data, () => child.ended());
    await createDatabase(admin, DATABASE);
  } catch (error) {
    await child.stop();
    if (isRefused(error)) throw damaged(join(home, PASSWORD_FILE), 'PostgreSQL refuses it');
    const known = databaseError(data, error);
    throw known instanceof StateError ? known : await failureOf(part, 'did not start');
  }
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
    pid: child.pid,
    failed: child.endedByItself.then(() => failureOf(part, 'stopped unexpectedly')),
    stop: () => child.stop(),
    kill: () => child.kill(),
  };
}

/** A killed run's server may still be ending, or live on: two on one folder is data loss. */
async function endPostmasterOf(data: string): Promise<void> {
  const lines = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(lines.split('\n', 1)[0]);
  if (Number.isInteger(pid) && pid > 1) await endOrphan(pid, data);
}

async function waitForPostgres(url: string, data: string, ended: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  // Its own word first: another server that was quicker to take the port would answer in its place.
  while (!(await saysReady(data))) {
    if (ended() || Date.now() > deadline) throw new Error('not ready');
    await sleep(20);
  }
  for (;;) {
    const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (ended() || isRefused(error) || Date.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

/** As pg_ctl asks: the eighth line of the file that a running server keeps in its folder. */
async function saysReady(data: string): Promise<boolean> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  return text.split('\n')[7]?.trim() === 'ready';
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '28P01';
}

/** Creates the database where it is not there. */
export async function createDatabase(adminUrl: string, name: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${name}`;
    if (found.length === 0) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
