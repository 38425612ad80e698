import { expect } from 'vitest';
import { test } from '../../../support/saga-test.ts';

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  (await persons.saga.profileSite()).clear();
});

test('the deletion of a person deletes the profile before the account', async ({ persons }) => {
  const site = await persons.saga.profileSite();
  const person = await persons.add(['viewer'], { wantsProfile: true });
  expect(await site.of(person.registrationId)).not.toBeNull();
  const change = await persons.change(person, 'delete');
  const { status, steps } = await persons.closed(change);
  expect(status).toBe('completed');
  expect(steps['deleteProfile']).toEqual({ status: 'done', attempts: 1, lastError: null });
  expect(site.asked('DELETE', person.registrationId)).toBe(1);
  expect(await site.of(person.registrationId)).toBeNull();
  expect(await persons.account(person)).toBeNull();
  await persons.runEnded(person);
  expect((await persons.saga.sweep()).strayProfilesDeleted).toBe(0);
});

test('a deletion parks while the profile service is away, keeps the account until the profile is gone, and goes on when retried', async ({
  persons,
}) => {
  const site = await persons.saga.profileSite();
  const person = await persons.add(['viewer'], { wantsProfile: true });
  site.setFaults({ method: 'DELETE', fault: { kind: 'status', status: 503 } });
  const change = await persons.change(person, 'delete');
  const parked = await persons.untilParked(change);
  expect(parked.failure?.code).toBe('profile_unavailable');
  expect(await persons.account(person)).toMatchObject({ enabled: false });
  site.clear();
  await persons.retry(change);
  expect((await persons.closed(change)).status).toBe('completed');
  expect(await persons.account(person)).toBeNull();
  expect(await site.of(person.registrationId)).toBeNull();
});

test('the profile service is not told of a deletion where the person has no profile', async ({
  persons,
}) => {
  const person = await persons.add();
  const { steps, status } = await persons.closed(await persons.change(person, 'delete'));
  expect(status).toBe('completed');
  expect(steps).not.toHaveProperty('deleteProfile');
  expect((await persons.saga.profileSite()).requests).toEqual([]);
});

test('a person whose profile was deleted can register again with the same address', async ({
  persons,
}) => {
  const person = await persons.add(['viewer'], { wantsProfile: true });
  await persons.closed(await persons.change(person, 'delete'));
  await persons.runEnded(person);
  const again = await persons.add(['viewer'], { email: person.email, wantsProfile: true });
  const site = await persons.saga.profileSite();
  expect(await site.of(again.registrationId)).toMatchObject({ userId: again.userId });
});
