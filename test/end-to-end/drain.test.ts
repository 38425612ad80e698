import { expect } from 'vitest';
import { isAlive } from '../../dev/stack/orphan.ts';
import { alive, familyOf } from './processes.ts';
import { test } from '../support/deployment-test.ts';

// Requests get 5 s and the worker 10 s: see "Layout" in the design.
const DRAIN_MS = 17_000;

test('SIGTERM ends a waiting request at once with the current receipt, and the process with code 0 soon after', async ({
  deployment,
}) => {
  const api = await deployment.api();
  await api.says(/"worker is polling"/);
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'latency', ms: 60_000 } },
  ]);
  const waiting = deployment.register(api, 'waits@example.com', { prefer: 'wait=30' });
  await deployment.untilCalled('AdminAddUserToGroup');

  const signalled = performance.now();
  api.signal('SIGTERM');
  const answer = await waiting;
  expect(performance.now() - signalled).toBeLessThan(1000);
  expect(answer).toMatchObject({ status: 202, body: { status: 'running' } });
  await expect(fetch(`${api.url}/health/live`)).rejects.toThrow('fetch failed');
  expect(await api.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - signalled).toBeLessThan(DRAIN_MS);
  expect(isAlive(api.pid)).toBe(false);
  expect(api.output()).toContain('API stopped');

  await deployment.pool.clearFaults();
  const next = await deployment.api();
  const id = String(answer.body['id']);
  await deployment.untilStatus(next, id, 'completed', 30_000);
  const roles = ['viewer'];
  expect(await deployment.users()).toEqual([{ email: 'waits@example.com', mark: id, roles }]);
});

test('a stream follows a registration to its end, and SIGTERM ends another stream and the process at once', async ({
  deployment,
}) => {
  const api = await deployment.api();
  await api.says(/"worker is polling"/);
  const { body } = await deployment.register(api, 'followed@example.com');
  const followed = await deployment.stream(api, String(body['id']));
  const statuses: unknown[] = [];
  for (let next = await followed.event(); next; next = await followed.event()) {
    statuses.push(next.data.status);
  }
  expect(statuses.at(-1)).toBe('completed');

  await deployment.pool.clearCalls();
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } },
  ]);
  const retried = await deployment.register(api, 'streams@example.com');
  await deployment.untilCalled('AdminAddUserToGroup');
  const stream = await deployment.stream(api, String(retried.body['id']));
  expect((await stream.event())?.data.status).toBe('running');
  const signalled = performance.now();
  api.signal('SIGTERM');
  while (await stream.next());
  expect(performance.now() - signalled).toBeLessThan(1000);
  expect(await api.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - signalled).toBeLessThan(DRAIN_MS);
  await deployment.pool.clearFaults();
});

test('SIGTERM to npm ends an idle API with a kept connection with code 0 within seconds', async ({
  deployment,
}) => {
  const api = await deployment.api({}, 'npm');
  await api.says(/"worker is polling"/);
  expect((await deployment.call(api, 'GET', '/health/ready')).status).toBe(200);
  const family = await familyOf(api.pid);
  const signalled = performance.now();
  api.signal('SIGTERM');
  expect(await api.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - signalled).toBeLessThan(7_000);
  expect(await alive(family)).toEqual([]);
});

test('SIGTERM to a worker lets the running activity finish, and it is not repeated', async ({
  deployment,
}) => {
  await deployment.pool.clearCalls();
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'server' } },
    { operation: 'AdminAddUserToGroup', after: 1, fault: { kind: 'latency', ms: 1500 } },
  ]);
  const api = await deployment.api({ IN_PROCESS_WORKER: 'false' });
  const worker = await deployment.worker();
  const { body } = await deployment.register(api, 'rollout@example.com');
  await deployment.untilCalled('AdminAddUserToGroup', 2);
  worker.signal('SIGTERM');
  expect(await worker.exit).toEqual({ code: 0, signal: null });
  await deployment.worker();
  await deployment.untilStatus(api, String(body['id']), 'completed', 30_000);
  expect((await deployment.pool.calls())['AdminAddUserToGroup']).toEqual({ calls: 2, done: 1 });
});
