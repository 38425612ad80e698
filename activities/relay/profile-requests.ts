import type { AmqpProfileSettings } from '../../src/config/profile-settings.ts';
import { ProfileUnavailable } from '../../src/domain/profile.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import type { Availability } from '../../src/telemetry/availability.ts';
import type { StepLog } from '../step-context.ts';
import { publish, reasonOf, type Line, type Published } from './amqp-line.ts';
import { createBrokerConnection } from './broker-connection.ts';
import { messageOf, type ProfileMessage } from './profile-messages.ts';

export interface ProfileRequests extends ProfileService {
  /** Once no call is under way. */
  close(): Promise<void>;
}

/**
 * The profile service behind RabbitMQ: a request counts once the broker has confirmed it and a queue has
 * it. The decision comes later, to the reply queue. A request that is sent again has the same id.
 */
export function createProfileRequests(
  settings: AmqpProfileSettings,
  log: StepLog,
  broker?: Availability,
): ProfileRequests {
  const { url, secret, requestExchange, requestKey, replyQueue } = settings;
  const connection = createBrokerConnection(url, requestExchange, log, broker);
  /** By message id: an attempt that comes before the last one is over waits for its outcome. */
  const sending = new Map<string, Promise<Published>>();

  async function send(line: Line, id: string, message: ProfileMessage): Promise<Published> {
    try {
      return await publish(
        line,
        [requestExchange, requestKey],
        Buffer.from(JSON.stringify(message)),
        {
          messageId: id,
          correlationId: message.user_data.registration_id,
          replyTo: replyQueue,
          type: message.event_type,
          contentType: 'application/json',
          timestamp: Math.floor(Date.now() / 1000),
        },
      );
    } finally {
      sending.delete(id);
    }
  }

  async function deliver(id: string, message: ProfileMessage, signal: AbortSignal): Promise<void> {
    let line: Line;
    try {
      line = await connection.line(signal);
    } catch (error) {
      throw new ProfileUnavailable(reasonOf(error), false);
    }
    if (line.isBlocked()) throw new ProfileUnavailable(line.reason(), false);
    const sent = sending.get(id) ?? send(line, id, message);
    sending.set(id, sent);
    const late = Promise.withResolvers<never>();
    const end = (): void => late.reject(new ProfileUnavailable('no confirm in time', true));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    const published = await Promise.race([sent, late.promise]).finally(() =>
      signal.removeEventListener('abort', end),
    );
    if (published === 'confirmed') return connection.answered();
    // Where several queues are bound, one may have taken what another rejected.
    throw new ProfileUnavailable(published, published !== 'no queue bound');
  }

  return {
    learnsOfDeletionBy: 'event',
    async create(request, signal) {
      const message = messageOf('user.created', request, secret);
      await deliver(request.registrationId, message, signal);
      return { kind: 'awaits_reply' };
    },
    // Behind the request in the same queue. A service remembers whom it was told of, since its consumers may
    // handle the two in another order.
    async delete(request, signal) {
      const message = messageOf('user.creation_cancelled', request, secret);
      await deliver(`${request.registrationId}/cancelled`, message, signal);
      return 'final';
    },
    close: () => connection.close(),
  };
}
