import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { expect } from 'vitest';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { activityHolder, hasIdentity } from '../support/activity-holder.ts';
import type { Program } from '../support/program.ts';
import { test, type Site } from '../support/two-workers-test.ts';

const OVERTAKEN_MS = 10_000;

/** The worker whose workflow task is under way: the fast path runs inside of it. */
async function taskHolder(client: Client, { workers }: Site, id: string): Promise<Program> {
  for (;;) {
    const { events } = await client.workflow.getHandle(workflowIdOf(id)).fetchHistory();
    const started = events?.findLast((event) => event.workflowTaskStartedEventAttributes);
    const worker = workers.find(hasIdentity(started?.workflowTaskStartedEventAttributes?.identity));
    if (worker) return worker;
    await sleep(20);
  }
}

async function killMidRun({ deployment, api }: Site, id: string, holder: Program): Promise<void> {
  const { body } = await deployment.call(api, 'GET', `/registrations/${id}`);
  if (body['status'] !== 'running') throw new Error(`not mid-run: ${JSON.stringify(body)}`);
  await holder.kill();
  await deployment.untilStatus(api, id, 'completed', OVERTAKEN_MS);
}

test('a worker killed during the create on the fast path leaves one completed registration', async ({
  client,
  site,
}) => {
  const { deployment, api } = site;
  const slow = { kind: 'latency', ms: 1500 } as const;
  await deployment.pool.setFaults([{ operation: 'AdminCreateUser', times: 1, fault: slow }]);
  const email = 'create@example.com';
  const { body } = await deployment.register(api, email);
  const id = String(body['id']);
  await deployment.untilCalled('AdminCreateUser');
  await killMidRun(site, id, await taskHolder(client, site, id));
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});

test('a worker killed between user and role on the fast path leaves one completed registration', async ({
  client,
  site,
}) => {
  const { deployment, api } = site;
  const slow = { kind: 'latency', ms: 60_000 } as const;
  await deployment.pool.setFaults([{ operation: 'AdminAddUserToGroup', times: 1, fault: slow }]);
  const email = 'role@example.com';
  const { body } = await deployment.register(api, email);
  const id = String(body['id']);
  await deployment.untilCalled('AdminAddUserToGroup');
  await killMidRun(site, id, await taskHolder(client, site, id));
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});

test('a worker killed in an ordinary activity leaves one completed registration', async ({
  client,
  site,
}) => {
  const { deployment, api } = site;
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
    site,
    id,
    await activityHolder(client, site.workers, workflowIdOf(id), 'assignRole:viewer'),
  );
  expect(await deployment.users()).toEqual([{ email, mark: id, roles: ['viewer'] }]);
});
