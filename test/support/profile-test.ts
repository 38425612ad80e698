import { randomBytes } from 'node:crypto';
import { test as base } from './deployment-test.ts';
import { ProfileService } from './profile-service.ts';

/** With `profileService`: the example as a process, behind the file's broker. */
export const test = base.extend(
  'profileService',
  { scope: 'file' },
  async ({ broker }, { onCleanup }) => {
    const env = { PROFILE_AMQP: 'true', EVENTS_AMQP_URL: broker.url };
    const service = await ProfileService.start(env);
    onCleanup(() => service.remove());
    return service;
  },
);

/** What a deployment is told of a profile service behind RabbitMQ. */
export function profileEnvironment(
  broker: { readonly url: string },
  service: Pick<ProfileService, 'secret'>,
): Record<string, string> {
  return {
    EVENTS_AMQP_URL: broker.url,
    PROFILE_AMQP: 'true',
    PROFILE_SECRET: service.secret,
    DOORS: 'signup,session',
    REGISTER_LIMIT_PER_MINUTE: '10000',
    PASSWORD_SEALING_KEYS: `profiles:${randomBytes(32).toString('base64')}`,
  };
}
