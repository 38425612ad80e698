import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { afterAll, expect } from 'vitest';
import type { PoolReport } from '../../activities/contract.ts';
import { addUser } from '../support/pool-user.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', { env: { PROPAGATION_GRACE_SECONDS: '0' } });

let connection: NativeConnection;
test.beforeAll(async ({ deployment }) => {
  connection = await connectToTemporal();
  for (let index = 0; index < 130; index += 1) {
    await addUser(deployment.pool, `foreign-${index}@example.com`);
  }
});
afterAll(async () => {
  await connection.close();
});

/** The server has been told how far the comparison came. */
async function toldOfAPage(handle: WorkflowHandle): Promise<void> {
  for (;;) {
    const { raw } = await handle.describe();
    if (raw.pendingActivities?.some(({ heartbeatDetails }) => heartbeatDetails)) return;
    await sleep(50);
  }
}

test('when a worker is killed during a comparison, the next worker resumes from its page', async ({
  deployment,
}) => {
  await deployment.pool.setFaults([
    { operation: 'ListUsers', after: 1, times: 1, fault: { kind: 'latency', ms: 3500 } },
  ]);
  const worker = await deployment.worker();
  const client = new Client({ connection, namespace: TEST_NAMESPACE });
  const handle = await client.workflow.start('comparePool', {
    workflowId: `compare/${randomUUID()}`,
    taskQueue: deployment.taskQueue,
  });
  await deployment.untilCalled('ListUsers', 2);
  await toldOfAPage(handle);
  await worker.kill();
  await deployment.worker();
  const report = (await handle.result()) as PoolReport;
  expect(report).toMatchObject({ users: 130, foreign: 130, findings: [] });
  // Three pages, and the second once more.
  expect((await deployment.pool.calls())['ListUsers']?.calls).toBe(4);
});

test('npm run compare-pool exits with 0 when pool and ledger agree, 2 when they differ, 1 when it cannot tell', async ({
  deployment,
}) => {
  const compare = (env?: Record<string, string>) => deployment.command('cli/compare-pool.ts', env);
  expect(await compare()).toMatchObject({ code: 0 });
  const mark = randomUUID();
  await addUser(deployment.pool, 'orphan@example.com', { mark });
  const differs = await compare();
  expect(differs.code).toBe(2);
  expect(differs.output).toContain(`"kind":"orphan","registrationId":"${mark}"`);
  expect(differs.output).not.toContain('@example.com');
  expect((await compare({ COGNITO_ENDPOINT: 'http://127.0.0.1:9' })).code).toBe(1);
});
