import { parseMigrationUrl } from '../src/config/config.ts';
import { migrate } from '../src/db/migrate.ts';
import { runMain } from '../src/run-main.ts';

await runMain(async () => {
  await migrate(parseMigrationUrl(process.env));
  process.stdout.write('The database is migrated.\n');
});
