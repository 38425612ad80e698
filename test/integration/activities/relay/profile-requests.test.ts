import { createHmac, randomUUID } from 'node:crypto';
import { beforeEach, describe, expect } from 'vitest';
import {
  createProfileRequests,
  type ProfileRequests,
} from '../../../../activities/relay/profile-requests.ts';
import type { AmqpProfileSettings } from '../../../../src/config/profile-settings.ts';
import { test } from '../../../support/base-test.ts';
import { eventually } from '../../../support/eventually.ts';
import { profileSettings } from '../../../support/profile-replies.ts';
import { RABBITMQ } from '../../../support/programs.ts';
import { Queue } from '../../../support/queue.ts';

const NEVER = new AbortController().signal;
const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

const personOf = (registrationId: string) => ({
  registrationId,
  userId: randomUUID(),
  username: 'ada',
  email: 'ada@example.com',
  firstName: 'Ada',
  lastName: 'Lovelace',
});

describe.skipIf(RABBITMQ.path === null)('requests on a real broker', () => {
  let settings: AmqpProfileSettings;
  let requests: ProfileRequests;
  let queue: Queue | undefined;
  let tests = 0;
  beforeEach(() => {
    tests += 1;
  });
  test.beforeEach(({ broker }) => {
    settings = profileSettings(broker, `requests_${tests}`);
    requests = createProfileRequests(settings, LOG);
  });
  test.afterEach(async () => {
    await requests.close();
    await queue?.close();
    queue = undefined;
  });

  test('a request and its cancellation are persistent messages with fixed ids and the token', async ({
    broker,
  }) => {
    const told = await Queue.bind(broker, settings.requestExchange, settings.requestKey);
    queue = told;
    const person = personOf(randomUUID());
    const { registrationId: id } = person;
    expect(await requests.create(person, NEVER)).toEqual({ kind: 'awaits_reply' });
    expect(await requests.create(person, NEVER)).toEqual({ kind: 'awaits_reply' });
    expect(await requests.delete(person, NEVER)).toBe('final');
    await eventually(() => told.messages.length === 3);
    const reply_token = createHmac('sha256', settings.secret).update(id).digest('base64url');
    const { username, email, userId } = person;
    const user_data = { username, email, user_id: userId, registration_id: id, reply_token };
    const create = { event_type: 'user.created', user_data };
    const cancel = { event_type: 'user.creation_cancelled', user_data };
    expect(told.bodies()).toEqual([create, create, cancel]);
    const properties = {
      correlationId: id,
      replyTo: settings.replyQueue,
      deliveryMode: 2,
      contentType: 'application/json',
    };
    expect(told.messages.map((message) => message.properties)).toMatchObject([
      { ...properties, messageId: id },
      { ...properties, messageId: id },
      { ...properties, messageId: `${id}/cancelled` },
    ]);
  });

  test('a request that no queue takes can have no effect and is not awaited', async () => {
    const person = personOf(randomUUID());
    const both = [requests.create(person, NEVER), requests.create(person, NEVER)];
    for (const failed of both) {
      await expect(failed).rejects.toMatchObject({
        reason: 'no queue bound',
        mayHaveEffect: false,
      });
    }
  });

  test('a request that one of several queues rejects may have its effect', async ({ broker }) => {
    const told = await Queue.bind(broker, settings.requestExchange, settings.requestKey);
    queue = told;
    const connection = await broker.connect();
    const channel = await connection.createChannel();
    const full = `${settings.requestExchange}_full`;
    await channel.assertQueue(full, {
      arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' },
    });
    await channel.bindQueue(full, settings.requestExchange, settings.requestKey);
    await expect(requests.create(personOf(randomUUID()), NEVER)).rejects.toMatchObject({
      reason: 'rejected by the broker',
      mayHaveEffect: true,
    });
    await told.until(1);
    await channel.deleteQueue(full);
    await connection.close();
  });

  test('a request while the broker is away fails, and the next one is delivered when it is back', async ({
    broker,
  }) => {
    const told = await Queue.bind(broker, settings.requestExchange, settings.requestKey);
    queue = told;
    await requests.create(personOf(randomUUID()), NEVER);
    await broker.kill();
    const away = personOf(randomUUID());
    await expect(requests.create(away, AbortSignal.timeout(5000))).rejects.toMatchObject({
      name: 'ProfileUnavailable',
    });
    await broker.start();
    await told.consume();
    await requests.create(away, NEVER);
    await eventually(() => told.ids().has(away.registrationId));
  });

  test('a broker that takes no messages for now fails the request before it is sent', async ({
    broker,
  }) => {
    queue = await Queue.bind(broker, settings.requestExchange, settings.requestKey);
    await broker.stop();
    await broker.start({ isShortOfMemory: true });
    // The broker says so when it gets the first message.
    const first = requests.create(personOf(randomUUID()), AbortSignal.timeout(3000));
    await expect(first).rejects.toMatchObject({ mayHaveEffect: true });
    const second = requests.create(personOf(randomUUID()), NEVER);
    await expect(second).rejects.toMatchObject({ mayHaveEffect: false });
    await broker.stop();
    await broker.start();
  });
});
