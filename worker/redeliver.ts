import { parseArgs } from 'node:util';
import { ConfigError, parseConfig } from '../src/config.ts';
import { openDatabase, type Database } from '../src/db/client.ts';
import {
  adoptEvents,
  countEvents,
  outboxFrom,
  reviveEvents,
  type EventDestination,
  type OutboxPlace,
} from '../src/ledger/event-deliveries.ts';

const AT_ONCE = 1000;
const USAGE =
  'usage: npm run redeliver -- [--destination amqp|webhook] [--since 2026-01-31] [--dry-run]';

async function redeliver(
  db: Database,
  destination: EventDestination,
  since: Date | null,
): Promise<void> {
  while ((await reviveEvents(db, destination, { since, limit: AT_ONCE })) === AT_ONCE);
  let from: OutboxPlace | null = since && outboxFrom(since);
  while (from) ({ next: from } = await adoptEvents(db, [destination], from, AT_ONCE));
}

try {
  const { values } = parseArgs({
    options: {
      destination: { type: 'string' },
      since: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const config = parseConfig(process.env, 'worker');
  const configured = (['amqp', 'webhook'] as const).filter((name) => config.events[name] !== null);
  const wanted = configured.filter((name) => (values.destination ?? name) === name);
  const since = values.since === undefined ? null : new Date(values.since);
  if (wanted.length === 0) throw new Error(`No such destination is configured. ${USAGE}`);
  if (since && Number.isNaN(since.getTime())) throw new Error(`--since is no time. ${USAGE}`);
  const pool = openDatabase(config.database.url, 2);
  try {
    for (const destination of wanted) {
      const found = await countEvents(pool.db, destination, since);
      if (!values['dry-run']) await redeliver(pool.db, destination, since);
      process.stdout.write(`${JSON.stringify({ destination, ...found })}\n`);
    }
  } finally {
    await pool.close();
  }
} catch (error) {
  const reason = error instanceof Error ? error.message : 'The redelivery failed.';
  const lines = error instanceof ConfigError ? error.lines : [reason];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
