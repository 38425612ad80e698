import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { type Deployment, type Api } from '../support/deployment.ts';
import { signsIn } from '../support/passwords.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', { env: { RETRY_BUDGET_SECONDS: '1' } });

const PASSWORD = 'chosen by a person';
const OLD = `old:${randomBytes(32).toString('base64')}`;
const NEW = `new:${randomBytes(32).toString('base64')}`;
const WITHIN_MS = 30_000;

const deploy = (deployment: Deployment, keys: string, env = {}) =>
  deployment.api({ PASSWORD_SEALING_KEYS: keys, ...env });

async function send(deployment: Deployment, api: Api, email: string) {
  const body = { email, roles: ['viewer'], password: PASSWORD };
  return await deployment.call(api, 'POST', '/registrations', body, { prefer: 'wait=60' });
}

async function park(deployment: Deployment, api: Api, email: string): Promise<string> {
  const { status, body } = await send(deployment, api, email);
  expect({ status, is: body['status'] }).toEqual({ status: 202, is: 'roles_pending' });
  return String(body['id']);
}

test('a seal of the old key opens while that key is deployed, and is lost without it', async ({
  deployment,
}) => {
  const fault = { kind: 'server' } as const;
  await deployment.pool.setFaults([{ operation: 'AdminSetUserPassword', fault }]);
  const before = await deploy(deployment, OLD);
  const early = await park(deployment, before, 'early@example.com');
  const late = await park(deployment, before, 'late@example.com');
  await before.kill();
  await deployment.pool.clearFaults();

  const between = await deploy(deployment, `${NEW},${OLD}`);
  await deployment.call(between, 'POST', `/registrations/${early}/retry`);
  await deployment.untilStatus(between, early, 'completed', WITHIN_MS);
  expect(await signsIn(deployment.pool, 'early@example.com', PASSWORD)).toBe(true);
  expect((await send(deployment, between, 'new@example.com')).status).toBe(201);
  await between.kill();

  const after = await deploy(deployment, NEW);
  await deployment.call(after, 'POST', `/registrations/${late}/retry`);
  const { body } = await deployment.untilStatus(after, late, 'failed', WITHIN_MS);
  expect(body['failure']).toMatchObject({ code: 'seal_lost' });
  const emails = (await deployment.users()).map(({ email }) => email);
  expect(emails.toSorted()).toEqual(['early@example.com', 'new@example.com']);
  await after.kill();
});

test('a worker without the sealing key fails the registration with 500 and leaves no user', async ({
  deployment,
}) => {
  const api = await deploy(deployment, NEW, { IN_PROCESS_WORKER: 'false' });
  await deployment.worker({ PASSWORD_SEALING_KEYS: OLD });
  const { status, body } = await send(deployment, api, 'lost@example.com');
  expect({ status, code: body['code'] }).toEqual({ status: 500, code: 'seal_lost' });
  expect(JSON.stringify(body)).not.toContain(PASSWORD);
  expect((await deployment.users()).map(({ email }) => email)).not.toContain('lost@example.com');
});
