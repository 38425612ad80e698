import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { runSetup } from '../cli/setup/setup.ts';
import { migrate } from '../src/db/migrate.ts';
import { openLog } from '../src/telemetry/log.ts';
import { startApi } from '../src/api.ts';
import type { Registrar } from './local.ts';
import { stateError } from './stack/state-error.ts';

/** Registrar's own processes, as `npm start` runs them. */
export const registrar: Registrar = {
  migrate,
  async setUp(config, admin, print) {
    await runSetup(config, { check: false, skipCognito: false, admin, print });
  },
  async serve(config, failed) {
    const dest = join(resolve(config.home), 'registrar.log');
    // Of this run only: a file that grows over years helps nobody on a laptop.
    const file = pino.destination({ dest, append: false, sync: true });
    file.on('error', (error: unknown) => failed(stateError(dest, error)));
    const log = openLog(config.logLevel, null, file);
    const server = await startApi(config, log);
    return { stop: () => server.close() };
  },
};
