import { randomBytes } from 'node:crypto';
import { describe, expect } from 'vitest';
import type { Api, Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { addPerson, lastCode, signIn } from '../support/pool-people.ts';
import { post } from '../support/post.ts';

const PASSWORD = 'Analytical1';
const NEXT = 'Difference2';
/** A sweep, a run, and a busy machine. */
const MAILED_MS = 60_000;

test.override('deploymentOptions', {
  env: {
    DOORS: 'signup,session',
    SIGNUP_VERIFICATION: 'required',
    SWEEP_INTERVAL_SECONDS: '1',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  },
});

/** Sends a request to an API that leaves all work to workers, of which none runs, and kills the API as
 * soon as the response is there. */
async function postThenKill(deployment: Deployment, path: string, json: object) {
  const api = await deployment.api({ IN_PROCESS_WORKER: 'false' });
  const { status, body } = await post(api, path, json);
  await api.kill();
  expect(status).toBe(202);
  return body;
}

/** Polls until a code was mailed to somebody, and only one. */
async function onlyCode({ pool }: Deployment, to: string): Promise<string> {
  await expect.poll(() => lastCode(pool, to), { timeout: MAILED_MS }).toMatch(/^\d{6}$/);
  const codes = (await pool.mail()).filter((mail) => mail.to === to).map(({ code }) => code);
  expect(codes).toHaveLength(1);
  return codes[0] ?? '';
}

describe('What a 202 promised survives a crash of the API', () => {
  let api: Api;
  test.beforeAll(({ deployment }) => deployment.setUp());
  test.afterEach(() => api.kill());

  test('a forgotten password: the next process mails a code that leads to a new password', async ({
    deployment,
  }) => {
    const username = await addPerson(deployment.pool, 'grace');
    await postThenKill(deployment, '/auth/forgot-password', { username });
    expect(await lastCode(deployment.pool, username)).toBe('');
    api = await deployment.api();
    const code = await onlyCode(deployment, username);
    const chosen = { username, code, new_password: NEXT };
    const reset = await post(api, '/auth/reset-password', chosen);
    expect(reset.status).toBe(204);
    expect((await signIn(deployment.pool, username, NEXT)).AuthenticationResult).toBeDefined();
  });

  test('a sign-up: the next process creates the user and mails a code that proves the address', async ({
    deployment,
    ledger,
  }) => {
    const email = 'ada@example.com';
    const body = await postThenKill(deployment, '/auth/register', {
      email,
      username: 'ada-lovelace',
      first_name: 'Ada',
      last_name: 'Lovelace',
      password: PASSWORD,
    });
    const id = String(body['registration_id']);
    expect(await deployment.users()).not.toContainEqual(expect.objectContaining({ email }));
    api = await deployment.api();
    const code = await onlyCode(deployment, email);
    await expect
      .poll(async () => (await ledger.row(id)).status, { timeout: MAILED_MS })
      .toBe('completed');
    const proof = { username: email, password: PASSWORD, code };
    const proved = await post(api, '/auth/verify-email', proof);
    expect([proved.status, proved.body['is_verified']]).toEqual([200, true]);
    expect(await deployment.users()).toContainEqual({ email, mark: id, roles: [] });
  });
});
