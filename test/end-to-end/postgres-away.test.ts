import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { type RunningPart, startPostgres } from '../../dev/stack/postgres.ts';
import { Deployment } from '../support/deployment.ts';

const AWAY_MS = 30_000;
/** What waits for the row is retried a minute apart at most. */
const BACK_MS = 90_000;

let home: string;
let port: number;
let postgres: RunningPart;
let deployment: Deployment;
const start = () => startPostgres({ home, port, ephemeral: true });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'registrar-postgres-'));
  await chmod(home, 0o755);
  port = await anyFreePort();
  postgres = await start();
  deployment = await Deployment.make({
    database: { ownerUrl: postgres.url, appUrl: postgres.url },
  });
});
afterAll(async () => {
  await deployment.stop();
  await postgres.stop();
  await rm(home, { recursive: true, force: true });
});

test('while PostgreSQL is down for 30 s new requests get 503, and a running saga completes afterwards', async () => {
  const api = await deployment.api();
  await api.says(/"worker is polling"/);
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'latency', ms: 1500 } },
  ]);
  const email = 'mid-saga@example.com';
  const { status, body } = await deployment.register(api, email);
  expect(status).toBe(202);
  await deployment.untilCalled('AdminAddUserToGroup');
  await postgres.stop();
  const back = Date.now() + AWAY_MS;

  const refused = await deployment.register(api, 'newcomer@example.com');
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused.tookMs).toBeLessThan(10_000);
  const ready = await deployment.call(api, 'GET', '/health/ready');
  expect(ready).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect((await deployment.call(api, 'GET', '/health/live')).status).toBe(200);
  // The outage itself, not a guess at when something is done.
  await sleep(back - Date.now());
  postgres = await start();

  const id = String(body['id']);
  await deployment.untilStatus(api, id, 'completed', BACK_MS);
  const answer = await deployment.call(api, 'GET', '/health/ready');
  expect(answer).toMatchObject({ status: 200, body: { worker: 'ok' } });
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
  // Once each, however many requests and probes asked between.
  await api.says(/"PostgreSQL: connection restored"/);
  expect(api.output().match(/"PostgreSQL: connection \w+"/g)).toEqual([
    '"PostgreSQL: connection lost"',
    '"PostgreSQL: connection restored"',
  ]);
  const again = await deployment.register(api, 'newcomer@example.com', { prefer: 'wait=20' });
  expect(again.status).toBe(201);
}, 180_000);
