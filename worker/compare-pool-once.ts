import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { cognitoClient, createCognito } from '../activities/cognito.ts';
import { comparePool, isClean } from '../activities/compare-pool.ts';
import { ledgerSeenUsers, seenUsersInMemory } from '../activities/seen-users.ts';
import { parseConfig } from '../src/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { openLog } from '../src/log.ts';
import { failCommand } from './fail-command.ts';

/** 0: they agree; 1: the comparison failed; this: they differ. */
const DIFFERENT = 2;

try {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
  const config = parseConfig(process.env, 'worker');
  const log = openLog(config.logLevel, 'compare', pino.destination(2));
  const pool = openDatabase(config.database.url, 2);
  const cognito = cognitoClient(config.cognito);
  try {
    const deps = {
      db: pool.db,
      provider: createCognito(cognito, config.cognito.userPoolId),
      log,
      propagationGraceSeconds: config.retry.propagationGraceSeconds,
      seenUsers: values['dry-run'] ? seenUsersInMemory() : ledgerSeenUsers(pool.db),
    };
    let at = await comparePool(deps, null);
    while (at.stage !== 'done') at = await comparePool(deps, at);
    process.stdout.write(`${JSON.stringify(at.report)}\n`);
    if (!isClean(at.report)) process.exitCode = DIFFERENT;
  } finally {
    cognito.destroy();
    await pool.close();
  }
} catch (error) {
  failCommand(error, process.env);
}
