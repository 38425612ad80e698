import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import type { Destination } from '../../../../activities/relay/destination.ts';
import type { UserEvent } from '../../../../src/domain/user-event.ts';
import { eventually } from '../../../support/eventually.ts';
import { test } from '../../../support/relays-test.ts';

test.afterEach(({ relays }) => relays.clear());

interface Recorder extends Destination {
  readonly told: UserEvent[];
  readonly closed: () => boolean;
}

/** A destination inside of this process. */
function recorder(name: Destination['name'], over: Partial<Destination> = {}): Recorder {
  const told: UserEvent[] = [];
  let isClosed = false;
  return {
    name,
    batch: 10,
    told,
    closed: () => isClosed,
    retryInMs: () => 60_000,
    deliver: async (events) => {
      told.push(...events);
      return await Promise.resolve(events.map(({ id }) => ({ id, kind: 'delivered' as const })));
    },
    close: async () => {
      isClosed = true;
      await Promise.resolve();
    },
    ...over,
  };
}

/** Answers when the shift is over and not before, like an endpoint that never answers. */
const silent: Destination['deliver'] = async (_events, over) => {
  await new Promise<void>((resolve) => {
    over.addEventListener('abort', () => resolve());
  });
  return [];
};

test('a relay delivers each event once, and a second run delivers nothing', async ({ relays }) => {
  const named = { username: 'ada', invite: false };
  const { id, email, userId } = await relays.ledger.at('completed', named);
  const [plain] = await relays.completed(1);
  const amqp = recorder('amqp');
  const first = relays.begin(amqp);
  await eventually(() => amqp.told.length === 2);
  expect(amqp.told.find(({ registrationId }) => registrationId === id)).toMatchObject({
    type: 'user.created',
    user: { id: userId, username: 'ada', email },
  });
  const other = amqp.told.find(({ registrationId }) => registrationId === plain);
  expect(other?.user.username).toBe(other?.user.email);
  await eventually(async () => (await relays.deliveries('amqp')).every((row) => row.delivered));
  await first.stop();
  expect(amqp.closed()).toBe(true);

  const again = recorder('amqp');
  relays.begin(again);
  await relays.completed(1);
  await eventually(() => again.told.length > 0);
  expect(again.told).toHaveLength(1);
});

test('a registration that did not complete has no event', async ({ relays }) => {
  for (const status of ['running', 'roles_pending', 'failed', 'cancelled'] as const) {
    await relays.ledger.at(status);
  }
  const [id] = await relays.completed(1);
  const amqp = recorder('amqp');
  relays.begin(amqp);
  await eventually(() => amqp.told.length > 0);
  expect(amqp.told.map(({ registrationId }) => registrationId)).toEqual([id]);
});

test('events without a destination stay and go to each destination once it is configured', async ({
  relays,
}) => {
  const [id] = await relays.completed(1);
  const nobody = relays.begin();
  const { invitation } = await relays.ledger.at('completed');
  expect(invitation.status).toBe('pending');
  await eventually(async () => (await relays.deliveries('cognito-mail'))[0]?.delivered === true);
  await nobody.stop();
  expect(await relays.deliveries('amqp')).toEqual([]);

  const amqp = recorder('amqp');
  const one = relays.begin(amqp);
  await eventually(() => amqp.told.length === 2);
  await one.stop();
  const both = [recorder('amqp'), recorder('webhook')] as const;
  relays.begin(...both);
  await eventually(() => both[1].told.length === 2);
  expect(both[1].told.map(({ registrationId }) => registrationId)).toContain(id);
  expect(new Set(both[1].told.map((event) => event.id))).toEqual(
    new Set(amqp.told.map((event) => event.id)),
  );
});

test('a destination that never answers delays neither the other one nor invitations', async ({
  relays,
}) => {
  const webhook = recorder('webhook', { deliver: silent });
  const amqp = recorder('amqp');
  relays.begin(webhook, amqp);
  await relays.completed(30);
  await relays.ledger.at('completed');
  await eventually(() => amqp.told.length === 31);
  await eventually(async () => (await relays.deliveries('cognito-mail'))[0]?.delivered === true);
  const waiting = await relays.deliveries('webhook');
  expect(waiting.filter((row) => row.delivered || row.attempts > 0)).toEqual([]);
  await relays.stopShifts();
  expect(webhook.closed()).toBe(true);
});

test('a new event does not wait for the backlog of the past week', async ({ relays }) => {
  const [past] = await relays.completed(1);
  const { db } = relays.ledger;
  await db.execute(sql`UPDATE outbox SET occurred_at = occurred_at - interval '6 days'`);
  const [fresh] = await relays.completed(1);
  const amqp = recorder('amqp');
  await db.transaction(async (tx) => {
    // Whoever looks at the past event waits for this row, as it would for a thousand pages.
    await tx.execute(sql`INSERT INTO outbox_deliveries (outbox_id, destination, next_attempt_at)
      SELECT id, 'amqp', 'infinity' FROM outbox WHERE registration_id = ${past}::uuid`);
    relays.begin(amqp);
    await eventually(() => amqp.told.length > 0);
  });
  expect(amqp.told.map(({ registrationId }) => registrationId)).toEqual([fresh]);
});

test('a second relay waits for the lock and gets it when the first one stops', async ({
  relays,
}) => {
  const [first, second] = [recorder('amqp'), recorder('amqp')];
  const one = relays.begin(first);
  await relays.completed(1);
  await eventually(() => first.told.length === 1);
  relays.begin(second);
  await relays.completed(5);
  await eventually(() => first.told.length === 6);
  expect(second.told).toEqual([]);
  await one.stop();
  await relays.completed(1);
  await eventually(() => second.told.length === 1);
});

test('a relay that loses its lock stops, and another one starts', async ({ relays }) => {
  const overs: AbortSignal[] = [];
  const held = recorder('amqp', {
    deliver: async (events, over) => {
      overs.push(over);
      return await silent(events, over);
    },
  });
  const shift = relays.begin(held);
  await relays.completed(1);
  await eventually(() => overs.length === 1);
  await relays.cutLock();
  await expect(shift.ended).rejects.toThrow('relay lock lost');
  expect(overs[0]?.aborted).toBe(true);
  expect(held.closed()).toBe(true);
  const next = recorder('amqp');
  relays.begin(next);
  await eventually(() => next.told.length === 1);
});

test('failed deliveries wait longer each time, and the last error stays visible', async ({
  relays,
}) => {
  const waits: (number | null)[] = [60_000, 120_000, null];
  const failing = recorder('webhook', {
    retryInMs: (failed) => waits[failed - 1] ?? null,
    deliver: async (events) =>
      await Promise.resolve(events.map(({ id }) => ({ id, kind: 'failed', reason: 'HTTP 500' }))),
  });
  relays.begin(failing);
  await relays.completed(1);
  const afterAttempt = async (attempts: number) => {
    await eventually(async () => (await relays.deliveries('webhook'))[0]?.attempts === attempts);
    return (await relays.deliveries('webhook'))[0];
  };
  const first = await afterAttempt(1);
  expect(first).toMatchObject({ delivered: false, givenUp: false, lastError: 'HTTP 500' });
  expect(first?.dueInSeconds).toBeGreaterThan(30);
  await relays.dueNow();
  expect((await afterAttempt(2))?.dueInSeconds).toBeGreaterThan(90);
  await relays.dueNow();
  expect(await afterAttempt(3)).toMatchObject({ delivered: false, givenUp: true });
  expect(relays.warnings).toContainEqual({
    destination: 'webhook',
    outboxIds: [first?.outboxId],
  });
});
