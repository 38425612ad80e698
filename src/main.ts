import { checkPool } from './cognito/pool.ts';
import { parseConfig } from './config/config.ts';
import { openLog } from './telemetry/log.ts';
import { startApi } from './api.ts';
import { drainOnSignal, runMain } from './run-main.ts';

await runMain(async () => {
  const config = parseConfig(process.env);
  const log = openLog(config.logLevel, 'api');
  await checkPool(config.cognito, log);
  const api = await startApi(config, log);
  drainOnSignal('API', log, () => api.close());
});
