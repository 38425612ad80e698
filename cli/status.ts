import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import {
  parseDatabaseUrl,
  parseQuotaSettings,
  parseTemporalSettings,
  type Config,
} from '../src/config/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { migrationState } from '../src/db/migrate.ts';
import { attentionOf, type TemporalOverview } from '../src/domain/overview.ts';
import { atEdge } from '../src/ledger/database-error.ts';
import { readOverview } from '../src/ledger/overview.ts';
import { connectTemporal, TemporalUnreachable } from '../src/temporal/connection.ts';
import { readTemporalOverview, temporalAway } from '../src/temporal/overview.ts';
import { statusLines } from './status-lines.ts';
import { runMain } from '../src/run-main.ts';

/** Exit codes: 0 if nothing needs a person, 1 if the status cannot be read, otherwise this. */
const NEEDS_A_PERSON = 2;
/** A person waits, and may be far away from Temporal. */
const TEMPORAL_ANSWERS_WITHIN_MS = 10_000;

async function temporalOverview(settings: Config['temporal']): Promise<TemporalOverview> {
  const { namespace, taskQueue } = settings;
  try {
    const connection = await connectTemporal(settings);
    try {
      return await readTemporalOverview(new Client({ connection, namespace }), {
        namespace,
        taskQueue,
        withinMs: TEMPORAL_ANSWERS_WITHIN_MS,
      });
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof TemporalUnreachable)
      return temporalAway(`does not answer: ${error.reason}`, taskQueue);
    throw error;
  }
}

await runMain(async () => {
  parseArgs({ options: {} });
  const databaseUrl = parseDatabaseUrl(process.env);
  const temporal = parseTemporalSettings(process.env);
  const quotas = parseQuotaSettings(process.env);
  // At once with the ledger: both take their time.
  const asked = temporalOverview(temporal);
  const pool = openDatabase(databaseUrl, 4);
  const state = await atEdge(() => migrationState(pool.db));
  if (state !== 'current') throw new Error(`The database is ${state}: run \`npm run migrate\`.`);
  const overview = await readOverview({
    db: pool.db,
    quotas,
    temporal: () => asked,
  });
  process.stdout.write(`${statusLines(overview, temporal).join('\n')}\n`);
  // At once: connections that are still being made would keep the process for seconds.
  process.exit(attentionOf(overview).length > 0 ? NEEDS_A_PERSON : 0);
});
