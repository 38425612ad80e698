import { expect } from 'vitest';
import { quotaPlaces } from '../../../../src/db/schema.ts';
import { test as base } from '../../../support/saga-test.ts';

/** Further apart than what is waited for inside of an attempt. */
const test = base.override('sagaOptions', { rates: { createRps: 0, updateRps: 1 } });

test('steps that wait for the quota spend no attempt, and leave no place in its queue', async ({
  persons,
}) => {
  const person = await persons.add([]);
  const roles = ['viewer', 'manager', 'researcher', 'admin'];
  const change = await persons.changeRoles(person, roles);
  const { status, steps } = await persons.closed(change);
  expect(status).toBe('completed');
  for (const role of roles) {
    expect(steps[`assignRole:${role}`]).toMatchObject({ status: 'done', attempts: 1 });
  }
  expect(await persons.saga.db.select().from(quotaPlaces)).toEqual([]);
});

test('a change that is cancelled while its steps wait leaves no place in the queue', async ({
  persons,
}) => {
  const person = await persons.add([]);
  const change = await persons.changeRoles(person, ['viewer', 'manager', 'researcher', 'admin']);
  await persons.saga.eventually(
    async () => (await persons.saga.db.select().from(quotaPlaces)).length > 0,
  );
  await persons.cancel(change);
  expect((await persons.closed(change)).status).toBe('cancelled');
  const places = await persons.saga.db.select().from(quotaPlaces);
  expect(places.filter(({ step }) => step.startsWith('assignRole:'))).toEqual([]);
  expect((await persons.account(person))?.roles).toEqual([]);
});
