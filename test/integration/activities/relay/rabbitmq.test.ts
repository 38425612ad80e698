import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect } from 'vitest';
import { createAmqp } from '../../../../activities/relay/amqp.ts';
import { createWebhook } from '../../../../activities/relay/webhook.ts';
import type { UserEventBody } from '../../../../src/domain/user-event.ts';
import { erasePerson } from '../../../../src/ledger/erasure.ts';
import { appendUserEvent } from '../../../../src/ledger/outbox/append-user-event.ts';
import { dueEvents } from '../../../../src/ledger/outbox/event-deliveries.ts';
import { eventually } from '../../../support/eventually.ts';
import { Queue } from '../../../support/queue.ts';
import { RABBITMQ } from '../../../support/programs.ts';
import type { Broker } from '../../../support/rabbitmq.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { type Relays, type Shift } from '../../../support/relays.ts';
import { test } from '../../../support/relays-test.ts';

describe.skipIf(RABBITMQ.path === null)('on a real broker', () => {
  let exchange: string;
  let queue: Queue | undefined;
  let tests = 0;
  beforeEach(() => {
    tests += 1;
    exchange = `events_${tests}`;
  });
  test.afterEach(async ({ relays }) => {
    await relays.clear();
    await queue?.close();
    queue = undefined;
  });

  const amqp = (broker: Broker, relays: Relays) =>
    createAmqp({ url: broker.url, exchange, routingKey: 'people.created' }, relays.log);
  const begin = (broker: Broker, relays: Relays): Shift => relays.begin(amqp(broker, relays));
  const undelivered = async (relays: Relays) =>
    (await relays.deliveries('amqp')).filter(({ delivered }) => !delivered);
  const allDelivered = async (relays: Relays, count: number) => {
    const rows = await relays.deliveries('amqp');
    return rows.length === count && rows.every(({ delivered }) => delivered);
  };

  test('a consumer gets the event as a persistent message with its outbox id', async ({
    broker,
    relays,
  }) => {
    const told = await Queue.bind(broker, exchange, 'people.created');
    queue = told;
    const { id, email, userId, finishedAt } = await relays.ledger.at('completed', {
      invite: false,
    });
    begin(broker, relays);
    await told.until(1);
    const [message] = told.messages;
    const [delivery] = await relays.deliveries('amqp');
    expect(message?.fields).toMatchObject({ exchange, routingKey: 'people.created' });
    expect(message?.properties).toMatchObject({
      messageId: delivery?.outboxId,
      contentType: 'application/json',
      type: 'user.created',
      appId: 'registrar',
      deliveryMode: 2,
      timestamp: Math.floor((finishedAt?.getTime() ?? 0) / 1000),
    });
    expect(told.bodies()).toEqual([
      {
        event_type: 'user.created',
        user_data: { id: userId, username: email, email, email_verified: true },
        registration_id: id,
        occurred_at: finishedAt?.toISOString(),
        sequence: 1,
      },
    ]);
    await eventually(() => allDelivered(relays, 1));
  });

  test('each later event goes by its type, and that of a deletion has the id alone', async ({
    broker,
    relays,
  }) => {
    const told = await Queue.bind(broker, exchange, 'user.*');
    queue = told;
    const { db } = relays.ledger;
    const { id, email, userId } = await relays.ledger.at('completed', { invite: false });
    const gone = await relays.ledger.at('completed', { invite: false });
    await db.transaction(async (tx) => {
      await appendUserEvent(tx, id, 'user.roles_changed', ['manager']);
      await appendUserEvent(tx, id, 'user.disabled');
      await appendUserEvent(tx, id, 'user.enabled');
      await tx.execute(
        sql`UPDATE registrations SET user_deleted_at = now() WHERE id = ${gone.id}::uuid`,
      );
      await erasePerson(tx, { registrationId: gone.id, userId: gone.userId });
      await appendUserEvent(tx, gone.id, 'user.deleted');
    });
    begin(broker, relays);
    await told.until(4);
    const person = { id: userId, username: email, email, email_verified: true };
    const bodies = new Map(
      told.messages.map(({ fields, content }) => [
        fields.routingKey,
        JSON.parse(content.toString()) as UserEventBody,
      ]),
    );
    expect(bodies.get('user.roles_changed')).toMatchObject({
      user_data: { ...person, roles: ['manager'] },
      sequence: 2,
    });
    expect(bodies.get('user.disabled')).toMatchObject({ user_data: person, sequence: 3 });
    expect(bodies.get('user.enabled')).toMatchObject({ user_data: person, sequence: 4 });
    expect(bodies.get('user.deleted')?.user_data).toEqual({ id: gone.userId });
  });

  test('a message that no queue takes stays undelivered until a queue is bound', async ({
    broker,
    relays,
  }) => {
    await relays.completed(2);
    begin(broker, relays);
    await eventually(async () => {
      const rows = await undelivered(relays);
      return rows.length === 2 && rows.every(({ attempts }) => attempts > 0);
    });
    expect(await undelivered(relays)).toMatchObject([
      { lastError: 'no queue bound' },
      { lastError: 'no queue bound' },
    ]);
    expect(relays.warnings).toContainEqual(
      expect.objectContaining({ destination: 'amqp', reason: 'no queue bound' }),
    );
    queue = await Queue.bind(broker, exchange, '#');
    await relays.dueNow();
    await queue.until(2);
    await eventually(() => allDelivered(relays, 2));
  });

  test('an exchange of another type is logged, loses nothing and ends no process', async ({
    broker,
    relays,
  }) => {
    const connection = await broker.connect();
    const channel = await connection.createChannel();
    await channel.assertExchange(exchange, 'direct', { durable: true });
    await relays.completed(1);
    begin(broker, relays);
    await eventually(() => relays.warnings.length > 0);
    expect(JSON.stringify(relays.warnings[0])).toContain('406');
    expect(await undelivered(relays)).toMatchObject([{ attempts: 0 }]);
    await channel.deleteExchange(exchange);
    await connection.close();
    queue = await Queue.bind(broker, exchange, '#');
    await eventually(() => allDelivered(relays, 1));
  });

  test('an exchange that is deleted is declared again', async ({ broker, relays }) => {
    queue = await Queue.bind(broker, exchange, '#');
    await relays.completed(1);
    begin(broker, relays);
    await queue.until(1);
    const connection = await broker.connect();
    const channel = await connection.createChannel();
    await channel.deleteExchange(exchange);
    await relays.completed(1);
    await eventually(() => JSON.stringify(relays.warnings).includes('404'));
    await channel.assertExchange(exchange, 'topic', { durable: true });
    await channel.bindQueue(queue.name, exchange, '#');
    await connection.close();
    await relays.dueNow();
    await queue.until(2);
    await eventually(() => allDelivered(relays, 2));
    expect(queue.messages).toHaveLength(2);
  });

  test('a relay stops at once although the broker never answers', async ({ relays }) => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => {
      mute.listen(0, '127.0.0.1', resolve);
    });
    const { port } = mute.address() as AddressInfo;
    const url = `amqp://127.0.0.1:${port}`;
    const shift = relays.begin(createAmqp({ url, exchange, routingKey: 'x' }, relays.log));
    await relays.completed(1);
    await eventually(() => sockets.length > 0);
    const from = performance.now();
    await shift.stop();
    // Opening a connection is given up after 10 s.
    expect(performance.now() - from).toBeLessThan(8000);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  test('a stopped relay publishes nothing more', async ({ broker, relays }) => {
    queue = await Queue.bind(broker, exchange, '#');
    await relays.completed(3);
    // Adopted by a shift whose broker is not there.
    const away = { url: 'amqp://127.0.0.1:1', exchange, routingKey: 'x' };
    const shift = relays.begin(createAmqp(away, relays.log));
    await eventually(async () => (await undelivered(relays)).length === 3);
    await shift.stop();
    const destination = amqp(broker, relays);
    const due = await dueEvents(relays.ledger.db, 'amqp', 10);
    expect(await destination.deliver(due, AbortSignal.abort())).toEqual([]);
    const after = await destination.deliver(due.slice(0, 1), new AbortController().signal);
    expect(after).toEqual([{ id: due[0]?.id, kind: 'delivered' }]);
    await queue.until(1);
    expect([...queue.ids()]).toEqual([due[0]?.id]);
    await destination.close();
  });

  test('a webhook that never answers delays neither the broker nor invitations', async ({
    broker,
    relays,
  }) => {
    queue = await Queue.bind(broker, exchange, '#');
    const receiver = await startReceiver(() => undefined);
    const secret = `whsec_${randomBytes(24).toString('base64')}`;
    const webhook = createWebhook({ url: receiver.url, secret, allowsNearby: true });
    const shift = relays.begin(webhook, amqp(broker, relays));
    await relays.completed(30);
    await relays.ledger.at('completed');
    await queue.until(31);
    await eventually(async () => (await relays.deliveries('cognito-mail'))[0]?.delivered === true);
    expect((await relays.deliveries('webhook')).filter((row) => row.delivered)).toEqual([]);
    expect(receiver.received.length).toBeGreaterThan(0);
    await shift.stop();
    await receiver.close();
  });

  test('a broker killed -9 loses no event, and duplicates carry the same id', async ({
    broker,
    relays,
  }) => {
    const events = 400;
    const told = await Queue.bind(broker, exchange, '#');
    queue = told;
    // Registrations go on while it is killed, and while it is away.
    const registering = relays.completed(events);
    begin(broker, relays);
    await told.until(20);
    await broker.kill();
    await registering;
    await broker.start();
    await told.consume();
    await told.until(events);
    await eventually(() => allDelivered(relays, events));
    const outboxIds = (await relays.deliveries('amqp')).map(({ outboxId }) => outboxId);
    expect([...told.ids()].toSorted()).toEqual(outboxIds.toSorted());
  });

  test('a broker short of memory blocks the relay and gets every event later', async ({
    broker,
    relays,
  }) => {
    const told = await Queue.bind(broker, exchange, '#');
    queue = told;
    await broker.stop();
    await broker.start({ isShortOfMemory: true });
    const shift = begin(broker, relays);
    await relays.completed(150);
    await eventually(() => JSON.stringify(relays.warnings).includes('blocked: '));
    await eventually(async () => (await undelivered(relays)).length === 150);
    await shift.stop();
    expect((await undelivered(relays)).filter(({ attempts }) => attempts > 0)).toEqual([]);
    await broker.stop();
    begin(broker, relays);
    await broker.start();
    await told.consume();
    await told.until(150);
    await eventually(() => allDelivered(relays, 150));
  });
});
