import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect } from 'vitest';
import { test } from '../../support/base-test.ts';
import { eventually } from '../../support/eventually.ts';
import { personFields, ProfileService } from '../../support/profile-service.ts';
import { RABBITMQ } from '../../support/programs.ts';
import { publishTo, readyIn } from '../../support/publisher.ts';
import { Queue } from '../../support/queue.ts';
import type { Broker } from '../../support/rabbitmq.ts';

const REQUEST = ['user_events', 'user.sync'] as const;

interface Reply {
  readonly event_type: string;
  readonly user_data: { readonly id?: string; readonly original_request: object };
  readonly reason?: string;
}

const cancelled = (registration_id: string) => ({
  event_type: 'user.creation_cancelled',
  user_data: { registration_id },
});
const deleted = (registration_id: string) => ({
  event_type: 'user.deleted',
  registration_id,
  user_data: { id: randomUUID() },
});

describe.skipIf(RABBITMQ.path === null)('the profile service behind RabbitMQ', () => {
  let service: ProfileService;
  let replies: Queue;
  test.beforeAll(async ({ broker }) => {
    const env = { PROFILE_AMQP: 'true', EVENTS_AMQP_URL: broker.url };
    service = await ProfileService.start(env);
    replies = await Queue.bind(broker, 'auth_events', '#');
  });
  afterAll(async () => {
    await replies.close();
    await service.remove();
  });

  async function request(broker: Broker, id: string, more: object = {}): Promise<object> {
    const user_data = { ...personFields(id, more), reply_token: `token-${id}` };
    const message = { event_type: 'user.created', user_data };
    await publishTo(broker, REQUEST, message, { messageId: id, correlationId: id });
    return user_data;
  }
  const repliesTo = (id: string) =>
    replies.messages.filter(({ properties }) => properties.correlationId === id);
  const bodiesTo = (id: string): Reply[] =>
    repliesTo(id).map(({ content }) => JSON.parse(content.toString()) as Reply);
  const replyTo = async (id: string, count = 1): Promise<Reply> => {
    await eventually(() => bodiesTo(id).length >= count);
    return bodiesTo(id)[count - 1] as Reply;
  };

  test('a request creates a profile and is answered with its id and the whole request', async ({
    broker,
  }) => {
    const id = randomUUID();
    const original_request = await request(broker, id, { username: 'ada' });
    const reply = await replyTo(id);
    const profile = await service.profileOf(id);
    expect(reply).toMatchObject({
      event_type: 'user.created',
      user_data: { id: profile?.id, username: 'ada', original_request },
    });
    const [message] = repliesTo(id);
    expect(message?.fields).toMatchObject({ exchange: 'auth_events', routingKey: 'user.created' });
    expect(message?.properties).toMatchObject({ deliveryMode: 2 });
  });

  test('a request that comes twice is answered twice with the same id', async ({ broker }) => {
    const id = randomUUID();
    await request(broker, id);
    const first = await replyTo(id);
    await request(broker, id);
    expect((await replyTo(id, 2)).user_data.id).toBe(first.user_data.id);
  });

  test('a taken e-mail, a taken username and a rejected person are refused with their reason', async ({
    broker,
  }) => {
    const [first, email, username, rejected] = Array.from({ length: 4 }, () => randomUUID());
    await request(broker, first ?? '', { email: 'grace@example.com', username: 'grace' });
    await replyTo(first ?? '');
    const refusals = [
      [email, { email: 'GRACE@example.com' }, 'email_taken'],
      [username, { username: 'Grace' }, 'username_taken'],
      [rejected, { email: 'eve@rejected.example' }, 'rejected'],
    ] as const;
    for (const [id = '', more, reason] of refusals) {
      const original_request = await request(broker, id, more);
      expect(await replyTo(id)).toMatchObject({
        event_type: 'user.creation_failed',
        reason,
        user_data: { original_request },
      });
      expect(await service.profileOf(id)).toBeUndefined();
    }
  });

  test('user.creation_cancelled and user.deleted delete the profile, and a request after them is refused', async ({
    broker,
  }) => {
    const deletions = [
      ['user.sync', (id: string) => cancelled(id)],
      ['user.deleted', (id: string) => deleted(id)],
    ] as const;
    for (const [key, messageOf] of deletions) {
      const id = randomUUID();
      await request(broker, id);
      await replyTo(id);
      await publishTo(broker, ['user_events', key], messageOf(id));
      await eventually(async () => (await service.profileOf(id)) === undefined);
      await request(broker, id);
      expect(await replyTo(id, 2)).toMatchObject({ reason: 'rejected' });
    }
  });

  test('an unreadable message is dropped, and the next request is answered', async ({ broker }) => {
    const id = randomUUID();
    await publishTo(broker, REQUEST, Buffer.from('{'));
    await publishTo(broker, REQUEST, Buffer.alloc(100_000, 'x'));
    await request(broker, id);
    await replyTo(id);
    await eventually(() => service.output().match(/dropped/g)?.length === 2);
  });

  test('requests that come while the service is away are answered when it is back', async ({
    broker,
  }) => {
    await service.kill();
    const ids = Array.from({ length: 5 }, () => randomUUID());
    for (const id of ids) await request(broker, id);
    expect(await readyIn(broker, 'user_service_queue')).toBe(5);
    await service.start();
    for (const id of ids) await replyTo(id);
  });

  test('the service consumes again after its broker was killed', async ({ broker }) => {
    await broker.kill();
    await broker.start();
    await replies.consume();
    const id = randomUUID();
    await request(broker, id);
    await replyTo(id);
    expect(await service.profileOf(id)).toBeDefined();
  });
});
