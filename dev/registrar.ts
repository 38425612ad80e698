import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { runSetup } from '../setup/setup.ts';
import { checkPool } from '../setup/pool.ts';
import { migrate } from '../src/db/migrate.ts';
import { startServer } from '../src/server.ts';
import type { Registrar } from './local.ts';

/** Registrar's own processes, as `npm start` runs them; its log goes into the home. */
export const registrar: Registrar = {
  migrate,
  setUp: async (config, admin, log) => {
    await runSetup(config, { check: false, skipCognito: false, admin, print: log });
  },
  serve: async (config) => {
    const log = pino(
      { level: config.logLevel },
      pino.destination({ dest: join(resolve(config.home), 'registrar.log'), sync: false }),
    );
    await checkPool(config.cognito, log);
    const server = await startServer(config, log);
    return { stop: () => server.close() };
  },
};
