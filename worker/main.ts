import { parseConfig } from '../src/config/config.ts';
import { configWarnings } from '../src/config/warnings.ts';
import { databaseState } from '../src/db/database-state.ts';
import { openLog } from '../src/telemetry/log.ts';
import { startTracing } from '../src/telemetry/tracing.ts';
import { wireProcess } from '../src/wiring.ts';
import { listen, workerAnswers } from '../src/http/probe-server.ts';
import { drainOnSignal, runMain } from '../src/run-main.ts';

await runMain(async () => {
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'worker');
  for (const warning of configWarnings(config)) log.warn({}, warning);
  const { host } = config.http;
  const { port } = config.worker;
  const listener = port === null ? null : await listen('WORKER_PORT', { host, port });
  const parts = wireProcess(config, {
    hostsWorker: true,
    changed: () => undefined,
    tracing: config.isTraced ? await startTracing() : null,
    log,
  });
  const { metrics, temporal, pool } = parts;
  const database = () => databaseState(pool.db, log);
  listener?.answerBy(workerAnswers({ metrics, temporal, database }));
  if (listener) log.info({ url: listener.url }, 'worker is listening');
  log.info({ taskQueue: config.temporal.taskQueue }, 'worker started');
  drainOnSignal('worker', log, async () => {
    await parts.close();
    // Last: it answers while activities end.
    listener?.close();
  });
});
