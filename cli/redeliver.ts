import { parseArgs } from 'node:util';
import { eventDestinationsOf, parseConfig } from '../src/config/config.ts';
import { openDatabase } from '../src/db/client.ts';
import {
  countEvents,
  redeliver,
  redeliverTargets,
  type RedeliverRefusal,
} from '../src/ledger/outbox/redeliver.ts';
import { OUTBOX_DESTINATIONS } from '../src/domain/outbox.ts';
import { runMain } from '../src/run-main.ts';

const USAGE = `usage: npm run redeliver -- [--now] [--destination ${OUTBOX_DESTINATIONS.join('|')}] [--since 2026-01-31] [--dry-run]`;
const REFUSALS: Readonly<Record<RedeliverRefusal, string>> = {
  not_an_event:
    'To send an invitation that was given up again, use POST /registrations/{id}/invitation.',
  not_configured: 'The destination is not configured.',
};

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      now: { type: 'boolean', default: false },
      destination: { type: 'string' },
      since: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const config = parseConfig(process.env, 'worker');
  const destination = OUTBOX_DESTINATIONS.find((name) => name === values.destination) ?? null;
  if (values.destination !== undefined && destination === null) {
    throw new Error(`There is no such destination. ${USAGE}`);
  }
  const since = values.since === undefined ? null : new Date(values.since);
  if (since && Number.isNaN(since.getTime()))
    throw new Error(`--since is not a valid date. ${USAGE}`);
  const waiting = values.now;
  const targets = redeliverTargets(eventDestinationsOf(config), { destination, waiting });
  if (!Array.isArray(targets)) throw new Error(`${REFUSALS[targets]} ${USAGE}`);
  if (targets.length === 0) throw new Error(`${REFUSALS.not_configured} ${USAGE}`);
  const pool = openDatabase(config.database.url, 2);
  try {
    for (const name of targets) {
      const found = await countEvents(pool.db, name, since);
      if (!values['dry-run']) await redeliver(pool.db, [name], { waiting, since });
      process.stdout.write(`${JSON.stringify({ destination: name, ...found })}\n`);
    }
  } finally {
    await pool.close();
  }
});
