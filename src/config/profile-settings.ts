import type { EnvironmentReader } from './environment-reader.ts';
import { readWebhookSecret } from './webhook-secret.ts';

export interface HttpProfileSettings {
  readonly form: 'http';
  /** Without a slash at its end. */
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
}

export interface AmqpProfileSettings {
  readonly form: 'amqp';
  /** Of the RabbitMQ that gets the events. */
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
  readonly requestExchange: string;
  readonly requestKey: string;
  readonly replyExchange: string;
  readonly replyKey: string;
  readonly replyQueue: string;
}

/** How the profile service is asked; null: there is none. */
export type ProfileSettings = HttpProfileSettings | AmqpProfileSettings | null;

/** @param amqpUrl the RabbitMQ of the events; null: none is configured */
export function parseProfile(read: EnvironmentReader, amqpUrl: string | null): ProfileSettings {
  const overAmqp = read.choice('PROFILE_AMQP', ['false', 'true']) === 'true';
  const url = read.url('PROFILE_URL', ['http:', 'https:']);
  if (!overAmqp && url === null) return null;
  const secret = readWebhookSecret(read, 'PROFILE_SECRET');
  if (!overAmqp) return { form: 'http', url: checked(read, url ?? ''), secret };
  if (url !== null) read.refuse('PROFILE_URL', 'must not be set when PROFILE_AMQP=true');
  if (amqpUrl === null) read.refuse('EVENTS_AMQP_URL', 'missing: PROFILE_AMQP=true uses it');
  return {
    form: 'amqp',
    url: amqpUrl ?? '',
    secret,
    requestExchange: read.required('PROFILE_REQUEST_EXCHANGE'),
    requestKey: read.required('PROFILE_REQUEST_KEY'),
    replyExchange: read.required('PROFILE_REPLY_EXCHANGE'),
    replyKey: read.required('PROFILE_REPLY_KEY'),
    replyQueue: read.required('PROFILE_REPLY_QUEUE'),
  };
}

/** The id of a registration is appended to the URL. */
function checked(read: EnvironmentReader, url: string): string {
  const parsed = URL.parse(url);
  if (parsed?.username || parsed?.password) {
    read.refuse(
      'PROFILE_URL',
      'must not contain a user or password: requests are signed with PROFILE_SECRET',
    );
  }
  if (/[?#]/.test(url)) read.refuse('PROFILE_URL', 'must not contain a query or a fragment');
  return url;
}
