import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { pino } from 'pino';
import { createQuotas } from '../activities/quota.ts';
import { sweep } from '../activities/background/sweep.ts';
import { parseConfig } from '../src/config/config.ts';
import { wireCommand } from '../src/wiring.ts';
import { openLog } from '../src/telemetry/log.ts';
import { NO_TELEMETRY } from '../src/domain/telemetry.ts';
import { createRuns } from '../src/temporal/runs.ts';
import { createUserRuns } from '../src/temporal/user-runs.ts';
import { connectTemporal } from '../src/temporal/connection.ts';
import { runMain } from '../src/run-main.ts';

await runMain(async () => {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'sweep', pino.destination(2));
  const connection = await connectTemporal(config.temporal);
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const { taskQueue } = config.temporal;
  const parts = wireCommand(config, { connections: 10 });
  try {
    const report = await sweep({
      db: parts.db,
      provider: parts.provider,
      quotas: createQuotas(parts.db, config.cognito, 'background'),
      runs: createRuns({ client: () => client, taskQueue, eager: false, log }),
      userRuns: createUserRuns({ client: () => client, taskQueue, log }),
      log,
      telemetry: NO_TELEMETRY,
      changed: () => undefined,
      dryRun: values['dry-run'],
      propagationGraceSeconds: config.retry.propagationGraceSeconds,
      personalDataRetentionDays: config.personalDataRetentionDays,
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await parts.close();
    await connection.close();
  }
});
