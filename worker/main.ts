import type { Server } from 'node:http';
import { ConfigError, parseConfig } from '../src/config.ts';
import { databaseState } from '../src/db/database-state.ts';
import { openLog } from '../src/log.ts';
import { composeParts } from './compose.ts';
import { listen } from './listener.ts';

try {
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'worker');
  const parts = composeParts(config, { hostsWorker: true, changed: () => undefined, log });
  let server: Server | undefined;
  if (config.worker.port !== null) {
    const at = { host: config.http.host, port: config.worker.port };
    const database = () => databaseState(parts.pool.db, log);
    try {
      const listening = await listen(at, { ...parts, database });
      server = listening.server;
      log.info({ url: listening.url }, 'worker listens');
    } catch (error) {
      await parts.close();
      throw error;
    }
  }
  log.info({ taskQueue: config.temporal.taskQueue }, 'worker started');
  // It answers while activities end, and keeps no process alive after them.
  const end = async (): Promise<void> => {
    await parts.close();
    server?.close();
    server?.closeAllConnections();
  };
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'worker drains');
    end().then(
      () => log.info({}, 'worker stopped'),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  const lines =
    error instanceof ConfigError
      ? error.lines
      : [error instanceof Error ? error.message : 'The worker could not start.'];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
