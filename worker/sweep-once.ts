import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { pino } from 'pino';
import { cognitoClient, createCognito } from '../activities/cognito.ts';
import { createQuotas } from '../activities/quota.ts';
import { sweep } from '../activities/sweep.ts';
import { parseConfig } from '../src/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { openLog } from '../src/log.ts';
import { NO_TELEMETRY } from '../src/domain/telemetry.ts';
import { createRuns } from '../src/temporal/runs.ts';
import { failCommand } from './fail-command.ts';
import { connectTemporal } from './temporal-connection.ts';

try {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'sweep', pino.destination(2));
  const connection = await connectTemporal(config.temporal);
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const { taskQueue } = config.temporal;
  const pool = openDatabase(config.database.url, 10);
  const cognito = cognitoClient(config.cognito);
  try {
    const report = await sweep({
      db: pool.db,
      provider: createCognito(cognito, config.cognito.userPoolId),
      quotas: createQuotas(pool.db, config.cognito),
      runs: createRuns({ client: () => client, taskQueue, eager: false, log }),
      log,
      telemetry: NO_TELEMETRY,
      changed: () => undefined,
      dryRun: values['dry-run'],
      propagationGraceSeconds: config.retry.propagationGraceSeconds,
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    cognito.destroy();
    await pool.close();
    await connection.close();
  }
} catch (error) {
  failCommand(error, process.env);
}
