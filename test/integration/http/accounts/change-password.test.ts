import { AdminDisableUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { limitCounts } from '../../../../src/db/schema.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import type { SignedUp } from '../signed-up.ts';
import { AccountDoors, NEXT_PASSWORD, PASSWORD } from './account-doors.ts';
import { test } from '../../../support/api-test.ts';

let doors: AccountDoors;

test.beforeAll(({ api, pool }) => {
  doors = new AccountDoors(api, pool);
});
test.afterEach(({ pool }) => pool.clearFaults());

const change = (token: string | null, json: object = {}, at = doors) =>
  at.post(
    '/auth/change-password',
    { current_password: PASSWORD, new_password: NEXT_PASSWORD, ...json },
    token,
  );
const promises = async () =>
  (await doors.api.sql`SELECT account_name FROM outbox WHERE kind = 'password_change'`).map(
    ({ account_name: name }) => String(name),
  );
const refresh = async (refresh_token: string) =>
  (await doors.post('/auth/refresh', { refresh_token })).status;
const userEvents = async ({ registrationId }: SignedUp) =>
  (await doors.events(registrationId)).filter((event) => event.startsWith('user.'));

test('a changed password ends every other session, and answers as a sign-in', async () => {
  const person = await doors.known();
  const [own, other] = [
    (await doors.login(person.email)).body,
    (await doors.login(person.username)).body,
  ];
  const { status, body } = await change(own.access_token);
  expect([status, body]).toMatchObject([200, { email: person.email, token_type: 'bearer' }]);
  for (const { access_token, refresh_token } of [own, other]) {
    expect((await doors.call('GET', '/profile', undefined, access_token)).status).toBe(401);
    expect(await refresh(refresh_token)).toBe(401);
  }
  expect((await doors.call('GET', '/profile', undefined, body.access_token)).status).toBe(200);
  expect((await doors.login(person.email)).status).toBe(401);
  expect((await doors.login(person.email, NEXT_PASSWORD)).status).toBe(200);
  expect(await userEvents(person)).toEqual(['user.password_changed', 'user.signed_out_everywhere']);
  expect(await doors.told(person.registrationId)).toEqual(['user.password_changed']);
  expect(await promises()).not.toContain(person.sub);
  const rows = await doors.api.sql`SELECT details, actor FROM audit_events
    WHERE registration_id = ${person.registrationId} AND event = 'user.password_changed'`;
  expect([...rows]).toEqual([{ details: {}, actor: person.sub }]);
});

test('a wrong current password changes nothing and ends nothing', async () => {
  const person = await doors.known();
  const { body: session } = await doors.login(person.email);
  const { status, body } = await change(session.access_token, {
    current_password: 'Wrong-Guess-1',
  });
  expect([status, body]).toEqual([400, { detail: 'Current password is incorrect' }]);
  expect((await doors.call('GET', '/profile', undefined, session.access_token)).status).toBe(200);
  expect((await doors.login(person.email)).status).toBe(200);
  expect(await userEvents(person)).toEqual([]);
  expect(await promises()).not.toContain(person.sub);
});

test('a new password that breaks a rule is refused with the text of sign-up', async () => {
  const token = await doors.accessToken((await doors.known()).email);
  const cases: [object, string][] = [
    [{ confirm_password: 'other' }, 'Passwords do not match'],
    [{ new_password: 'lower-case-1' }, 'Password must contain at least one uppercase letter'],
    [{ new_password: 'Password1' }, 'Password is too common'],
    [{ new_password: 'Lovelace-1815' }, 'Password must not contain your e-mail, username or name'],
  ];
  for (const [json, detail] of cases) {
    const { status, body } = await change(token, json);
    expect([status, body]).toEqual([400, { detail }]);
  }
  expect((await change(token)).status).toBe(200);
});

test('a change whose reply is lost ends every session, and succeeds when it is repeated', async ({
  pool,
}) => {
  const person = await doors.known();
  const { body: session } = await doors.login(person.email);
  await pool.setFaults([
    { operation: 'ChangePassword', times: 1, fault: { kind: 'replyLost', effect: 'after' } },
  ]);
  expect((await change(session.access_token)).status).toBe(503);
  // Whatever becomes of this process, the relay ends the sessions.
  expect(await promises()).toContain(person.sub);
  await pool.clearFaults();
  const { status, body } = await change(session.access_token);
  expect([status, body.email]).toEqual([200, person.email]);
  expect(await refresh(session.refresh_token)).toBe(401);
  expect(await userEvents(person)).toEqual(['user.password_changed', 'user.signed_out_everywhere']);
  // The first promise would end the new session.
  expect(await promises()).not.toContain(person.sub);
});

test('a change after which the sessions cannot be ended keeps the promise to end them', async ({
  pool,
}) => {
  const person = await doors.known();
  const { body: session } = await doors.login(person.email);
  await pool.setFaults([{ operation: 'GlobalSignOut', times: 1, fault: { kind: 'server' } }]);
  expect((await change(session.access_token)).status).toBe(503);
  expect(await promises()).toContain(person.sub);
  expect(await userEvents(person)).toEqual(['user.password_changed']);
  const { status } = await change(session.access_token);
  expect([status, await refresh(session.refresh_token)]).toEqual([200, 401]);
});

test('a stolen access token alone changes neither the password nor the address', async ({
  pool,
}) => {
  const person = await doors.known();
  const stolen = await doors.accessToken(person.email);
  expect((await change(stolen, { current_password: '' })).status).toBe(400);
  expect((await doors.post('/auth/change-password', { new_password: 'x' }, stolen)).status).toBe(
    422,
  );
  await doors.call('PATCH', '/profile', { email: 'thief@example.com', username: 'thief' }, stolen);
  const profile = await doors.call('GET', '/profile', undefined, stolen);
  expect(profile.body).toMatchObject({ email: person.email, username: person.username });
  expect((await pool.calls())['UpdateUserAttributes']).toBeUndefined();
});

test('a token without a live session changes nothing', async ({ pool }) => {
  const person = await doors.known();
  const token = await doors.accessToken(person.email);
  expect((await change(null)).status).toBe(401);
  expect((await change('nonsense')).status).toBe(401);
  await pool.client.send(
    new AdminDisableUserCommand({ UserPoolId: pool.userPoolId, Username: person.email }),
  );
  expect((await change(token)).status).toBe(401);
});

test('a person has 4 changes of the password an hour, tried or made', async ({ api, pool }) => {
  const limits = createLimits({ db: api.deps.db, table: limitCounts }, 10);
  const limited = new AccountDoors(api, pool, { limits });
  const token = await doors.accessToken((await doors.known()).email);
  const tries = [];
  for (let n = 0; n < 6; n += 1) {
    tries.push((await change(token, { current_password: 'Wrong-Guess-1' }, limited)).status);
  }
  expect(tries).toEqual([400, 400, 400, 400, 429, 429]);
});

test('logout with the refresh token of another session is recorded as the end of all sessions', async () => {
  const person = await doors.known();
  const [one, two] = [
    (await doors.login(person.email)).body,
    (await doors.login(person.email)).body,
  ];
  await doors.post('/auth/logout', { refresh_token: one.refresh_token }, one.access_token);
  expect(await userEvents(person)).toEqual([]);
  await doors.post('/auth/logout', { refresh_token: 'nonsense' }, two.access_token);
  expect(await userEvents(person)).toEqual(['user.signed_out_everywhere']);
});

test('names are changed in the pool and in the ledger, and those that are not sent stay', async ({
  api,
}) => {
  const person = await doors.known();
  const token = await doors.accessToken(person.email);
  const patch = (json: unknown) => doors.call('PATCH', '/profile', json, token);
  await patch({ first_name: 'Augusta', last_name: 'Byron' });
  const { status, body } = await patch({ last_name: ' King ' });
  expect([status, body]).toMatchObject([200, { first_name: 'Augusta', last_name: 'King' }]);
  expect((await doors.call('GET', '/profile', undefined, token)).body).toEqual(body);
  expect((await patch({})).body).toEqual(body);
  const receipt = await api.call(`/registrations/${person.registrationId}`);
  expect(receipt.body).toMatchObject({ firstName: 'Augusta', lastName: 'King' });
  for (const json of [{ first_name: '' }, { last_name: 'x'.repeat(51) }, { first_name: null }]) {
    expect((await patch(json)).status).toBe(422);
  }
  expect((await doors.call('PATCH', '/profile', { first_name: 'X' })).status).toBe(401);
});
