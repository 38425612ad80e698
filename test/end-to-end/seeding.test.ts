import { randomBytes } from 'node:crypto';
import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { type Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', {
  env: {
    DOORS: 'seeding,session',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  },
});

/** Seeding over HTTP: there in a local stack, and nowhere else. */

const PATH = '/api/v1/private/users/';
let local: Api;

test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  local = await deployment.api({ ENVIRONMENT: 'local' });
});

async function seed(api: Api, json: unknown, path = PATH, headers: Record<string, string> = {}) {
  const answer = await fetch(`${api.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(json),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: JSON.parse(text) };
}

async function documentOf(api: Api): Promise<{ paths: object }> {
  return (await (await fetch(`${api.url}/openapi.json`)).json()) as { paths: object };
}

test('seeding creates users that can sign in at once, with the requested verification and a weak password', async ({
  deployment,
}) => {
  const seeds = [
    {
      json: { email: 'One@example.com', full_name: ' Ada Lovelace ', is_verified: true },
      path: PATH,
    },
    { json: { email: 'two@example.com', full_name: '' }, path: PATH.slice(0, -1) },
  ];
  for (const { json, path } of seeds) {
    const answer = await seed(local, { ...json, password: 'allsmall' }, path);
    const email = json.email.toLowerCase();
    const full_name = json.full_name.trim();
    expect([answer.status, answer.body]).toEqual([
      200,
      { id: expect.any(String), email, full_name, is_active: true, is_superuser: false },
    ]);
    const at = { UserPoolId: deployment.pool.userPoolId, Username: email };
    const { UserAttributes } = await deployment.pool.client.send(new AdminGetUserCommand(at));
    const of = (name: string) => UserAttributes?.find(({ Name }) => Name === name)?.Value;
    expect([of('sub'), of('name') ?? '', of('email_verified')]).toEqual([
      answer.body.id,
      full_name,
      String(json.is_verified === true),
    ]);
    const login = { username: email, password: 'allsmall' };
    expect((await seed(local, login, '/auth/login')).body).toMatchObject({
      user_id: answer.body.id,
      is_verified: json.is_verified === true,
    });
  }
});

test('seeding with the same key repeats the answer, and the same address again is a conflict', async () => {
  const json = { email: 'again@example.com', password: 'allsmall', full_name: 'Ada' };
  const first = await seed(local, json, PATH, { 'idempotency-key': 'k' });
  const replayed = await seed(local, json, PATH, { 'idempotency-key': 'k' });
  expect([replayed.status, replayed.body]).toEqual([200, first.body]);
  expect(replayed.headers.get('idempotent-replayed')).toBe('true');
  const again = await seed(local, { ...json, email: ' AGAIN@example.com' });
  expect([again.status, again.body]).toEqual([409, { detail: 'Email already exists' }]);
});

const good = { email: 'ada@example.com', password: 'allsmall', full_name: 'Ada' };
const SHAPES: [string, object, string, string, string][] = [
  [
    'a malformed address',
    { email: 'ada' },
    'email',
    'value_error',
    'value is not a valid email address: An email address must have an @-sign.',
  ],
  [
    'seven characters',
    { password: 'allsmal' },
    'password',
    'string_too_short',
    'String should have at least 8 characters',
  ],
  ['no full name', { full_name: undefined }, 'full_name', 'missing', 'Field required'],
  [
    'a full name that is none',
    { full_name: null },
    'full_name',
    'string_type',
    'Input should be a valid string',
  ],
  [
    'verified by a word',
    { is_verified: 'yes' },
    'is_verified',
    'bool_type',
    'Input should be a valid boolean',
  ],
];

test.each(SHAPES)('seeding answers 422: %s', async (_what, more, field, type, msg) => {
  const { status, body } = await seed(local, { ...good, ...more });
  expect([status, body.detail]).toMatchObject([422, [{ type, loc: ['body', field], msg }]]);
});

test('the seeding door is closed outside ENVIRONMENT=local, whatever DOORS says', async ({
  deployment,
}) => {
  for (const ENVIRONMENT of ['production', 'staging', '']) {
    const api = await deployment.api({ ENVIRONMENT });
    for (const path of [PATH, PATH.slice(0, -1)]) {
      const { status, body } = await seed(api, good, path);
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
    expect(Object.keys((await documentOf(api)).paths)).not.toContain(PATH);
  }
  expect(Object.keys((await documentOf(local)).paths)).toContain(PATH);
});

test('a local stack refuses to start with a real pool', async ({ deployment }) => {
  const starting = deployment.api({ ENVIRONMENT: 'local', COGNITO_ENDPOINT: '' });
  await expect(starting).rejects.toThrow(/COGNITO_ENDPOINT: missing: ENVIRONMENT=local/);
});
