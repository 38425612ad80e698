import { ConfigError, parseConfig } from '../src/config.ts';
import { databaseState } from '../src/db/database-state.ts';
import { openLog } from '../src/log.ts';
import { composeParts } from './compose.ts';
import { listen, workerAnswers } from './listener.ts';

try {
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'worker');
  const { host } = config.http;
  const { port } = config.worker;
  const listener = port === null ? null : await listen('WORKER_PORT', { host, port });
  const parts = composeParts(config, { hostsWorker: true, changed: () => undefined, log });
  const { metrics, temporal, pool } = parts;
  const database = () => databaseState(pool.db, log);
  listener?.answerBy(workerAnswers({ metrics, temporal, database }));
  if (listener) log.info({ url: listener.url }, 'worker listens');
  log.info({ taskQueue: config.temporal.taskQueue }, 'worker started');
  // It answers while activities end, and keeps no process alive after them.
  const end = async (): Promise<void> => {
    await parts.close();
    listener?.close();
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
