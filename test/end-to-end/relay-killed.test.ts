import postgres from 'postgres';
import { afterAll, describe, expect } from 'vitest';
import { type Api, type Deployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import type { Program } from '../support/program.ts';
import { Queue } from '../support/queue.ts';
import { RABBITMQ } from '../support/programs.ts';
import { test } from '../support/deployment-test.ts';

const EXCHANGE = 'people';
/** A key of nobody else's. */
const HELD = 4711;
/** The heartbeat that is missed, the next attempt, and a busy machine. */
const OVERTAKEN_MS = 60_000;

test.override('deploymentOptions', ({ broker }) => ({
  env: { EVENTS_AMQP_URL: broker.url, EVENTS_AMQP_EXCHANGE: EXCHANGE },
}));

describe.skipIf(RABBITMQ.path === null)('with a real broker and processes', () => {
  let sql: postgres.Sql;
  let queue: Queue;
  let api: Api;
  let worker: Program;
  const stops: (() => Promise<void>)[] = [];
  test.beforeAll(async ({ broker, database, deployment }) => {
    sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    stops.push(() => sql.end({ timeout: 1 }));
    queue = await Queue.bind(broker, EXCHANGE, 'user.created');
    stops.push(() => queue.close());
    await deployment.setUp();
    [api, worker] = await Promise.all([
      deployment.api({ IN_PROCESS_WORKER: 'false' }),
      deployment.worker(),
    ]);
  });
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop();
  });

  async function register(deployment: Deployment, email: string): Promise<string> {
    const { status, body } = await deployment.register(api, email, { prefer: 'wait=30' });
    expect(status).toBe(201);
    return String(body['id']);
  }
  const idsFor = (registrationId: string): unknown[] =>
    queue.messages
      .filter((_, index) => queue.bodies()[index]?.registration_id === registrationId)
      .map(({ properties }) => properties.messageId);
  const isMarked = async (registrationId: string): Promise<boolean> => {
    const rows = await sql`SELECT 1 FROM outbox_deliveries d JOIN outbox o ON o.id = d.outbox_id
    WHERE o.registration_id = ${registrationId} AND d.destination = 'amqp'
    AND d.delivered_at IS NOT NULL`;
    return rows.length > 0;
  };

  test('an event whose worker is killed -9 between publish and mark is published again under the same id', async ({
    deployment,
  }) => {
    const first = await register(deployment, 'first@example.com');
    await eventually(() => idsFor(first).length === 1);
    await eventually(() => isMarked(first));

    // Marks wait from here on: the message is at the broker and the ledger does not know.
    await sql.unsafe(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(${HELD}); RETURN NEW; END $$;
    CREATE TRIGGER hold BEFORE UPDATE ON outbox_deliveries FOR EACH ROW
      WHEN (NEW.destination = 'amqp') EXECUTE FUNCTION hold()`);
    const holder = await sql.reserve();
    await holder`SELECT pg_advisory_lock(${HELD})`;
    const second = await register(deployment, 'second@example.com');
    await eventually(() => idsFor(second).length > 0);
    await worker.kill();
    // What the dead worker sent still waits in PostgreSQL: it ends without having marked anything.
    await eventually(async () => {
      const waiting = await sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
      AND objid = ${HELD} AND NOT granted`;
      return waiting.length === 0;
    });
    expect(await isMarked(second)).toBe(false);
    await holder`SELECT pg_advisory_unlock(${HELD})`;
    holder.release();
    const before = idsFor(second).length;

    worker = await deployment.worker();
    await eventually(() => idsFor(second).length > before, OVERTAKEN_MS);
    expect(new Set(idsFor(second)).size).toBe(1);
    await eventually(() => isMarked(second));
    expect(idsFor(first)).toHaveLength(1);
  });

  test('SIGTERM to the worker stops its relay loop, and another worker takes over', async ({
    deployment,
  }) => {
    const next = await deployment.worker();
    worker.signal('SIGTERM');
    expect(await worker.exit).toEqual({ code: 0, signal: null });
    const id = await register(deployment, 'third@example.com');
    await eventually(() => idsFor(id).length === 1, OVERTAKEN_MS);
    await eventually(() => isMarked(id));
    expect(next.output()).not.toContain('"level":50');
  });
});
