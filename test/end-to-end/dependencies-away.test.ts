// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { randomBytes } from 'node:crypto';
import { afterAll, beforeEach, describe, expect } from 'vitest';
import type { Api, Deployment } from '../support/deployment.ts';
import { test as base } from '../support/deployment-test.ts';
import { PROFILE_SECRET } from '../support/profile-site.ts';
import { RABBITMQ } from '../support/programs.ts';
import { Queue } from '../support/queue.ts';
import { startReceiver } from '../support/receiver.ts';

const PATIENCE_MS = 90_000;

const test = base.extend('hook', { scope: 'file' }, async ({}, { onCleanup }) => {
  const state = { isAway: false };
  const receiver = await startReceiver((response) => {
    response.writeHead(state.isAway ? 503 : 204).end();
  });
  onCleanup(() => receiver.close());
  return { ...receiver, state };
});

test.override('deploymentOptions', ({ broker, hook, profiles }) => ({
  env: {
    ENVIRONMENT: 'local',
    EVENTS_AMQP_URL: broker.url,
    EVENTS_WEBHOOK_URL: hook.url,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    PROFILE_URL: profiles.url,
    PROFILE_SECRET,
  },
}));

// PostgreSQL and Temporal have tests of their own: postgres-away and supervise.
describe.skipIf(RABBITMQ.path === null)('the log of a process', () => {
  let api: Api;
  let people = 0;
  /** Length of the log when a test began. */
  let from = 0;
  let queue: Queue;
  test.beforeAll(async ({ broker, deployment }) => {
    // Durable: an event that no queue takes would be a failed delivery.
    queue = await Queue.bind(broker, 'user_events');
    await deployment.setUp();
    api = await deployment.api();
    await api.says(/"worker is polling"/);
  });
  afterAll(() => queue.close());
  beforeEach(() => {
    from = api.output().length;
  });

  const begin = async (deployment: Deployment): Promise<string> => {
    people += 1;
    const email = `person-${people}@example.com`;
    return String((await deployment.register(api, email)).body['id']);
  };
  const complete = async (deployment: Deployment, id: string) =>
    await deployment.untilStatus(api, id, 'completed', PATIENCE_MS);
  /** Lines that report a loss or a return, since the test began. */
  const reported = (): string[] =>
    api
      .output()
      .slice(from)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { msg: string }).msg)
      .filter((message) => /\b(lost|restored|unreachable|reconnected|delivery)\b/.test(message));

  test('reports a Cognito that fails every call once, and its return once', async ({
    deployment,
  }) => {
    await complete(deployment, await begin(deployment));
    await deployment.pool.setFaults([{ operation: '*', fault: { kind: 'server' } }]);
    const ids = [await begin(deployment), await begin(deployment)];
    await api.says(/"Cognito: connection lost"/, PATIENCE_MS);
    await deployment.pool.clearFaults();
    for (const id of ids) await complete(deployment, id);
    expect(reported()).toEqual(['Cognito: connection lost', 'Cognito: connection restored']);
  });

  test('reports a profile service that fails every call once, and its return once', async ({
    deployment,
    profiles,
  }) => {
    profiles.setFaults({ method: 'PUT', fault: { kind: 'status', status: 503 } });
    const ids = [await begin(deployment), await begin(deployment)];
    await api.says(/"profile service: connection lost"/, PATIENCE_MS);
    profiles.clear();
    for (const id of ids) await complete(deployment, id);
    expect(reported()).toEqual([
      'profile service: connection lost',
      'profile service: connection restored',
    ]);
  });

  test('reports a webhook that refuses every event once, and its return once', async ({
    deployment,
    hook,
  }) => {
    hook.state.isAway = true;
    const refused = hook.received.length;
    for (let at = 0; at < 2; at += 1) await complete(deployment, await begin(deployment));
    await api.says(/"event delivery failed"/, PATIENCE_MS);
    await expect
      .poll(() => hook.received.length, { timeout: PATIENCE_MS })
      .toBeGreaterThan(refused + 2);
    hook.state.isAway = false;
    await api.says(/"event delivery restored"/, PATIENCE_MS);
    expect(reported()).toEqual(['event delivery failed', 'event delivery restored']);
  });

  test('reports a broker that is down once, and its return once', async ({
    broker,
    deployment,
  }) => {
    await broker.kill();
    await complete(deployment, await begin(deployment));
    await api.says(/"broker unreachable; reconnecting"/, PATIENCE_MS);
    await broker.start();
    await api.says(/"broker reconnected"/, PATIENCE_MS);
    expect(reported()).toEqual(['broker unreachable; reconnecting', 'broker reconnected']);
  });
});
