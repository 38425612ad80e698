import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { anyFreePort, freePortFrom } from '../../dev/stack/ports.ts';
import { type RunningPart, startPostgres } from '../../dev/stack/postgres.ts';
import type { Progress } from '../../dev/stack/progress.ts';
import { findTemporal, sourcesOf } from '../../dev/stack/temporal-search.ts';
import { readInitScripts } from '../unit/deploy/compose-file.ts';
import type { Host } from './host.ts';
import { findTemporalServer, type TemporalServer } from './temporal-server.ts';

const HEALTHY_MS = 60_000;
/** Temporal keeps the ports of its members in a smallint. */
const MEMBERSHIP_PORTS = 17_000;

/** The programs of Temporal's images, by the names that the scripts call them by. */
export async function findPrograms(
  version: string,
  folder: string,
  log: Progress,
): Promise<TemporalServer> {
  const programs = await findTemporalServer(version, process.env, log);
  const cli = await findTemporal(sourcesOf(process.env, log), log);
  await mkdir(folder);
  await symlink(programs.sqlTool, join(folder, 'temporal-sql-tool'));
  await symlink(cli, join(folder, 'temporal'));
  return programs;
}

export interface DatabaseOptions {
  readonly home: string;
  readonly host: Host;
  readonly clone: string;
  /** Services of the file that this one server stands for. */
  readonly services: readonly ('postgres' | 'temporal-postgres')[];
  /** Trades durability for speed. */
  readonly ephemeral: boolean;
}

/** PostgreSQL with the users and passwords that the file gives its servers, and what its scripts
 * make in a new database. */
export async function startDatabase(options: DatabaseOptions): Promise<RunningPart> {
  const { home, host, clone, services, ephemeral } = options;
  const port = await anyFreePort();
  const running = await startPostgres({ home, port, ephemeral, maxConnections: 400 });
  const sql = postgres(running.url, { max: 1, onnotice: () => {} });
  try {
    for (const name of services) {
      const { POSTGRES_USER = '', POSTGRES_PASSWORD = '' } = host.service(name).environment;
      await sql.unsafe(`do $$ begin create role ${POSTGRES_USER} superuser login;
        exception when duplicate_object then null; end $$;
        alter role ${POSTGRES_USER} password '${POSTGRES_PASSWORD}'`);
      host.stands(`${name}:5432`, `127.0.0.1:${port}`);
    }
    if (services.includes('postgres')) {
      for (const script of await readInitScripts(clone, host.service('postgres').environment)) {
        await sql.unsafe(script);
      }
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
  return running;
}

/** Schema, server and namespace, each by what the file says. Answers where the server is. */
export async function startTemporal(
  host: Host,
  programs: TemporalServer,
  databasePort: string,
  cwd: string,
): Promise<{ readonly address: string; readonly pid: number }> {
  const database = { SQL_HOST: '127.0.0.1', SQL_PORT: databasePort };
  await host.run('temporal-schema', {
    cwd,
    env: { ...database, TEMPORAL_SCHEMA: programs.schema },
  });
  const ports: Record<string, string> = {};
  for (const service of ['FRONTEND', 'HISTORY', 'MATCHING', 'WORKER']) {
    ports[`${service}_GRPC_PORT`] = String(await anyFreePort());
    ports[`${service}_MEMBERSHIP_PORT`] = String(await freePortFrom(MEMBERSHIP_PORTS));
  }
  ports['FRONTEND_HTTP_PORT'] = String(await anyFreePort());
  const { pid } = host.start('temporal', {
    cwd,
    command: [programs.server, 'start'],
    env: { POSTGRES_SEEDS: '127.0.0.1', DB_PORT: databasePort, BIND_ON_IP: '127.0.0.1', ...ports },
  });
  const address = `127.0.0.1:${ports['FRONTEND_GRPC_PORT']}`;
  host.stands('temporal:7233', address);
  await host.run('temporal-namespace', { cwd });
  return { address, pid };
}

/** The sandbox, when it answers. Answers its address. */
export async function startSandbox(host: Host, cwd: string, home: string): Promise<string> {
  const address = `127.0.0.1:${await anyFreePort()}`;
  host.stands('cognito:9229', address);
  host.start('cognito', { cwd, env: { HOST: '127.0.0.1', REGISTRAR_HOME: home } });
  await healthy(`http://${address}/health`);
  return address;
}

export async function healthy(url: string, withinMs = HEALTHY_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error(`${url} is not healthy after ${withinMs} ms`);
    await sleep(200);
  }
}
