import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { expect } from 'vitest';
import { workflowIdOf } from '../../../src/domain/registration.ts';
import { workflowBundle } from '../../../worker/bundle.ts';
import { replayLatest, type Misfit } from '../../../worker/replay.ts';
import { run, REPOSITORY } from '../../support/program.ts';
import type { Saga } from '../../support/saga.ts';
import { createScript } from '../../support/script.ts';
import { connectToTemporal, temporalAddress, TEST_NAMESPACE } from '../../support/temporal.ts';
import { test } from '../../support/saga-test.ts';

const script = createScript('ordinary');
test.override('sagaOptions', { wrap: script.wrap });

/** The workflow code with an activity under another id: what a careless change would make. */
let altered: WorkflowBundleWithSourceMap;
const ids: string[] = [];

const command = (saga: Saga, args: string[] = [], taskQueue = saga.taskQueue) =>
  run({
    command: 'node',
    args: [`${REPOSITORY}run.mjs`, `${REPOSITORY}cli/verify-replay.ts`, ...args],
    cwd: '/',
    env: {
      TEMPORAL_ADDRESS: temporalAddress(),
      TEMPORAL_NAMESPACE: TEST_NAMESPACE,
      TEMPORAL_TASK_QUEUE: taskQueue,
    },
  });

const listed = (saga: Saga, count: number) =>
  saga.eventually(async () => {
    const query = `TaskQueue = '${saga.taskQueue}'`;
    return (await saga.client.workflow.count(query)).count >= count;
  });

async function replayed(saga: Saga, bundle: WorkflowBundleWithSourceMap, last: number) {
  const misfits: Misfit[] = [];
  const { taskQueue } = saga;
  const options = { taskQueue, last, workflowBundle: bundle };
  const report = await replayLatest(saga.client, options, (misfit) => misfits.push(misfit));
  return { ...report, ids: misfits.map(({ workflowId }) => workflowId) };
}

test.beforeAll(async ({ saga }) => {
  const { code, sourceMap } = await workflowBundle();
  altered = { code: code.replaceAll('`${activity}:${role}`', '`${activity}/${role}`'), sourceMap };
  expect(altered.code).not.toBe(code);

  const completed = await saga.register();
  await saga.ending(completed.id);
  await saga.pool.setFaults([{ operation: 'AdminAddUserToGroup', fault: { kind: 'server' } }]);
  const parked = await saga.register();
  await saga.untilStatus(parked.id, 'roles_pending');
  await saga.resumeDue();
  await saga.pool.clearFaults();
  ids.push(completed.id, parked.id);
  await listed(saga, 3);
});

test('verify-replay accepts closed, open and background runs of this code', async ({ saga }) => {
  const { code, output } = await command(saga);
  expect(output).toContain('Runs replayed: 3.');
  expect(code).toBe(0);
});

test('verify-replay reports every run that took an altered step, and --last limits how many are tried', async ({
  saga,
}) => {
  const all = await replayed(saga, altered, 100);
  expect(all).toMatchObject({ replayed: 3, misfits: 2 });
  expect(new Set(all.ids)).toEqual(new Set(ids.map(workflowIdOf)));
  expect(await replayed(saga, altered, 1)).toMatchObject({ replayed: 2, misfits: 1 });
});

test('verify-replay reports a run of other code in one line with exit code 1', async ({ saga }) => {
  await saga.stopWorker();
  const connection = await connectToTemporal();
  const worker = await Worker.create({
    connection,
    namespace: TEST_NAMESPACE,
    taskQueue: saga.taskQueue,
    workflowBundle: altered,
    activities: saga.activities(),
  });
  const { id } = await saga.accept();
  await worker.runUntil(
    saga.client.workflow.execute('registerUser', {
      workflowId: workflowIdOf(id),
      taskQueue: saga.taskQueue,
      args: [{ registrationId: id }],
    }),
  );
  await connection.close();
  await saga.startWorker();
  await listed(saga, 4);

  const { code, output } = await command(saga, ['--last', '100']);
  expect(code).toBe(1);
  const lines = output.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(workflowIdOf(id));
  expect(lines[0]).toMatch(/nondeterminism/i);
});

test('verify-replay reports a queue without runs, which is no failure', async ({ saga }) => {
  const { code, output } = await command(saga, [], "nobody's");
  expect(output).toContain("nobody's has no runs");
  expect(code).toBe(0);
});

test.for(['0', 'many'])('--last %s is refused', async (last, { saga }) => {
  const { code, output } = await command(saga, ['--last', last]);
  expect(code).toBe(1);
  expect(output).toContain('--last must be a whole number');
});
