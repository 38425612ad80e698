import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { activityHolder, hasIdentity } from '../support/activity-holder.ts';
import { type Api, Deployment } from '../support/deployment.ts';
import type { Program } from '../support/program.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';

const OVERTAKEN_MS = 10_000;

let connection: NativeConnection;
let client: Client;
beforeAll(async () => {
  connection = await connectToTemporal();
  client = new Client({ connection, namespace: TEST_NAMESPACE });
});
afterAll(() => connection.close());

let deployment: Deployment;
let api: Api;
let workers: Program[];
beforeEach(async () => {
  deployment = await Deployment.make();
  [api, ...workers] = await Promise.all([
    deployment.api({ IN_PROCESS_WORKER: 'false' }),
    deployment.worker(),
    deployment.worker(),
  ]);
});
afterEach(() => deployment.stop());

/** The worker whose workflow task is under way: the fast path runs inside of it. */
async function taskHolder(id: string): Promise<Program> {
  for (;;) {
    const { events } = await client.workflow.getHandle(workflowIdOf(id)).fetchHistory();
    const started = events?.findLast((event) => event.workflowTaskStartedEventAttributes);
    const worker = workers.find(hasIdentity(started?.workflowTaskStartedEventAttributes?.identity));
    if (worker) return worker;
    await sleep(20);
  }
}

async function killMidRun(id: string, holder: Program): Promise<void> {
  const { body } = await deployment.call(api, 'GET', `/registrations/${id}`);
  if (body['status'] !== 'running') throw new Error(`not mid-run: ${JSON.stringify(body)}`);
  await holder.kill();
  await deployment.untilStatus(api, id, 'completed', OVERTAKEN_MS);
}

test('a worker killed during the create on the fast path leaves one completed registration', async () => {
  const slow = { kind: 'latency', ms: 1500 } as const;
  await deployment.pool.setFaults([{ operation: 'AdminCreateUser', times: 1, fault: slow }]);
  const email = 'create@example.com';
  const { body } = await deployment.register(api, email);
  const id = String(body['id']);
  await deployment.untilCalled('AdminCreateUser');
  await killMidRun(id, await taskHolder(id));
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});

test('a worker killed between user and role on the fast path leaves one completed registration', async () => {
  const slow = { kind: 'latency', ms: 60_000 } as const;
  await deployment.pool.setFaults([{ operation: 'AdminAddUserToGroup', times: 1, fault: slow }]);
  const email = 'role@example.com';
  const { body } = await deployment.register(api, email);
  const id = String(body['id']);
  await deployment.untilCalled('AdminAddUserToGroup');
  await killMidRun(id, await taskHolder(id));
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});

test('a worker killed in an ordinary activity leaves one completed registration', async () => {
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', times: 1, fault: { kind: 'server' } },
    {
      operation: 'AdminAddUserToGroup',
      after: 1,
      times: 1,
      fault: { kind: 'latency', ms: 60_000 },
    },
  ]);
  const email = 'ordinary@example.com';
  const { body } = await deployment.register(api, email);
  const id = String(body['id']);
  await deployment.untilCalled('AdminAddUserToGroup', 2);
  await killMidRun(
    id,
    await activityHolder(client, workers, workflowIdOf(id), 'assignRole:viewer'),
  );
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});
