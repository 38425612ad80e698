import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { parseDatabaseUrl, parseTemporalSettings, type Config } from '../src/config/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { migrationState } from '../src/db/migrate.ts';
import { atEdge } from '../src/ledger/database-error.ts';
import { readOverview, type LedgerOverview } from '../src/ledger/overview.ts';
import { readSchedules } from '../src/temporal/schedules.ts';
import { isPolled } from '../src/temporal/task-queue.ts';
import { statusReport, type TemporalOverview } from './status-lines.ts';
import {
  connectTemporal,
  temporalReason,
  TemporalUnreachable,
} from '../src/temporal/connection.ts';
import { runMain } from '../src/run-main.ts';

/** Exit codes: 0 if nothing needs a person, 1 if the status cannot be read, otherwise this. */
const NEEDS_A_PERSON = 2;

async function ledgerOverview(databaseUrl: string): Promise<LedgerOverview> {
  const pool = openDatabase(databaseUrl, 2);
  try {
    const state = await atEdge(() => migrationState(pool.db));
    if (state !== 'current') throw new Error(`The database is ${state}: run \`npm run migrate\`.`);
    return await readOverview(pool.db);
  } finally {
    await pool.close(1);
  }
}

async function temporalOverview(settings: Config['temporal']): Promise<TemporalOverview> {
  const { address, namespace, taskQueue } = settings;
  try {
    const connection = await connectTemporal(settings);
    try {
      const client = new Client({ connection, namespace });
      const [schedules, polled] = await Promise.all([
        readSchedules(client, taskQueue),
        isPolled(connection, { namespace, taskQueue }),
      ]);
      return { away: null, address, taskQueue, isPolled: polled, schedules };
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof TemporalUnreachable) return { away: error.message };
    const reason = temporalReason(error);
    if (reason === undefined) throw error;
    return { away: `Temporal at ${address} answered: ${reason}` };
  }
}

await runMain(async () => {
  parseArgs({ options: {} });
  const databaseUrl = parseDatabaseUrl(process.env);
  const temporal = parseTemporalSettings(process.env);
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
  });
  const ledger = await ledgerOverview(databaseUrl);
  const { attention, lines } = statusReport(ledger, await temporalOverview(temporal));
  process.stdout.write(`${lines.join('\n')}\n`);
  // Exit at once: a connection to a Temporal that never answers keeps retrying.
  process.exit(attention.length > 0 ? NEEDS_A_PERSON : 0);
});
