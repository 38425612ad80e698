import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { comparePool } from '../activities/background/compare-pool.ts';
import { ledgerSeenUsers, seenUsersInMemory } from '../activities/background/seen-users.ts';
import { parseConfig } from '../src/config/config.ts';
import { isClean, recordComparison } from '../src/ledger/compare.ts';
import { wireCommand } from '../src/wiring.ts';
import { openLog } from '../src/telemetry/log.ts';
import { runMain } from '../src/run-main.ts';

/** Exit codes: 0 if ledger and pool agree, 1 if the comparison failed, otherwise this. */
const DIFFERENT = 2;

await runMain(async () => {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'compare', pino.destination(2));
  const parts = wireCommand(config, { connections: 2 });
  try {
    const deps = {
      db: parts.db,
      provider: parts.provider,
      log,
      propagationGraceSeconds: config.retry.propagationGraceSeconds,
      seenUsers: values['dry-run'] ? seenUsersInMemory() : ledgerSeenUsers(parts.db),
    };
    let at = await comparePool(deps, null);
    while (at.stage !== 'done') at = await comparePool(deps, at);
    if (!values['dry-run']) await recordComparison(parts.db, at);
    process.stdout.write(`${JSON.stringify(at.report)}\n`);
    if (!isClean(at.report)) process.exitCode = DIFFERENT;
  } finally {
    await parts.close();
  }
});
