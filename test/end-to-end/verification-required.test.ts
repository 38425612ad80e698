import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { test } from '../support/deployment-test.ts';
import { lastCode } from '../support/pool-people.ts';
import { post } from '../support/post.ts';

/** SIGNUP_VERIFICATION=required, over HTTP and with nothing scripted. */

const PASSWORD = 'Analytical1';

test.override('deploymentOptions', {
  env: {
    DOORS: 'signup,session',
    SIGNUP_VERIFICATION: 'required',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  },
});

const newPerson = (name: string) => ({
  email: `${name}@example.com`,
  username: name,
  first_name: 'Ada',
  last_name: 'Lovelace',
  password: PASSWORD,
});

test('a sign-up is mailed a code, signs in only after it proved the address, and others are told', async ({
  deployment,
  ledger,
}) => {
  await deployment.setUp();
  const api = await deployment.api();
  const person = newPerson('ada-required');
  const { status, body } = await post(api, '/auth/register', person);
  expect([status, Object.keys(body)]).toEqual([202, ['message', 'registration_id']]);
  const code = () => lastCode(deployment.pool, person.email);
  await expect.poll(code, { timeout: 30_000 }).toMatch(/^\d{6}$/);
  const id = String(body['registration_id']);
  await expect
    .poll(async () => (await ledger.row(id)).status, { timeout: 30_000 })
    .toBe('completed');
  const pair = { username: person.username, password: PASSWORD };
  expect((await post(api, '/auth/login', pair)).status).toBe(401);
  const taken = await post(api, '/auth/register', { ...person, username: 'somebody-else' });
  expect([taken.status, taken.body['message']]).toEqual([202, body['message']]);

  const proved = await post(api, '/auth/verify-email', { ...pair, code: await code() });
  expect([proved.status, proved.body['is_verified']]).toEqual([200, true]);
  expect((await post(api, '/auth/login', pair)).status).toBe(200);
  expect((await ledger.row(id)).emailVerified).toBe(true);
  expect(await ledger.outbox(id)).toEqual(['user.created', 'user.email_verified']);
  expect(await ledger.events(id)).toContain('user.email_verified');
});

test('the asynchronous form mails no code until the person requests one', async ({
  deployment,
  ledger,
}) => {
  const api = await deployment.api();
  const person = newPerson('grace-required');
  const async = { prefer: 'respond-async' };
  const { body } = await post(api, '/auth/register', person, async);
  const id = String(body['registration_id']);
  await expect
    .poll(async () => (await ledger.row(id)).status, { timeout: 30_000 })
    .toBe('completed');
  expect(await lastCode(deployment.pool, person.email)).toBe('');
  const pair = { username: person.email, password: PASSWORD };
  expect((await post(api, '/auth/verify-email/request', pair)).status).toBe(202);
  await expect
    .poll(() => lastCode(deployment.pool, person.email), { timeout: 30_000 })
    .toMatch(/^\d{6}$/);
});
