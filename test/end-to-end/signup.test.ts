import { randomBytes } from 'node:crypto';
import { AdminGetUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import postgres from 'postgres';
import { afterAll, expect } from 'vitest';
import { type Api, type Deployment } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { addUser } from '../support/pool-user.ts';
import { test } from '../support/deployment-test.ts';

/** What a tester of the sign-up would check, over HTTP and with nothing scripted. */

let sql: postgres.Sql;
let api: Api;
const PASSWORD = 'Analytical1';

test.override('deploymentOptions', {
  env: {
    DOORS: 'signup,session',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
    REGISTER_LIMIT_PER_MINUTE: '1000',
  },
});
test.beforeAll(async ({ database, deployment }) => {
  sql = postgres(database.url, { max: 2 });
  await deployment.setUp();
  api = await deployment.api();
});
afterAll(() => sql.end());

async function ask(
  path: string,
  { json, headers = {} }: { json?: unknown; headers?: Record<string, string> } = {},
) {
  const answer = await fetch(`${api.url}${path}`, {
    method: json === undefined ? 'GET' : 'POST',
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  const body = text === '' ? null : JSON.parse(text);
  return { status: answer.status, text, body, headers: answer.headers };
}
const register = (json: unknown, headers: Record<string, string> = {}) =>
  ask('/auth/register', { json, headers });
const profile = (token: string) =>
  ask('/profile', { headers: { authorization: `Bearer ${token}` } });

let count = 0;
function ada(more: Record<string, unknown> = {}) {
  count += 1;
  return {
    email: `ada-${count}@example.com`,
    username: `ada-${count}`,
    first_name: 'Ada',
    last_name: 'Lovelace',
    password: PASSWORD,
    confirm_password: PASSWORD,
    ...more,
  };
}
const weak = (password: string) => ({ password, confirm_password: password });

async function inPool(deployment: Deployment, email: string) {
  const at = { UserPoolId: deployment.pool.userPoolId, Username: email };
  const user = await deployment.pool.client.send(new AdminGetUserCommand(at));
  return Object.fromEntries(user.UserAttributes?.map(({ Name, Value }) => [Name, Value]) ?? []);
}

test('a valid sign-up answers 201 with working tokens and makes one unverified user and one row', async ({
  deployment,
}) => {
  const body = ada();
  const { status, body: answer } = await register(body);
  expect([status, answer]).toEqual([
    201,
    {
      access_token: expect.stringMatching(/^ey/),
      refresh_token: expect.any(String),
      token_type: 'bearer',
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      user_id: expect.any(String),
      username: body.username,
      email: body.email,
      first_name: 'Ada',
      last_name: 'Lovelace',
      is_active: true,
      is_verified: false,
    },
  ]);
  const claims = JSON.parse(Buffer.from(answer.access_token.split('.')[1], 'base64url').toString());
  expect(Date.parse(answer.expires_at)).toBe(claims.exp * 1000);
  expect(claims.exp * 1000 - Date.now()).toBeGreaterThan(29 * 60_000);
  expect(claims.sub).toBe(answer.user_id);

  const { access_token, refresh_token, token_type, expires_at, ...person } = answer;
  expect((await profile(access_token)).body).toEqual(person);
  const refreshed = await ask('/auth/refresh', { json: { refresh_token } });
  expect([refreshed.status, refreshed.body.token_type]).toEqual([200, token_type]);
  expect(Date.parse(refreshed.body.expires_at)).toBeGreaterThanOrEqual(Date.parse(expires_at));
  expect((await profile(refreshed.body.access_token)).body).toEqual(person);
  const byName = { username: body.username.toUpperCase(), password: PASSWORD };
  expect((await ask('/auth/login', { json: byName })).body.user_id).toBe(answer.user_id);

  expect(await inPool(deployment, body.email)).toMatchObject({
    sub: answer.user_id,
    email_verified: 'false',
    preferred_username: body.username,
    given_name: 'Ada',
    family_name: 'Lovelace',
  });
  const rows = await sql`SELECT status, door, roles, sealed_password FROM registrations
    WHERE email = ${body.email}`;
  expect([...rows]).toEqual([
    { status: 'completed', door: 'signup', roles: [], sealed_password: null },
  ]);
});

const field = (type: string, name: string, msg: string, ctx?: object) => ({
  detail: [{ type, loc: ['body', name], msg, ...(ctx && { ctx }) }],
});
const few = (name: string, min_length: number) =>
  field(
    'string_too_short',
    name,
    `String should have at least ${min_length} character${min_length === 1 ? '' : 's'}`,
    { min_length },
  );
const many = (name: string) =>
  field('string_too_long', name, 'String should have at most 50 characters', { max_length: 50 });

const CHECKS: [string, Record<string, unknown>, number, object][] = [
  ['the address again', { email: 'TAKEN@example.com ' }, 400, { detail: 'Email already exists' }],
  ['the username again', { username: ' Taken ' }, 400, { detail: 'Username already exists' }],
  [
    'another confirmation',
    { confirm_password: 'Analytical2' },
    400,
    { detail: 'Passwords do not match' },
  ],
  [
    'no uppercase letter',
    weak('analytical1'),
    400,
    { detail: 'Password must contain at least one uppercase letter' },
  ],
  [
    'no lowercase letter',
    weak('ANALYTICAL1'),
    400,
    { detail: 'Password must contain at least one lowercase letter' },
  ],
  ['no digit', weak('Analytical'), 400, { detail: 'Password must contain at least one digit' }],
  [
    'a short password',
    weak('Analyt1'),
    400,
    { detail: 'Password must be at least 8 characters long' },
  ],
  ['a short username', { username: 'ab' }, 422, few('username', 3)],
  ['a long username', { username: 'a'.repeat(51) }, 422, many('username')],
  ['an empty first name', { first_name: '' }, 422, few('first_name', 1)],
  ['a long first name', { first_name: 'a'.repeat(51) }, 422, many('first_name')],
  ['a long last name', { last_name: 'a'.repeat(51) }, 422, many('last_name')],
  ['a missing field', { username: undefined }, 422, field('missing', 'username', 'Field required')],
  [
    'a malformed address',
    { email: 'ada.example.com' },
    422,
    field(
      'value_error',
      'email',
      'value is not a valid email address: An email address must have an @-sign.',
      { reason: 'An email address must have an @-sign.' },
    ),
  ],
];

test.each(CHECKS)('sign-up answers invalid input: %s', async (_what, more, status, body) => {
  await register(ada({ email: 'taken@example.com', username: 'taken' }));
  const answer = await register(ada(more));
  expect([answer.status, answer.body]).toEqual([status, body]);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
});

test('no answer and no log line holds the password or its confirmation', async () => {
  const password = 'Canary-In-Clear-1';
  const answers = [
    await register(ada({ password, confirm_password: 'Canary-Confirmed-2' })),
    await register(ada({ password, confirm_password: password })),
    await register(ada({ password, confirm_password: password, username: 'x' })),
    await register(ada({ password, confirm_password: password, email: password })),
    await ask('/auth/login', { json: { username: 'taken', password } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 201, 422, 422, 401]);
  for (const { text } of answers) expect(text).not.toMatch(/Canary/);
  expect(api.output()).not.toMatch(/Canary/);
});

test('sign-up does not change an existing pool user with the same address', async ({
  deployment,
}) => {
  await addUser(deployment.pool, 'theirs@example.com');
  const before = await inPool(deployment, 'theirs@example.com');
  const answer = await register(ada({ email: 'theirs@example.com' }));
  expect([answer.status, answer.body]).toEqual([400, { detail: 'Email already exists' }]);
  expect(await inPool(deployment, 'theirs@example.com')).toEqual(before);
  const [row] = await sql`SELECT status, sealed_password, failure->>'code' AS code
    FROM registrations WHERE email = 'theirs@example.com'`;
  expect(row).toEqual({ status: 'failed', sealed_password: null, code: 'email_taken' });
});

const RACES: [string, (n: number) => Record<string, unknown>, string][] = [
  [
    'address',
    (n) => ({ email: n % 2 ? 'Race@example.com' : ' race@example.com' }),
    'Email already exists',
  ],
  ['username', (n) => ({ username: n % 2 ? 'Race' : ' race ' }), 'Username already exists'],
];

test.each(RACES)(
  'of fifty simultaneous sign-ups for one %s one succeeds, and the others get a clean error',
  async (_what, more, detail) => {
    const [before] = await sql`SELECT count(*)::int AS rows FROM registrations`;
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => register(ada(more(n)))));
    const won = answers.filter(({ status }) => status === 201);
    const lost = answers.filter(({ status }) => status !== 201);
    expect(won).toHaveLength(1);
    expect(lost.map(({ status, body }) => [status, body])).toEqual(
      Array.from({ length: 49 }, () => [400, { detail }]),
    );
    const [after] = await sql`SELECT count(*)::int AS rows,
    count(sealed_password)::int AS seals FROM registrations`;
    expect(after).toEqual({ rows: Number(before?.['rows']) + 1, seals: 0 });
  },
);

test('fifteen simultaneous sign-ups with one key make one user, and only the right password gets tokens', async () => {
  const body = ada();
  const headers = { 'idempotency-key': 'impatient' };
  const stranger = register({ ...body, ...weak('Difference2') }, headers);
  const answers = await Promise.all([
    ...Array.from({ length: 14 }, () => register(body, headers)),
    stranger,
  ]);
  const inside = answers.filter(({ status }) => status === 201);
  const outside = answers.filter(({ status }) => status !== 201);
  // Whichever password came first is the one.
  expect([1, 14]).toContain(inside.length);
  for (const answer of outside) {
    expect([answer.status, answer.body]).toEqual([400, { detail: 'Email already exists' }]);
  }
  expect(new Set(inside.map((answer) => answer.body.user_id)).size).toBe(1);
  expect(
    inside.filter((answer) => answer.headers.get('idempotent-replayed') === null),
  ).toHaveLength(1);
  const rows = await sql`SELECT status FROM registrations WHERE email = ${body.email}`;
  expect([...rows]).toEqual([{ status: 'completed' }]);
});

test('asynchronous sign-up answers 202 at once, and the user can sign in soon after', async () => {
  const { email, password } = ada();
  const { status, body, headers } = await register(
    { email, password },
    { prefer: 'respond-async' },
  );
  expect([status, body]).toEqual([
    202,
    { message: expect.any(String), registration_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  ]);
  expect([headers.get('location'), headers.get('preference-applied')]).toEqual([
    null,
    'respond-async',
  ]);
  const login = () => ask('/auth/login', { json: { username: email, password } });
  await expect
    .poll(async () => (await login()).status, { timeout: 20_000, interval: 1500 })
    .toBe(200);
  expect((await login()).body).toMatchObject({ email, username: null, is_verified: false });
});

test('a sign-out of all sessions ends access tokens at other routes soon after', async () => {
  const { body: person } = await register(ada());
  const bearer = { authorization: `Bearer ${person.access_token}` };
  const roles = async () => (await ask('/roles', { headers: bearer })).status;
  expect(await roles()).toBe(403);
  const json = { refresh_token: 'of another session' };
  expect((await ask('/auth/logout', { json, headers: bearer })).status).toBe(204);
  await eventually(async () => (await roles()) === 401);
});
