// `npm run soak-events`: 2,000 people register while the broker is away for half a minute.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';
import { type Api } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { Queue } from '../support/queue.ts';
import { test } from '../support/deployment-test.ts';

const PEOPLE = 2000;
/** Cognito refuses every twentieth for good. */
const REFUSED_EVERY = 20;
const PER_SECOND = 15;
const AT_ONCE = 16;
const AWAY_MS = 30_000;
const EXCHANGE = 'people';
const PATIENCE_MS = 15 * 60_000;

test.override('deploymentOptions', ({ broker }) => ({
  env: {
    EVENTS_AMQP_URL: broker.url,
    EVENTS_AMQP_EXCHANGE: EXCHANGE,
    COGNITO_CREATE_RPS: '0',
    COGNITO_UPDATE_RPS: '0',
  },
}));

let queue: Queue;
let api: Api;
const stops: (() => Promise<void>)[] = [];
test.beforeAll(async ({ broker, deployment }) => {
  queue = await Queue.bind(broker, EXCHANGE);
  stops.push(() => queue.close());
  await deployment.setUp();
  api = await deployment.api();
  await deployment.worker();
});
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

test(
  '2,000 user.created for 2,000 registrations, and none for a refused one',
  async ({ broker, deployment }) => {
    await deployment.pool.setFaults([
      {
        operation: 'AdminCreateUser',
        match: { email: 'refused-*' },
        fault: { kind: 'error', error: 'InvalidParameterException' },
      },
    ]);
    const completed = new Set<string>();
    const refused = new Set<string>();
    const total = PEOPLE + PEOPLE / REFUSED_EVERY;
    const began = performance.now();
    let next = 0;

    const registerOne = async (index: number): Promise<void> => {
      const isRefused = index % (REFUSED_EVERY + 1) === REFUSED_EVERY;
      const email = `${isRefused ? 'refused' : 'person'}-${index}@example.com`;
      await sleep(Math.max(0, began + (index * 1000) / PER_SECOND - performance.now()));
      const { status, body } = await deployment.register(api, email, { prefer: 'wait=60' });
      const code = body['code'] ?? null;
      const wanted = isRefused ? [422, 'registration_rejected'] : [201, null];
      expect([status, code]).toEqual(wanted);
      if (isRefused) refused.add(String(body['registrationId']));
      else completed.add(String(body['id']));
    };
    const line = async (): Promise<void> => {
      while (next < total) await registerOne(next++);
    };
    const outage = async (): Promise<number> => {
      await eventually(() => completed.size > PEOPLE / 3, PATIENCE_MS);
      await broker.stop();
      const before = completed.size;
      // The outage itself, not a guess at when something is done.
      await sleep(AWAY_MS);
      const meanwhile = completed.size - before;
      await broker.start();
      await queue.consume();
      return meanwhile;
    };
    const lines = Array.from({ length: AT_ONCE }, line);
    const [meanwhile] = await Promise.all([outage(), ...lines]);
    expect(meanwhile).toBeGreaterThan(0);
    expect([completed.size, refused.size]).toEqual([PEOPLE, PEOPLE / REFUSED_EVERY]);

    await queue.until(PEOPLE, PATIENCE_MS);
    // The last registration of all is told last: whatever comes after it would have come.
    const last = await deployment.register(api, 'last@example.com', { prefer: 'wait=60' });
    completed.add(String(last.body['id']));
    await queue.until(PEOPLE + 1);
    const bodies = queue.bodies();
    expect(new Set(bodies.map((body) => body.registration_id))).toEqual(completed);
    expect(queue.ids().size).toBe(PEOPLE + 1);
    expect(bodies.every((body) => body.event_type === 'user.created')).toBe(true);
    expect(bodies.filter((body) => refused.has(body.registration_id))).toEqual([]);
    const seconds = Math.round((performance.now() - began) / 1000);
    process.stdout.write(
      `${PEOPLE} events in ${seconds} s, ${meanwhile} registrations while the broker was away, ${
        bodies.length - queue.ids().size
      } told twice\n`,
    );
  },
  PATIENCE_MS * 2,
);
