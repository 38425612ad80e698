import { migrate } from './migrate.ts';
import { ConfigError, parseConfig } from '../config.ts';

try {
  const config = parseConfig(process.env);
  await migrate(config.database.url);
  process.stdout.write('The database is migrated.\n');
} catch (error) {
  const lines = error instanceof ConfigError ? error.lines : [`Migration failed: ${String(error)}`];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
