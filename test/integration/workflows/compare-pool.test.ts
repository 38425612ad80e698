import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { PoolReport } from '../../../activities/contract.ts';
import { addUser, portrait, removeUser } from '../../support/pool-user.ts';
import type { Saga } from '../../support/saga.ts';
import { test } from '../../support/saga-test.ts';

test.override('sagaOptions', { propagationGraceSeconds: 0 });

const compare = (saga: Saga): Promise<PoolReport> =>
  saga.client.workflow.execute('comparePool', {
    workflowId: `compare/${randomUUID()}`,
    taskQueue: saga.taskQueue,
  });
const register = async (saga: Saga) => {
  const registration = await saga.register();
  await saga.ending(registration.id);
  return await saga.row(registration.id);
};

test('the comparison workflow returns counts and ids of differences, and a second run returns the same', async ({
  saga,
}) => {
  await register(saga);
  const vanished = await register(saga);
  await removeUser(saga.pool, vanished.email);
  const stranger = 'stranger@example.com';
  await addUser(saga.pool, stranger, { mark: randomUUID(), role: 'viewer' });
  const before = await portrait(saga.pool, stranger);

  const report = await compare(saga);
  expect(report).toMatchObject({ users: 2, agreeing: 1, orphan: 1, vanished: 1, leftover: 0 });
  expect(report.findings).toContainEqual({
    kind: 'vanished',
    registrationId: vanished.id,
    userId: vanished.userId,
  });
  expect(JSON.stringify(report)).not.toContain('@');
  expect(await portrait(saga.pool, stranger)).toBe(before);
  expect(await compare(saga)).toEqual(report);
});

test('a comparison continues after a brief failure of the provider', async ({ saga }) => {
  const before = await compare(saga);
  await saga.pool.setFaults([{ operation: 'ListUsers', times: 1, fault: { kind: 'throttle' } }]);
  expect(await compare(saga)).toEqual(before);
});
