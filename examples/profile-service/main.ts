// A small profile service, to run and to copy: see README.md beside it.
import { serve } from '@hono/node-server';
import { z } from 'zod';
import { consumeRequests } from './amqp.ts';
import { createApp } from './http.ts';
import { openProfiles } from './profiles.ts';

const Environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(3100),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: z.url(),
  PROFILE_SECRET: z.string().startsWith('whsec_'),
  // As Registrar reads them: the form over RabbitMQ beside the one over HTTP.
  PROFILE_AMQP: z.enum(['true', 'false']).default('false'),
  EVENTS_AMQP_URL: z.string().default(''),
  PROFILE_REQUEST_EXCHANGE: z.string().default('user_events'),
  PROFILE_REQUEST_KEY: z.string().default('user.sync'),
  PROFILE_REPLY_EXCHANGE: z.string().default('auth_events'),
  PROFILE_REPLY_KEY: z.string().default('user.created'),
  PROFILE_REQUEST_QUEUE: z.string().default('user_service_queue'),
  /** Domains of e-mail addresses that may have no profile, separated by commas. */
  REJECTED_DOMAINS: z.string().default('rejected.example'),
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const set = Object.entries(process.env).filter(([, value]) => value !== '');
const env = Environment.parse(Object.fromEntries(set));
const over = new AbortController();
const profiles = await openProfiles(env.DATABASE_URL, env.REJECTED_DOMAINS.split(','));
const { fetch } = createApp(profiles, env.PROFILE_SECRET);
const server = serve({ fetch, port: env.PORT, hostname: env.HOST }, ({ port }) =>
  print(`The profile service is running: http://${env.HOST}:${port}/profiles`),
);
server.on('error', (error) => {
  process.stderr.write(`profile service: ${error.message}\n`);
  process.exit(1);
});
const settings = {
  url: env.EVENTS_AMQP_URL,
  requestExchange: env.PROFILE_REQUEST_EXCHANGE,
  requestKey: env.PROFILE_REQUEST_KEY,
  replyExchange: env.PROFILE_REPLY_EXCHANGE,
  replyKey: env.PROFILE_REPLY_KEY,
  queue: env.PROFILE_REQUEST_QUEUE,
};
const consuming =
  env.PROFILE_AMQP === 'false' ? null : consumeRequests(settings, profiles, over.signal, print);

async function stop(): Promise<void> {
  over.abort();
  await consuming;
  await new Promise((resolve) => server.close(resolve));
  await profiles.close();
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void stop().then(() => process.exit(0)));
}
