import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Connection } from '@temporalio/client';
import { anyFreePort } from '../../dev/stack/ports.ts';
import type { Progress } from '../../dev/stack/progress.ts';
import { startTemporal as startDevServer } from '../../dev/stack/temporal.ts';
import { findTemporal, sourcesOf } from '../../dev/stack/temporal-search.ts';
import { Host } from '../compose/host.ts';
import { findPrograms, startDatabase, startTemporal } from '../compose/parts.ts';
import { REPOSITORY } from '../support/program.ts';
import { readComposeText, servicesIn } from '../unit/deploy/compose-file.ts';

export const ENGINES = ['server', 'dev-server'] as const;
export type EngineName = (typeof ENGINES)[number];

/** A running Temporal. */
export interface Engine {
  readonly title: string;
  /** host:port */
  readonly address: string;
  /** Roots of its process trees. */
  readonly processes: { readonly temporal: number; readonly temporalPostgres?: number };
  /** Of its PostgreSQL; null where it keeps its state in SQLite. */
  readonly databaseUrl: string | null;
  stop(): Promise<void>;
}

export async function startEngine(name: EngineName, home: string, log: Progress): Promise<Engine> {
  await mkdir(home, { recursive: true });
  return await (name === 'server' ? server(home, log) : devServer(home, log));
}

/** The server of docker-compose.yml with a PostgreSQL of its own, which waits for the disk. */
async function server(home: string, log: Progress): Promise<Engine> {
  const clone = REPOSITORY;
  const services = servicesIn(await readComposeText(clone));
  const path = [join(home, 'programs'), process.env['PATH'] ?? ''].join(delimiter);
  const host = new Host({ services, logs: home, path, clone });
  const version = host.service('temporal').image.split(':')[1] ?? '';
  const programs = await findPrograms(version, join(home, 'programs'), log);
  log(`Starting Temporal ${version} over PostgreSQL`);
  const database = await startDatabase({
    home: join(home, 'database'),
    host,
    clone,
    services: ['temporal-postgres'],
    ephemeral: false,
  });
  try {
    const port = new URL(database.url).port;
    const { address, pid } = await startTemporal(host, programs, port, clone);
    return {
      title: `Temporal ${version} over PostgreSQL`,
      address,
      processes: { temporal: pid, temporalPostgres: database.pid ?? 0 },
      databaseUrl: database.url,
      async stop() {
        await host.stop();
        await database.stop();
      },
    };
  } catch (error) {
    await host.stop();
    await database.stop();
    throw error;
  }
}

/** The dev server with its state in a file, as `npm start` runs it. */
async function devServer(home: string, log: Progress): Promise<Engine> {
  const program = await findTemporal(sourcesOf(process.env, log), log);
  log('Starting the dev server of Temporal');
  const port = await anyFreePort();
  const running = await startDevServer({ program, home, port, ephemeral: false });
  const connection = await Connection.connect({ address: running.url });
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  await connection.close();
  return {
    title: `Temporal dev server ${serverVersion} (SQLite)`,
    address: running.url,
    processes: { temporal: running.pid ?? 0 },
    databaseUrl: null,
    stop: () => running.stop(),
  };
}
