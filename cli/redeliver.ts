import { parseArgs } from 'node:util';
import { parseConfig } from '../src/config/config.ts';
import { openDatabase, type Database } from '../src/db/client.ts';
import {
  adoptEvents,
  countEvents,
  hastenDeliveries,
  outboxFrom,
  reviveEvents,
  type OutboxPlace,
} from '../src/ledger/outbox/event-deliveries.ts';
import type { EventDestination, OutboxDestination } from '../src/domain/outbox.ts';
import { runMain } from '../src/run-main.ts';

const AT_ONCE = 1000;
const MAILS = ['cognito-mail', 'cognito-recovery'] as const;
const USAGE =
  'usage: npm run redeliver -- [--now] [--destination amqp|webhook|cognito-mail|cognito-recovery] [--since 2026-01-31] [--dry-run]';
const NO_EVENTS =
  'To send an invitation that was given up again, use POST /registrations/{id}/invitation.';

async function hasten(
  db: Database,
  destination: OutboxDestination,
  since: Date | null,
): Promise<void> {
  while ((await hastenDeliveries(db, destination, { since, limit: AT_ONCE })) === AT_ONCE);
}

async function redeliver(
  db: Database,
  destination: EventDestination,
  since: Date | null,
): Promise<void> {
  while ((await reviveEvents(db, destination, { since, limit: AT_ONCE })) === AT_ONCE);
  let from: OutboxPlace | null = since && outboxFrom(since);
  while (from) ({ next: from } = await adoptEvents(db, [destination], from, AT_ONCE));
}

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
  const configured = (['amqp', 'webhook'] as const).filter((name) => config.events[name] !== null);
  const isWanted = (name: OutboxDestination) => (values.destination ?? name) === name;
  const events = configured.filter(isWanted);
  const isMail = (name: string | undefined) => MAILS.some((one) => one === name);
  const wanted = values.now ? [...events, ...MAILS.filter(isWanted)] : events;
  const since = values.since === undefined ? null : new Date(values.since);
  if (isMail(values.destination) && !values.now) throw new Error(`${NO_EVENTS} ${USAGE}`);
  if (wanted.length === 0) throw new Error(`The destination is not configured. ${USAGE}`);
  if (since && Number.isNaN(since.getTime()))
    throw new Error(`--since is not a valid date. ${USAGE}`);
  const pool = openDatabase(config.database.url, 2);
  try {
    for (const destination of wanted) {
      const found = await countEvents(pool.db, destination, isMail(destination) ? null : since);
      if (!values['dry-run']) {
        if (values.now) await hasten(pool.db, destination, since);
        else await redeliver(pool.db, destination as EventDestination, since);
      }
      process.stdout.write(`${JSON.stringify({ destination, ...found })}\n`);
    }
  } finally {
    await pool.close();
  }
});
