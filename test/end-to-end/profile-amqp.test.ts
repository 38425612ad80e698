import { Client } from '@temporalio/client';
import postgres from 'postgres';
import { afterAll, describe, expect } from 'vitest';
import { CutProxy } from '../support/cut-proxy.ts';
import type { Answer, Api, Deployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import type { ProfileService } from '../support/profile-service.ts';
import { profileEnvironment, test } from '../support/profile-test.ts';
import type { Program } from '../support/program.ts';
import { RABBITMQ } from '../support/programs.ts';
import { publishTo, readyIn } from '../support/publisher.ts';
import { Queue } from '../support/queue.ts';
import type { Broker } from '../support/rabbitmq.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';

const DEAD = 'auth_user_creation_queue.dead';
const PASSWORD = 'Correct-Horse-1';
/** A key of nobody else's. */
const HELD = 4712;
const PATIENCE_MS = 60_000;

test.override('deploymentOptions', ({ broker, profileService }) => ({
  env: {
    ...profileEnvironment(broker, profileService),
    RETRY_BUDGET_SECONDS: '2',
    RESUME_INTERVAL_SECONDS: '3600',
    SWEEP_INTERVAL_SECONDS: '2',
    PROPAGATION_GRACE_SECONDS: '1',
  },
}));

describe.skipIf(RABBITMQ.path === null)('a profile service behind RabbitMQ', () => {
  let sql: postgres.Sql;
  let api: Api;
  let worker: Program;
  let requests: Queue;
  let replies: Queue;
  const stops: (() => Promise<void>)[] = [];
  test.beforeAll(async ({ broker, database, deployment }) => {
    sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    stops.push(() => sql.end({ timeout: 1 }));
    requests = await Queue.bind(broker, 'user_events', '#');
    replies = await Queue.bind(broker, 'auth_events', '#');
    stops.push(
      () => requests.close(),
      () => replies.close(),
    );
    await deployment.setUp();
    [api, worker] = await Promise.all([
      deployment.api({ IN_PROCESS_WORKER: 'false' }),
      deployment.worker(),
    ]);
    // The reply queue is bound: no reply is lost from here on.
    await worker.says(/consuming profile replies/);
  });
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop();
  });

  const signUp = (deployment: Deployment, name: string, more: object = {}): Promise<Answer> =>
    deployment.call(api, 'POST', '/auth/register', {
      email: `${name}@example.com`,
      username: name,
      first_name: 'Ada',
      last_name: 'Lovelace',
      password: PASSWORD,
      ...more,
    });
  const register = (deployment: Deployment, name: string, wait = 30): Promise<Answer> =>
    deployment.register(api, `${name}@example.com`, { prefer: `wait=${wait}` });
  async function idOf(name: string): Promise<string> {
    const [row] = await sql<{ id: string }[]>`SELECT id FROM registrations
      WHERE email = ${`${name}@example.com`} ORDER BY accepted_at DESC LIMIT 1`;
    return row?.id ?? 'none';
  }
  const usersOf = async (deployment: Deployment, name: string) =>
    (await deployment.users()).filter(({ email }) => email === `${name}@example.com`);
  /** How many there are on either side. */
  async function left(deployment: Deployment, service: ProfileService, name: string) {
    const profiles = (await service.profiles()).filter(
      (one) => one.email === `${name}@example.com`,
    );
    return { users: (await usersOf(deployment, name)).length, profiles: profiles.length };
  }
  const cancellationsOf = (id: string) =>
    requests.messages.filter(
      ({ content, properties }) =>
        properties.correlationId === id && content.includes('user.creation_cancelled'),
    );
  const completes = (deployment: Deployment, id: string): Promise<Answer> =>
    deployment.untilStatus(api, id, 'completed', PATIENCE_MS);

  test('a sign-up creates the account and its profile, links it by id and publishes the event', async ({
    deployment,
    profileService,
  }) => {
    const answer = await signUp(deployment, 'ada');
    expect(answer.status).toBe(201);
    const id = await idOf('ada');
    const receipt = await completes(deployment, id);
    const profile = await profileService.profileOf(id);
    expect(profile).toMatchObject({
      email: 'ada@example.com',
      username: 'ada',
      user_id: answer.body['user_id'],
    });
    expect(receipt.body['profileId']).toBe(profile?.id);
    await eventually(() =>
      requests.messages.some(
        ({ content, fields }) => fields.routingKey === 'user.created' && content.includes(id),
      ),
    );
  });

  test('a taken e-mail or username in the profile service answers the words of sign-up', async ({
    broker,
    deployment,
    profileService,
  }) => {
    const registration_id = '00000000-0000-4000-8000-000000000001';
    const user_data = {
      registration_id,
      user_id: 'x',
      email: 'held@example.com',
      username: 'held',
    };
    const message = { event_type: 'user.created', user_data };
    await publishTo(broker, ['user_events', 'user.sync'], message);
    await eventually(async () => (await profileService.profileOf(registration_id)) !== undefined);
    const email = await signUp(deployment, 'held', { username: 'free' });
    expect(email).toMatchObject({ status: 400, body: { detail: 'Email already exists' } });
    const username = await signUp(deployment, 'other', { username: 'held' });
    expect(username).toMatchObject({ status: 400, body: { detail: 'Username already exists' } });
    expect(await left(deployment, profileService, 'held')).toEqual({ users: 0, profiles: 1 });
    expect(await left(deployment, profileService, 'other')).toEqual({ users: 0, profiles: 0 });
    // Its answer says nothing of a request of ours.
    await eventually(async () => (await readyIn(broker, DEAD)) === 1);
  });

  test('a person whom the profile service rejects leaves no user and no profile', async ({
    deployment,
    profileService,
  }) => {
    const email = 'eve@rejected.example';
    const answer = await deployment.register(api, email, { prefer: 'wait=30' });
    expect(answer).toMatchObject({ status: 422, body: { code: 'profile_rejected' } });
    expect((await deployment.users()).filter((user) => user.email === email)).toEqual([]);
    expect((await profileService.profiles()).filter((one) => one.email === email)).toEqual([]);
  });

  test('a role that fails for good after the profile takes user and profile back', async ({
    deployment,
    profileService,
  }) => {
    await deployment.pool.setFaults([
      {
        operation: 'AdminAddUserToGroup',
        match: { email: 'norole@example.com' },
        fault: { kind: 'error', error: 'ResourceNotFoundException' },
      },
    ]);
    const answer = await register(deployment, 'norole');
    expect(answer.status).toBe(500);
    const id = await idOf('norole');
    await deployment.untilStatus(api, id, 'failed', PATIENCE_MS);
    await deployment.pool.setFaults([]);
    expect(replies.messages.some(({ properties }) => properties.correlationId === id)).toBe(true);
    await eventually(async () => (await profileService.profileOf(id)) === undefined);
    expect(await left(deployment, profileService, 'norole')).toEqual({ users: 0, profiles: 0 });
  });

  test('a registration parks while the profile service is away, and its late answer resumes it', async ({
    deployment,
    profileService,
  }) => {
    await profileService.kill();
    const { body } = await register(deployment, 'late');
    expect(body).toMatchObject({
      status: 'roles_pending',
      failure: { code: 'profile_unavailable' },
      profileId: null,
    });
    await profileService.start();
    const receipt = await completes(deployment, String(body['id']));
    const profile = await profileService.profileOf(String(body['id']));
    expect(receipt.body['profileId']).toBe(profile?.id);
    expect(await left(deployment, profileService, 'late')).toEqual({ users: 1, profiles: 1 });
  });

  test('a service that is killed between its commit and its answer answers after its restart', async ({
    broker,
    deployment,
    profileService,
  }) => {
    await profileService.kill();
    const proxy = await CutProxy.to(broker.url);
    await profileService.start({ EVENTS_AMQP_URL: proxy.urlOf(broker.url) });
    proxy.swallow();
    const registering = register(deployment, 'cut');
    await eventually(async () => (await profileService.profileOf(await idOf('cut'))) !== undefined);
    const id = await idOf('cut');
    const committed = await profileService.profileOf(id);
    await profileService.kill();
    await proxy.close();
    expect(replies.messages.filter(({ properties }) => properties.correlationId === id)).toEqual(
      [],
    );
    await profileService.start();
    await registering;
    const receipt = await completes(deployment, id);
    expect(receipt.body['profileId']).toBe(committed?.id);
    expect(await left(deployment, profileService, 'cut')).toEqual({ users: 1, profiles: 1 });
  });

  test('an answer that comes twice changes nothing', async ({ broker, deployment }) => {
    const { body } = await register(deployment, 'twice');
    const id = String(body['id']);
    const [reply] = replies.messages.filter(({ properties }) => properties.correlationId === id);
    const dead = await readyIn(broker, DEAD);
    await publishTo(broker, ['auth_events', 'user.created'], reply?.content ?? {});
    await eventually(async () => (await readyIn(broker, 'auth_user_creation_queue')) === 0);
    const after = await deployment.call(api, 'GET', `/registrations/${id}`);
    expect(after.body['profileId']).toBe(body['profileId']);
    expect(await readyIn(broker, DEAD)).toBe(dead);
  });

  test('an answer after the cancel leaves no profile, and the cancellation is sent again', async ({
    deployment,
    profileService,
  }) => {
    const { body: held } = await register(deployment, 'source');
    const [request] = requests.messages.filter(
      ({ properties, fields }) =>
        properties.correlationId === held['id'] && fields.routingKey === 'user.sync',
    );
    expect(request).toBeDefined();
    await profileService.kill();
    const { body } = await register(deployment, 'cancelled');
    const id = String(body['id']);
    await deployment.call(api, 'POST', `/registrations/${id}/cancel`);
    await deployment.untilStatus(api, id, 'cancelled', PATIENCE_MS);
    await eventually(() => cancellationsOf(id).length === 1);
    // It finds the request and the cancellation in its queue, and answers the request.
    await profileService.start();
    await eventually(() => replies.messages.some((one) => one.properties.correlationId === id));
    await eventually(() => cancellationsOf(id).length > 1);
    await eventually(async () => (await profileService.profileOf(id)) === undefined);
    expect(await left(deployment, profileService, 'cancelled')).toEqual({ users: 0, profiles: 0 });
  });

  /** The row waits from here on for whoever writes a decision of the profile service to it. */
  async function holdDecisions(): Promise<() => Promise<void>> {
    await sql.unsafe(`CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(${HELD}); RETURN NEW; END $$;
      CREATE TRIGGER hold BEFORE UPDATE ON registrations FOR EACH ROW
        WHEN (NEW.profile_outcome IS DISTINCT FROM OLD.profile_outcome) EXECUTE FUNCTION hold()`);
    const holder = await sql.reserve();
    await holder`SELECT pg_advisory_lock(${HELD})`;
    return async () => {
      await holder`SELECT pg_advisory_unlock(${HELD})`;
      holder.release();
      await sql`DROP TRIGGER hold ON registrations`;
    };
  }
  const waitsForHeld = async (): Promise<boolean> => {
    const waiting = await sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
      AND objid = ${HELD} AND NOT granted`;
    return waiting.length > 0;
  };
  async function expectOneOf(
    deployment: Deployment,
    service: ProfileService,
    broker: Broker,
    name: string,
  ): Promise<void> {
    const id = await idOf(name);
    const receipt = await completes(deployment, id);
    expect(receipt.body['profileId']).toBe((await service.profileOf(id))?.id);
    expect(await left(deployment, service, name)).toEqual({ users: 1, profiles: 1 });
    expect(await readyIn(broker, 'auth_user_creation_queue')).toBe(0);
  }

  test('a consumer that is killed -9 between the message and the row loses no reply', async ({
    broker,
    deployment,
    profileService,
  }) => {
    const release = await holdDecisions();
    const registering = register(deployment, 'before-row');
    await eventually(waitsForHeld);
    await worker.kill();
    await eventually(async () => !(await waitsForHeld()));
    await release();
    const [row] = await sql`SELECT profile_outcome FROM registrations
      WHERE id = ${await idOf('before-row')}`;
    expect(row?.['profile_outcome']).toBeNull();
    worker = await deployment.worker();
    await registering;
    await expectOneOf(deployment, profileService, broker, 'before-row');
  });

  test('a consumer that is killed -9 between the row and its acknowledgement doubles no reply', async ({
    broker,
    deployment,
    profileService,
  }) => {
    await worker.kill();
    const proxy = await CutProxy.to(broker.url);
    worker = await deployment.worker({ EVENTS_AMQP_URL: proxy.urlOf(broker.url) });
    await worker.says(/consuming profile replies/);
    const dead = await readyIn(broker, DEAD);
    const release = await holdDecisions();
    const registering = register(deployment, 'after-row');
    await eventually(waitsForHeld);
    // The reply is in its hands, and no acknowledgement of it arrives.
    proxy.swallow();
    await release();
    const id = await idOf('after-row');
    await eventually(async () => {
      const [row] = await sql`SELECT profile_outcome FROM registrations WHERE id = ${id}`;
      return row?.['profile_outcome'] === 'created';
    });
    await worker.kill();
    await proxy.close();
    expect(await readyIn(broker, 'auth_user_creation_queue')).toBe(1);
    worker = await deployment.worker();
    await registering;
    await eventually(async () => (await readyIn(broker, 'auth_user_creation_queue')) === 0);
    await expectOneOf(deployment, profileService, broker, 'after-row');
    expect(await readyIn(broker, DEAD)).toBe(dead);
  });

  test('every run is closed, and nobody is completed without a profile', async ({
    deployment,
    profileService,
  }) => {
    const rows = await sql<{ id: string; profile_id: string }[]>`SELECT id, profile_id
      FROM registrations WHERE status = 'completed'`;
    const profiles = new Map(
      (await profileService.profiles()).map((one) => [one.registration_id, one.id]),
    );
    for (const { id, profile_id } of rows) expect(profiles.get(id)).toBe(profile_id);
    const open = await sql`SELECT FROM registrations
      WHERE status NOT IN ('completed', 'failed', 'cancelled')`;
    expect(open).toHaveLength(0);
    const connection = await connectToTemporal();
    const { workflow } = new Client({ connection, namespace: TEST_NAMESPACE });
    const query = `WorkflowType = 'registerUser' AND ExecutionStatus = 'Running'
      AND TaskQueue = '${deployment.taskQueue}'`;
    await eventually(async () => (await workflow.count(query)).count === 0);
    await connection.close();
  });
});
