import { pino } from 'pino';
import { ConfigError, parseConfig } from '../src/config.ts';
import { composeParts } from './compose.ts';

try {
  const config = parseConfig(process.env, 'worker');
  const log = pino({ level: config.logLevel, base: { process: 'worker' } });
  const parts = composeParts(config, { hostsWorker: true, changed: () => undefined, log });
  log.info({ taskQueue: config.temporal.taskQueue }, 'worker started');
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'worker drains');
    parts.close().then(
      () => log.info({}, 'worker stopped'),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.lines.join('\n')}\n`);
  process.exitCode = 1;
}
