import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { afterAll, expect } from 'vitest';
import { workflowIdOf } from '../../src/domain/registration.ts';
import { type Api } from '../support/deployment.ts';
import { connectToTemporal, TEST_NAMESPACE } from '../support/temporal.ts';
import { test } from '../support/deployment-test.ts';

const REGISTRATIONS = 200;
const AT_ONCE = 50;
const CREATES = 20;
const UPDATES = 16;

test.override('deploymentOptions', {
  env: {
    COGNITO_CREATE_RPS: String(CREATES),
    COGNITO_UPDATE_RPS: String(UPDATES),
    RETRY_BUDGET_SECONDS: '2',
    SWEEP_INTERVAL_SECONDS: '5',
  },
});

let connection: NativeConnection;
let client: Client;
let api: Api;
test.beforeAll(async ({ deployment }) => {
  connection = await connectToTemporal();
  client = new Client({ connection, namespace: TEST_NAMESPACE });
  await deployment.setUp();
  [api] = await Promise.all([deployment.api(), deployment.worker()]);
});
afterAll(async () => {
  await connection.close();
});

/** How many calls came too early, over every stretch of time. On a busy machine a call may come a
 * second after its turn, and so meet the next second's. */
function tooEarly(times: readonly number[], perSecond: number): number {
  const burst = Math.floor(perSecond / 4);
  const tooMany = (from: number, to: number) => {
    const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / 1000;
    return to - from + 1 > perSecond * (seconds + 1) + burst;
  };
  return times.filter((_, to) => times.some((_at, from) => from < to && tooMany(from, to))).length;
}

async function eventsOf(id: string): Promise<number> {
  const { events } = await client.workflow.getHandle(workflowIdOf(id)).fetchHistory();
  return events?.length ?? 0;
}

test('200 registrations over two processes stay within the quota and all complete without parking', async ({
  deployment,
}) => {
  const ids: string[] = [];
  // What has more than a hundred starts on its way leaves the rest to the sweep.
  for (let from = 0; from < REGISTRATIONS; from += AT_ONCE) {
    const emails = Array.from({ length: AT_ONCE }, (_, at) => `limit-${from + at}@example.com`);
    const answers = await Promise.all(emails.map((email) => deployment.register(api, email)));
    ids.push(...answers.map(({ body }) => String(body['id'])));
  }
  for (const id of ids) {
    const { body } = await deployment.untilStatus(api, id, 'completed', 90_000);
    expect(JSON.stringify(body['timeline'])).not.toContain('registration.parked');
  }

  const creates = await deployment.pool.callTimes('AdminCreateUser');
  const updates = await deployment.pool.callTimes('AdminAddUserToGroup');
  // An attempt that a busy machine let run out is made again, and takes its place in the queue again.
  expect(Math.min(creates.length, updates.length)).toBeGreaterThanOrEqual(REGISTRATIONS);
  expect([tooEarly(creates, CREATES), tooEarly(updates, UPDATES)]).toEqual([0, 0]);
  // Both paths draw from the same: some went through at once, and others waited.
  const events = await Promise.all(ids.map(eventsOf));
  expect(Math.min(...events)).toBe(6);
  expect(Math.max(...events)).toBeGreaterThan(20);
});
