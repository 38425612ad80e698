import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { type Api, type Answer, Deployment } from '../support/deployment.ts';
import { type OwnTemporal, ownTemporal } from '../support/own-temporal.ts';

// The sweep, every second here, starts what is 5 s old.
const BACK_MS = 45_000;
const roles = ['viewer'];
const PASSWORD = 'Correct-Horse-9-Battery';

let temporal: OwnTemporal | undefined;
let deployment: Deployment;
beforeAll(async () => {
  temporal = await ownTemporal();
  if (!temporal) return;
  await temporal.start();
  const env = { SWEEP_INTERVAL_SECONDS: '1' };
  deployment = await Deployment.make({ temporalAddress: temporal.address, env });
  await deployment.setUp();
});
afterAll(async () => {
  if (!temporal) return;
  await deployment.stop();
  await temporal.remove();
});

async function acceptedWhileAway(api: Api, email: string): Promise<Answer> {
  const answer = await deployment.register(api, email);
  expect(answer).toMatchObject({ status: 202, body: { status: 'accepted', userId: null } });
  expect(answer.tookMs).toBeLessThan(1000);
  const { body } = await deployment.call(api, 'GET', `/registrations/${String(answer.body['id'])}`);
  expect(body).toMatchObject({ status: 'accepted' });
  expect((await deployment.call(api, 'GET', '/health/ready')).body).toMatchObject({
    status: 'ok',
    postgres: 'ok',
    temporal: 'degraded',
  });
  return answer;
}

test('a registration is accepted with 202 while Temporal is unreachable and completes when it is back', async (context) => {
  if (!temporal) return context.skip('no Temporal program here');
  await temporal.stop();
  const api = await deployment.api();
  const first = await acceptedWhileAway(api, 'before@example.com');

  await temporal.start();
  const before = String(first.body['id']);
  const receipt = await deployment.untilStatus(api, before, 'completed', BACK_MS);
  expect(receipt.body).toMatchObject({ roles, failure: null });
  const direct = await deployment.register(api, 'between@example.com', { prefer: 'wait=10' });
  expect(direct.status).toBe(201);

  // The same, gone under an API that was connected.
  await temporal.stop();
  await expect
    .poll(async () => (await deployment.call(api, 'GET', '/health/ready')).body['temporal'], {
      timeout: 30_000,
    })
    .toBe('degraded');
  const second = await acceptedWhileAway(api, 'after@example.com');
  await temporal.start();
  const after = String(second.body['id']);
  await deployment.untilStatus(api, after, 'completed', BACK_MS);

  const users = (await deployment.users()).toSorted((a, b) => (a.email < b.email ? -1 : 1));
  expect(users).toEqual([
    { email: 'after@example.com', mark: after, roles },
    { email: 'before@example.com', mark: before, roles },
    { email: 'between@example.com', mark: direct.body['id'], roles },
  ]);
});

test('the API wipes expired passwords although Temporal was never reachable', async () => {
  const database = await createTestDatabase();
  const without = await Deployment.make({
    database,
    temporalAddress: '127.0.0.1:1',
    env: { PASSWORD_SEALING_KEYS: `k1:${Buffer.alloc(32).toString('base64')}` },
  });
  const admin = postgres(database.url, { max: 1 });
  const sealOf = async (id: unknown) => {
    const [row] = await admin`SELECT sealed_password FROM registrations WHERE id = ${String(id)}`;
    return row?.['sealed_password'] as Uint8Array | null | undefined;
  };
  try {
    const first = await without.api();
    const body = { email: 'sealed@example.com', roles, password: PASSWORD };
    const { status, body: receipt } = await without.call(first, 'POST', '/registrations', body);
    expect(status).toBe(202);
    expect(await sealOf(receipt['id'])).toBeInstanceOf(Uint8Array);
    await first.kill();
    await admin`UPDATE registrations SET accepted_at = now() - interval '25 hours', sealed_at = now() - interval '25 hours'`;
    // It does so at once, and then every minute.
    const next = await without.api();
    await next.says(/"seals":1,.*"expired sealed passwords wiped"/);
    expect(await sealOf(receipt['id'])).toBeNull();
  } finally {
    await admin.end();
    await without.stop();
    await database.drop();
  }
});
