import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { beforeEach, describe, expect, inject } from 'vitest';
import type { AmqpProfileSettings } from '../../../../src/config/profile-settings.ts';
import { recordProfileAttempt } from '../../../../src/ledger/registrations/profile.ts';
import { eventually } from '../../../support/eventually.ts';
import { test } from '../../../support/ledger-test.ts';
import { Consumer, originalRequest, profileSettings } from '../../../support/profile-replies.ts';
import { RABBITMQ } from '../../../support/programs.ts';
import { publishTo, readyIn } from '../../../support/publisher.ts';
import type { Broker } from '../../../support/rabbitmq.ts';
import type { Ledger } from '../../ledger/ledger-under-test.ts';

describe.skipIf(RABBITMQ.path === null)('replies on a real broker', () => {
  let settings: AmqpProfileSettings;
  let consumers: Consumer[] = [];
  let tests = 0;
  beforeEach(() => {
    tests += 1;
  });
  test.beforeEach(({ broker }) => {
    settings = profileSettings(broker, `profiles_${tests}`);
  });
  test.afterEach(async () => {
    for (const consumer of consumers) await consumer.stop();
    consumers = [];
  });

  const consume = (ledger: Ledger, more = {}): Consumer => {
    const consumer = new Consumer(ledger, settings, more);
    consumers.push(consumer);
    return consumer;
  };
  /** Its profile was requested, and there is no reply yet. */
  async function asked(ledger: Ledger): Promise<string> {
    const row = await ledger.created({ wantsProfile: true });
    await recordProfileAttempt(ledger.db, row);
    return row.id;
  }
  async function reply(broker: Broker, id: string, more: object = {}, key = settings.replyKey) {
    const user_data = { id: `profile-${id}`, original_request: originalRequest(id, settings) };
    const body = { event_type: 'user.created', user_data, ...more };
    await publishTo(broker, [settings.replyExchange, key], body, { correlationId: id });
  }
  const refusal = (broker: Broker, id: string, reason: string, key?: string) => {
    const user_data = { original_request: originalRequest(id, settings) };
    return reply(broker, id, { event_type: 'user.creation_failed', reason, user_data }, key);
  };
  const dead = (broker: Broker) => readyIn(broker, `${settings.replyQueue}.dead`);
  const until = (consumer: Consumer, count: number) =>
    eventually(() => consumer.settled.length >= count);
  async function ready(ledger: Ledger, more = {}): Promise<Consumer> {
    const consumer = consume(ledger, more);
    await consumer.consumes();
    return consumer;
  }

  test('a reply is written to its row, where the step under way finds it', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await reply(broker, id);
    await until(consumer, 1);
    expect(consumer).toMatchObject({ settled: ['recorded'], woken: [] });
    expect(await ledger.row(id)).toMatchObject({
      profileId: `profile-${id}`,
      profileOutcome: 'created',
      profileUnansweredAt: null,
    });
  });

  test('a refusal is written with its reason, by either routing key', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const reasons = [
      ['email_taken', 'email_taken', 'user.creation_failed'],
      ['username_taken', 'username_taken', settings.replyKey],
      ['rejected', 'profile_rejected', 'user.creation_failed'],
    ] as const;
    for (const [reason, profileOutcome, key] of reasons) {
      const id = await asked(ledger);
      await refusal(broker, id, reason, key);
      await eventually(async () => (await ledger.row(id)).profileOutcome === profileOutcome);
    }
    await until(consumer, 3);
  });

  test('a reply to a parked registration resumes it, and one that comes again does so too', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await ledger.parked(id);
    await reply(broker, id);
    await until(consumer, 1);
    // As after a kill between the row and the signal.
    await reply(broker, id);
    await until(consumer, 2);
    expect(consumer).toMatchObject({ settled: ['recorded', 'repeated'], woken: [id, id] });
  });

  test('a reply that comes twice changes nothing more', async ({ broker, ledger }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await reply(broker, id);
    await reply(broker, id);
    await until(consumer, 2);
    // The broker may hand the two out at once.
    expect(consumer.settled.toSorted()).toEqual(['recorded', 'repeated']);
    expect(await dead(broker)).toBe(0);
  });

  test('a reply that nobody could know the token of goes to the dead queue', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const [id, other] = [await asked(ledger), await asked(ledger)];
    const { reply_token: _none, ...withoutToken } = originalRequest(id, settings);
    const forged = [
      withoutToken,
      { ...withoutToken, reply_token: '' },
      { ...withoutToken, reply_token: originalRequest(other, settings).reply_token },
      { ...withoutToken, reply_token: originalRequest(id, { secret: 'guessed' }).reply_token },
      { ...withoutToken, reply_token: 7 },
    ];
    for (const original_request of forged) {
      await reply(broker, id, { user_data: { id: 'forged', original_request } });
    }
    await until(consumer, forged.length);
    expect(new Set(consumer.settled)).toEqual(new Set(['dead']));
    expect(await dead(broker)).toBe(forged.length);
    expect(await ledger.row(id)).toMatchObject({ profileId: null, profileOutcome: null });
    expect(consumer.woken).toEqual([]);
  });

  test('a message that cannot be read, is too large or matches nothing goes to the dead queue', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    const original_request = originalRequest(id, settings);
    const unknown = randomUUID();
    const unasked = (await ledger.created()).id;
    const bodies = [
      Buffer.from(''),
      Buffer.from('{'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from('null'),
      Buffer.from('[]'),
      Buffer.alloc(20_000_000, ' '),
      { event_type: 'user.created' },
      { event_type: 'user.created', user_data: { original_request: 'text' } },
      { event_type: 'user.created', user_data: { original_request } },
      { event_type: 'user.created', user_data: { id: '', original_request } },
      { event_type: 'user.created', user_data: { id: { a: 1 }, original_request } },
      { event_type: 'user.created', user_data: { id: 'x'.repeat(300), original_request } },
      { event_type: 'user.created', user_data: { id: 'a\u0000b', original_request } },
      { event_type: 'user.changed', user_data: { id: 'x', original_request } },
      { event_type: 'user.creation_failed', user_data: { original_request } },
      { event_type: 'user.creation_failed', reason: 'toString', user_data: { original_request } },
      ...[unknown, unasked].map((other) => ({
        event_type: 'user.created',
        user_data: { id: 'x', original_request: originalRequest(other, settings) },
      })),
    ];
    for (const body of bodies) {
      await publishTo(broker, [settings.replyExchange, settings.replyKey], body);
    }
    await until(consumer, bodies.length);
    expect(new Set(consumer.settled)).toEqual(new Set(['dead']));
    expect(await dead(broker)).toBe(bodies.length);
    expect(await ledger.row(id)).toMatchObject({ profileId: null, profileOutcome: null });
    await reply(broker, id);
    await eventually(async () => (await ledger.row(id)).profileId === `profile-${id}`);
  });

  test('a reply that names another id than before goes to the dead queue', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await reply(broker, id);
    await until(consumer, 1);
    const user_data = { id: 'another', original_request: originalRequest(id, settings) };
    await reply(broker, id, { user_data });
    await refusal(broker, id, 'email_taken');
    await until(consumer, 3);
    expect(consumer.settled).toEqual(['recorded', 'dead', 'dead']);
    expect(await dead(broker)).toBe(2);
    expect((await ledger.row(id)).profileId).toBe(`profile-${id}`);
  });

  test('a profile that is created for a closed registration is taken back', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await ledger.set(id, { status: 'cancelled', finishedAt: new Date() });
    await reply(broker, id);
    await until(consumer, 1);
    expect(consumer).toMatchObject({ settled: ['closed'], takenBack: [id], woken: [] });
    expect(await ledger.row(id)).toMatchObject({ status: 'cancelled', profileStrayAt: null });
    expect(await dead(broker)).toBe(0);
  });

  test('a reply is acknowledged only when its row has it', async ({ broker, ledger }) => {
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    const holder = postgres(ledger.url, { max: 1 });
    const held = await holder.reserve();
    await held`BEGIN`;
    await held`SELECT FROM registrations WHERE id = ${id} FOR UPDATE`;
    await reply(broker, id);
    await eventually(async () => {
      const rows = await ledger.db.execute(sql`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`);
      return rows.length > 0;
    });
    // Its connection ends while the row does not have it: the broker hands the message out again.
    const [first] = consumers.splice(0);
    const stopped = first?.stop();
    const next = consume(ledger);
    await held`ROLLBACK`;
    held.release();
    await holder.end();
    await stopped;
    await eventually(async () => (await ledger.row(id)).profileId === `profile-${id}`);
    await eventually(() => [...consumer.settled, ...next.settled].length > 0);
    expect(await readyIn(broker, settings.replyQueue)).toBe(0);
  });

  test('replies that come while PostgreSQL is away are recorded when it is back', async ({
    broker,
    emptyLedger: ledger,
  }) => {
    const consumer = await ready(ledger);
    const ids = [await asked(ledger), await asked(ledger), await asked(ledger)];
    const admin = postgres(inject('adminDatabaseUrl'), { max: 1, onnotice: () => undefined });
    const name = new URL(ledger.url).pathname.slice(1);
    await admin.unsafe(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`;
    for (const id of ids) await reply(broker, id);
    await eventually(() => consumer.warnings.length >= ids.length);
    expect(consumer.settled).toEqual([]);
    await admin.unsafe(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await admin.end();
    await until(consumer, ids.length);
    expect(consumer.settled).toEqual(['recorded', 'recorded', 'recorded']);
    for (const id of ids) expect((await ledger.row(id)).profileId).toBe(`profile-${id}`);
  });

  test('several consumers share the replies, and each reply is recorded once', async ({
    broker,
    ledger,
  }) => {
    const first = await ready(ledger);
    const all = [first, consume(ledger), consume(ledger)];
    const ids = await Promise.all(Array.from({ length: 60 }, () => asked(ledger)));
    await Promise.all(ids.map((id) => reply(broker, id)));
    const settled = () => all.flatMap((consumer) => consumer.settled);
    await eventually(() => settled().length >= ids.length);
    expect(settled().filter((outcome) => outcome === 'recorded')).toHaveLength(ids.length);
    for (const id of ids) expect((await ledger.row(id)).profileId).toBe(`profile-${id}`);
  });

  test('a broker that is killed -9 and started again loses no reply', async ({
    broker,
    ledger,
  }) => {
    const consumer = await ready(ledger);
    const ids = await Promise.all(Array.from({ length: 40 }, () => asked(ledger)));
    for (const id of ids.slice(0, 20)) await reply(broker, id);
    await broker.kill();
    await broker.start();
    for (const id of ids.slice(20)) await reply(broker, id);
    for (const id of ids) {
      await eventually(async () => (await ledger.row(id)).profileId === `profile-${id}`);
    }
    // One whose acknowledgement went with the broker comes again.
    await until(consumer, ids.length);
    expect([...new Set(consumer.settled)].filter((outcome) => outcome !== 'repeated')).toEqual([
      'recorded',
    ]);
    expect(await dead(broker)).toBe(0);
  });

  test('a reply queue that is deleted is declared again', async ({ broker, ledger }) => {
    const consumer = await ready(ledger);
    const connection = await broker.connect();
    const channel = await connection.createChannel();
    await channel.deleteQueue(settings.replyQueue);
    await connection.close();
    const id = await asked(ledger);
    await eventually(async () => {
      await reply(broker, id);
      return consumer.settled.length > 0;
    });
  });

  test('a reply queue that another service declared with other arguments is used as it is', async ({
    broker,
    ledger,
  }) => {
    const connection = await broker.connect();
    const channel = await connection.createChannel();
    const options = { durable: true, arguments: { 'x-max-length': 100_000 } };
    await channel.assertQueue(settings.replyQueue, options);
    const consumer = await ready(ledger);
    const id = await asked(ledger);
    await reply(broker, id);
    await until(consumer, 1);
    expect(consumer.settled).toEqual(['recorded']);
    await connection.close();
  });

  test('a signal that fails keeps the reply in the row, and the reply is acknowledged', async ({
    broker,
    ledger,
  }) => {
    const runs = { resume: () => Promise.reject(new Error('Temporal is away')) };
    const consumer = await ready(ledger, { runs });
    const id = await asked(ledger);
    await ledger.parked(id);
    await reply(broker, id);
    await until(consumer, 1);
    expect((await ledger.row(id)).profileId).toBe(`profile-${id}`);
    await consumer.stop();
    consumers = [];
    expect(await readyIn(broker, settings.replyQueue)).toBe(0);
  });

  test('a consumer stops although the broker does not take the message for the dead queue', async ({
    broker,
    ledger,
  }) => {
    const first = await ready(ledger);
    await first.stop();
    await publishTo(broker, [settings.replyExchange, settings.replyKey], { unreadable: true });
    await broker.stop();
    await broker.start({ isShortOfMemory: true });
    const consumer = await ready(ledger);
    consumers = [];
    await consumer.stop();
    await broker.stop();
    await broker.start();
    expect(consumer.settled).toEqual([]);
    expect(await readyIn(broker, settings.replyQueue)).toBe(1);
  });

  test('a consumer stops at once although no reply comes', async ({ ledger }) => {
    const consumer = await ready(ledger);
    consumers = [];
    const from = performance.now();
    await consumer.stop();
    expect(performance.now() - from).toBeLessThan(8000);
  });
});
