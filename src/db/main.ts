import { ConfigError, parseMigrationUrl } from '../config.ts';
import { migrate } from './migrate.ts';

try {
  await migrate(parseMigrationUrl(process.env));
  process.stdout.write('The database is migrated.\n');
} catch (error) {
  const reason = error instanceof Error ? error.message : 'unknown';
  const lines = error instanceof ConfigError ? error.lines : [`Migration failed: ${reason}`];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
