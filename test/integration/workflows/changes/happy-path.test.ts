import { and, eq, isNotNull } from 'drizzle-orm';
import { expect } from 'vitest';
import { outbox } from '../../../../src/db/schema.ts';
import { signsIn } from '../../../support/passwords.ts';
import { addRole } from '../../../support/pool-user.ts';
import type { Person } from '../../../support/persons.ts';
import { test } from '../../../support/saga-test.ts';

const PASSWORD = 'chosen by a person';

test.afterEach(async ({ persons }) => {
  await persons.saga.pool.clearFaults();
  await persons.saga.pool.clearCalls();
});

test('a change of roles adds, removes and says so once', async ({ persons }) => {
  const person = await persons.add(['viewer', 'manager']);
  const change = await persons.changeRoles(person, ['researcher', 'manager']);
  const done = await persons.closed(change);
  await persons.runEnded(person);
  expect(done).toMatchObject({ status: 'completed', rolesBefore: ['manager', 'viewer'] });
  expect(await persons.account(person)).toEqual({
    enabled: true,
    roles: ['manager', 'researcher'],
  });
  expect(await persons.events(change)).toEqual(['change.requested', 'user.roles_changed']);
  const events = await persons.saga.db
    .select({ kind: outbox.kind, roles: outbox.roles })
    .from(outbox)
    .where(eq(outbox.registrationId, person.registrationId));
  expect(events).toContainEqual({ kind: 'user.roles_changed', roles: ['researcher', 'manager'] });
});

test('roles are added to what the person has', async ({ persons }) => {
  const person = await persons.add(['viewer']);
  const change = await persons.changeRoles(person, ['researcher'], { addsRoles: true });
  const { roles, status } = await persons.closed(change);
  expect({ roles: roles.toSorted(), status }).toEqual({
    roles: ['researcher', 'viewer'],
    status: 'completed',
  });
  expect((await persons.account(person))?.roles).toEqual(['researcher', 'viewer']);
});

test('a change to the roles that the person has completes, and tells others these roles', async ({
  persons,
}) => {
  const person = await persons.add(['viewer']);
  const change = await persons.changeRoles(person, ['viewer']);
  expect((await persons.closed(change)).status).toBe('completed');
  expect(await persons.events(change)).toEqual(['change.requested', 'user.roles_changed']);
  const [told] = await persons.saga.db
    .select({ roles: outbox.roles })
    .from(outbox)
    .where(and(eq(outbox.registrationId, person.registrationId), isNotNull(outbox.roles)));
  expect(told?.roles).toEqual(['viewer']);
});

test('a role given in Cognito before the change begins is removed by a replacement, kept by an addition', async ({
  persons,
}) => {
  for (const addsRoles of [false, true]) {
    const person = await persons.add(['viewer']);
    const change = await persons.accept(person, 'roles', { roles: ['researcher'], addsRoles });
    await addRole(persons.saga.pool, person.email, 'manager');
    await persons.saga.userRuns.wake(person.userId, 'accepted');
    const { status, rolesBefore } = await persons.closed(change);
    expect({ status, rolesBefore }).toEqual({
      status: 'completed',
      rolesBefore: ['manager', 'viewer'],
    });
    expect((await persons.account(person))?.roles).toEqual(
      addsRoles ? ['manager', 'researcher', 'viewer'] : ['researcher'],
    );
  }
});

test('a role that is added comes before any is removed', async ({ persons }) => {
  const { pool } = persons.saga;
  const person = await persons.add(['viewer']);
  await pool.setFaults([{ operation: 'AdminAddUserToGroup', times: 2, fault: { kind: 'server' } }]);
  await pool.clearCalls();
  await persons.closed(await persons.changeRoles(person, ['researcher']));
  const added = await pool.callTimes('AdminAddUserToGroup');
  const removed = await pool.callTimes('AdminRemoveUserFromGroup');
  expect(removed).toHaveLength(1);
  expect(Math.max(...added)).toBeLessThanOrEqual(removed[0] ?? 0);
});

test('a disabled person cannot sign in, and an enabled one can again', async ({ persons }) => {
  const { pool } = persons.saga;
  const person = await persons.add(['viewer'], { password: PASSWORD });
  const disable = await persons.change(person, 'disable');
  expect((await persons.closed(disable)).status).toBe('completed');
  expect(await signsIn(pool, person.email, PASSWORD)).toBe(false);
  const enable = await persons.change(person, 'enable');
  expect((await persons.closed(enable)).status).toBe('completed');
  expect(await signsIn(pool, person.email, PASSWORD)).toBe(true);
  expect(await persons.events(disable)).toEqual(['change.requested', 'user.disabled']);
  expect(await persons.events(enable)).toEqual(['change.requested', 'user.enabled']);
});

test('a sign-out ends every session and tells nobody else', async ({ persons }) => {
  const person = await persons.add();
  const change = await persons.change(person, 'sign_out');
  expect((await persons.closed(change)).status).toBe('completed');
  expect((await persons.saga.pool.calls())['AdminUserGlobalSignOut']?.done).toBe(1);
  expect(await persons.events(change)).toEqual(['change.requested', 'user.signed_out_everywhere']);
  expect(await persons.account(person)).toEqual({ enabled: true, roles: ['viewer'] });
});

test('a deletion disables, signs out and deletes, and the address is free', async ({ persons }) => {
  const person = await persons.add();
  const change = await persons.change(person, 'delete');
  const { status, steps } = await persons.closed(change);
  expect(status).toBe('completed');
  expect(Object.keys(steps).toSorted()).toEqual(
    ['complete', 'deleteUser', 'disableUser', 'signOut'].toSorted(),
  );
  expect(await persons.account(person)).toBeNull();
  expect(await persons.events(change)).toEqual(['change.requested', 'user.deleted']);
  await persons.runEnded(person);
  const again = await persons.add(['viewer'], { email: person.email });
  expect(again.userId).not.toBe(person.userId);
});

test('changes of one person are performed one at a time, in their order', async ({ persons }) => {
  const person = await persons.add();
  const roles = [['researcher'], ['manager'], ['viewer', 'researcher'], ['manager']];
  const changes = [];
  for (const wanted of roles) changes.push(await persons.changeRoles(person, wanted));
  const done = [];
  for (const change of changes) done.push(await persons.closed(change));
  expect(done.map(({ status }) => status)).toEqual(roles.map(() => 'completed'));
  for (const [index, { begunAt }] of done.entries()) {
    const before = done[index - 1]?.finishedAt ?? new Date(0);
    expect(begunAt?.getTime()).toBeGreaterThanOrEqual(before.getTime());
  }
  expect((await persons.account(person))?.roles).toEqual(['manager']);
  await persons.runEnded(person);
});

test('changes of several persons do not wait for each other', async ({ persons }) => {
  const people: Person[] = await Promise.all([persons.add(), persons.add(), persons.add()]);
  const [first, ...others] = people;
  if (!first) throw new Error('nobody');
  await persons.saga.pool.setFaults([
    {
      operation: 'AdminDisableUser',
      match: { username: first.username },
      fault: { kind: 'server' },
    },
  ]);
  const stuck = await persons.change(first, 'disable');
  for (const person of others) {
    const change = await persons.change(person, 'disable');
    expect((await persons.closed(change)).status).toBe('completed');
  }
  expect((await persons.untilParked(stuck)).failure?.code).toBe('identity_provider_unavailable');
  await persons.saga.pool.clearFaults();
  await persons.retry(stuck);
  expect((await persons.closed(stuck)).status).toBe('completed');
});
