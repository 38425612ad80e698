import { checkPool } from '../setup/pool.ts';
import { ConfigError, parseConfig } from './config.ts';
import { openLog } from './log.ts';
import { startServer } from './server.ts';

try {
  const config = parseConfig(process.env);
  const log = openLog(config.logLevel, 'api');
  await checkPool(config.cognito, log);
  const server = await startServer(config, log);
  let draining = false;
  const stop = (signal: string): void => {
    if (draining) return;
    draining = true;
    log.info({ signal }, 'API drains');
    server.close().then(
      () => log.info({}, 'API stopped'),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  const lines =
    error instanceof ConfigError
      ? error.lines
      : [error instanceof Error ? error.message : 'The API could not start.'];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
