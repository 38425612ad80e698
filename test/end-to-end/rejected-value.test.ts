import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { type Answer, type Api, type Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', {
  env: {
    ENVIRONMENT: 'local',
    DOORS: 'users,step,signup,seeding',
    COGNITO_ATTRIBUTES: 'custom:absent',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  },
});

/** A value that the pool, or a Lambda trigger of it, refuses at creation, over HTTP by each door. */

const TEXT =
  'The user pool rejected a value. Repeating the same request does not help. Nothing is left behind.';
const ERRORS = ['InvalidParameterException', 'UserLambdaValidationException'];
const PASSWORD = 'Analytical1';
let api: Api;

test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  api = await deployment.api();
  await deployment.pool.setFaults(
    ERRORS.map((error) => ({
      operation: 'AdminCreateUser',
      match: { email: `${error.toLowerCase()}*` },
      fault: { kind: 'error', error },
    })),
  );
});

const post = (
  deployment: Deployment,
  path: string,
  body: object,
  headers: Record<string, string> = {},
) => deployment.call(api, 'POST', path, body, headers);
const nobodyAt = async (deployment: Deployment, email: string) =>
  expect((await deployment.users()).filter((user) => user.email === email)).toEqual([]);

const PROBLEM = { code: 'registration_rejected', title: 'Registration rejected', detail: TEXT };
const FIELDS = { detail: [{ type: 'registration_rejected', loc: ['body'], msg: TEXT }] };
const DOORS: [string, (deployment: Deployment, email: string) => Promise<Answer>, object][] = [
  [
    'POST /registrations',
    (deployment, email) =>
      post(deployment, '/registrations', { email, roles: ['viewer'] }, { prefer: 'wait=10' }),
    PROBLEM,
  ],
  ['the users door', (deployment, email) => post(deployment, '/api/users', { email }), PROBLEM],
  [
    'the step door',
    (deployment, email) => post(deployment, '/api/step/users', { email, roles: ['viewer'] }),
    PROBLEM,
  ],
  [
    'the signup door',
    (deployment, email) =>
      post(deployment, '/auth/register', {
        email,
        username: `u-${randomBytes(6).toString('hex')}`,
        first_name: 'Ada',
        last_name: 'Lovelace',
        password: PASSWORD,
      }),
    FIELDS,
  ],
  [
    'the seeding door',
    (deployment, email) =>
      post(deployment, '/api/v1/private/users/', { email, full_name: '', password: PASSWORD }),
    FIELDS,
  ],
];

test.for(DOORS)(
  '%s answers 422 to a value that Cognito rejects, and leaves no user',
  async ([door, send, body], { deployment }) => {
    for (const error of ERRORS) {
      const email = `${error.toLowerCase()}-${door.replaceAll(/\W/g, '-')}@example.com`;
      const answer = await send(deployment, email);
      expect([answer.status, answer.body]).toMatchObject([422, body]);
      await nobodyAt(deployment, email);
    }
  },
);

test('an attribute unknown to the pool fails the registration with registration_rejected in the receipt', async ({
  deployment,
}) => {
  const email = 'natural@example.com';
  const body = { email, roles: ['viewer'], attributes: { 'custom:absent': 'x' } };
  const { status, body: answer } = await post(deployment, '/registrations', body, {
    prefer: 'wait=10',
  });
  expect([status, answer]).toMatchObject([422, PROBLEM]);
  const id = String(answer['registrationId']);
  const receipt = await deployment.call(api, 'GET', `/registrations/${id}`);
  expect(receipt.body).toMatchObject({
    status: 'failed',
    failure: { code: 'registration_rejected', detail: TEXT },
  });
  expect(receipt.body['steps']).toContainEqual({
    name: 'createUser',
    status: 'failed',
    attempts: 1,
    lastError: 'registration_rejected',
    nextRetryAt: null,
  });
  await nobodyAt(deployment, email);
});
