import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PoolReport } from '../../../activities/contract.ts';
import { addUser, portrait, removeUser } from '../../support/pool-user.ts';
import { Saga } from '../../support/saga.ts';

let saga: Saga;
beforeAll(async () => {
  saga = await Saga.start({ propagationGraceSeconds: 0 });
});
afterAll(async () => {
  await saga.stop();
});

const compare = (): Promise<PoolReport> =>
  saga.client.workflow.execute('comparePool', {
    workflowId: `compare/${randomUUID()}`,
    taskQueue: saga.taskQueue,
  });
const register = async () => {
  const registration = await saga.register();
  await saga.ending(registration.id);
  return await saga.row(registration.id);
};

test('the workflow’s result: counts, and ids of what differs; a second one says the same', async () => {
  await register();
  const vanished = await register();
  await removeUser(saga.pool, vanished.email);
  const stranger = 'stranger@example.com';
  await addUser(saga.pool, stranger, { mark: randomUUID(), role: 'viewer' });
  const before = await portrait(saga.pool, stranger);

  const report = await compare();
  expect(report).toMatchObject({ users: 2, agreeing: 1, orphan: 1, vanished: 1, leftover: 0 });
  expect(report.findings).toContainEqual({
    kind: 'vanished',
    registrationId: vanished.id,
    userId: vanished.userId,
  });
  expect(JSON.stringify(report)).not.toContain('@');
  expect(await portrait(saga.pool, stranger)).toBe(before);
  expect(await compare()).toEqual(report);
});

test('a provider that is ill for a moment: the same comparison goes on', async () => {
  const before = await compare();
  await saga.pool.setFaults([{ operation: 'ListUsers', times: 1, fault: { kind: 'throttle' } }]);
  expect(await compare()).toEqual(before);
});
