import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import type { Database } from '../../../../src/db/client.ts';
import { adoptEvents, outboxFrom } from '../../../../src/ledger/outbox/event-deliveries.ts';
import {
  DELIVERED_KEPT_DAYS,
  FIRST_DELIVERED,
  pruneDelivered,
} from '../../../../src/ledger/outbox/prune.ts';
import { test } from '../../../support/ledger-test.ts';
import type { Ledger } from '../ledger-under-test.ts';

test.afterEach(({ ledger }) => ledger.db.execute(sql`DELETE FROM outbox`));

const OLD = `now() - interval '${DELIVERED_KEPT_DAYS} days 1 minute'`;
const YOUNG = `now() - interval '${DELIVERED_KEPT_DAYS} days' + interval '1 minute'`;

/** An event of long ago, with the columns of each delivery. */
async function event(ledger: Ledger, deliveries: Record<string, string>): Promise<string> {
  const id = randomUUID();
  await ledger.db.execute(sql`INSERT INTO outbox (id, registration_id, kind, occurred_at)
    VALUES (${id}, ${randomUUID()}, 'user.created', now() - interval '100 days')`);
  for (const [destination, columns] of Object.entries(deliveries)) {
    await ledger.db.execute(sql`INSERT INTO outbox_deliveries
      (outbox_id, destination, next_attempt_at, delivered_at, given_up_at)
      SELECT ${id}, ${destination}, now(), ${sql.raw(columns)}`);
  }
  return id;
}

async function kept(ledger: Ledger): Promise<string[]> {
  const rows = await ledger.db.execute<{ id: string }>(sql`SELECT id FROM outbox`);
  return rows.map(({ id }) => id);
}

test('an event that every destination received is deleted with its deliveries after its time', async ({
  ledger,
}) => {
  await event(ledger, { amqp: `${OLD}, NULL`, webhook: `${OLD}, NULL` });
  const young = await event(ledger, { amqp: `${OLD}, NULL`, webhook: `${YOUNG}, NULL` });
  expect(await pruneDelivered(ledger.db, FIRST_DELIVERED, 100)).toEqual({ deleted: 1, next: null });
  expect(await kept(ledger)).toEqual([young]);
  const [left] = await ledger.db.execute(sql`SELECT count(*)::int AS left FROM outbox_deliveries`);
  expect(left).toEqual({ left: 2 });
});

test('what waits, was given up or has no delivery is never deleted', async ({ ledger }) => {
  const waits = await event(ledger, { amqp: `${OLD}, NULL`, webhook: 'NULL, NULL' });
  const givenUp = await event(ledger, { amqp: `${OLD}, NULL`, webhook: `NULL, ${OLD}` });
  const untold = await event(ledger, {});
  expect((await pruneDelivered(ledger.db, FIRST_DELIVERED, 100)).deleted).toBe(0);
  expect((await kept(ledger)).toSorted()).toEqual([waits, givenUp, untold].toSorted());
});

test('pages pass what has to stay and lose nothing, not even deliveries of one moment', async ({
  ledger,
}) => {
  const all: string[] = [];
  for (let n = 0; n < 7; n += 1) {
    const webhook = n % 2 === 0 ? 'NULL, NULL' : `${OLD}, NULL`;
    all.push(await event(ledger, { amqp: `${OLD}, NULL`, webhook }));
  }
  await ledger.db.execute(sql`UPDATE outbox_deliveries
    SET delivered_at = '2020-01-01T00:00:00.123Z' WHERE delivered_at IS NOT NULL`);
  let from: typeof FIRST_DELIVERED | null = FIRST_DELIVERED;
  let deleted = 0;
  while (from) {
    const page: Awaited<ReturnType<typeof pruneDelivered>> = await pruneDelivered(
      ledger.db,
      from,
      2,
    );
    deleted += page.deleted;
    from = page.next;
  }
  expect(deleted).toBe(3);
  expect((await kept(ledger)).toSorted()).toEqual(all.filter((_, n) => n % 2 === 0).toSorted());
});

test('an event that a new destination adopts while it is being pruned is kept for it', async ({
  ledger,
}) => {
  const id = await event(ledger, { amqp: `${OLD}, NULL` });
  const adopting = await ledger.db.transaction(async (tx) => {
    await adoptEvents(tx as unknown as Database, ['webhook'], outboxFrom(new Date(0)), 10);
    const pruning = pruneDelivered(ledger.db, FIRST_DELIVERED, 100);
    // It waits for the lock that the new delivery holds on its event.
    await expect.poll(() => ledger.waiting()).toBe(1);
    return { pruning };
  });
  expect((await adopting.pruning).deleted).toBe(0);
  expect(await kept(ledger)).toEqual([id]);
});
