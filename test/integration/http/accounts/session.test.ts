import {
  AdminDisableUserCommand,
  CreateUserPoolClientCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { openDatabase } from '../../../../src/db/client.ts';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import { clientSettings } from '../../../../src/cognito/app-client.ts';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import { type TestPool } from '../../../support/cognito.ts';
import { type Answer, type ApiUnderTest } from '../api-under-test.ts';
import { AccountDoors } from './account-doors.ts';
import { createSignedUp } from '../signed-up.ts';
import { test } from '../../../support/api-test.ts';

/** The session door over a real ledger and the sandbox's own tokens. */

let app: ReturnType<ApiUnderTest['app']>;
const PASSWORD = 'Analytical1';

test.beforeAll(async ({ api, pool }) => {
  app = appOf(api, pool, pool.clientId, null);
});

function appOf(api: ApiUnderTest, pool: TestPool, clientId: string, clientSecret: string | null) {
  const { issuer, jwksUrl } = pool;
  return api.app({
    doors: new Set(['session']),
    sessions: createSessions(pool.client, { clientId, clientSecret }, api.deps.logger),
    verifyToken: createTokenVerifier({ issuer, jwksUrl, clientIds: [clientId] }),
  });
}

const somebody = (api: ApiUnderTest, pool: TestPool, permanent = true) =>
  createSignedUp(api, pool, PASSWORD, permanent);

const post = (
  api: ApiUnderTest,
  path: string,
  json: unknown,
  token: string | null = null,
): Promise<Answer> => api.call(path, { method: 'POST', json, token, app });
const login = (api: ApiUnderTest, username: unknown, password: unknown = PASSWORD) =>
  post(api, '/auth/login', { username, password });
const profile = (api: ApiUnderTest, token: string) => api.call('/profile', { token, app });

test('login accepts e-mail or username, in any case and with surrounding blanks', async ({
  api,
  pool,
}) => {
  const { email, username, sub } = await somebody(api, pool);
  const names = [email, ` ${email.toUpperCase()} `, username, ` ${username.toLowerCase()} `];
  for (const name of names) {
    const { status, body } = await login(api, name);
    expect([name, status]).toEqual([name, 200]);
    expect(body).toEqual({
      access_token: expect.stringMatching(/^ey/),
      refresh_token: expect.any(String),
      token_type: 'bearer',
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      user_id: sub,
      username,
      email,
      first_name: 'Ada',
      last_name: 'Lovelace',
      is_active: true,
      is_verified: true,
    });
    const claims = JSON.parse(
      Buffer.from(String(body.access_token).split('.')[1] ?? '', 'base64url').toString(),
    );
    expect(Date.parse(body.expires_at)).toBe(claims.exp * 1000);
    expect(claims.exp - claims.iat).toBe(1800);
  }
});

test('profile shows the user, and each refresh token gives new tokens once', async ({
  api,
  pool,
}) => {
  const { email, username, sub } = await somebody(api, pool);
  const { body: session } = await login(api, email);
  const shown = await profile(api, session.access_token);
  expect([shown.status, shown.body]).toEqual([
    200,
    {
      user_id: sub,
      username,
      email,
      first_name: 'Ada',
      last_name: 'Lovelace',
      is_active: true,
      is_verified: true,
    },
  ]);
  const { refresh_token } = session;
  const refreshed = await post(api, '/auth/refresh', { refresh_token });
  expect(refreshed.status).toBe(200);
  expect(refreshed.body).toEqual({
    access_token: expect.stringMatching(/^ey/),
    refresh_token: expect.stringMatching(/^ey/),
    token_type: 'bearer',
    expires_at: expect.any(String),
  });
  expect(refreshed.body.refresh_token).not.toBe(refresh_token);
  const spent = await post(api, '/auth/refresh', { refresh_token });
  expect([spent.status, spent.body]).toEqual([401, { detail: 'Invalid or expired refresh token' }]);
  const { refresh_token: next } = refreshed.body;
  expect((await post(api, '/auth/refresh', { refresh_token: next })).status).toBe(200);
  expect(refreshed.body.access_token).not.toBe(session.access_token);
  expect((await profile(api, refreshed.body.access_token)).body.user_id).toBe(sub);
});

test('logout ends the refresh token and every token of its session', async ({ api, pool }) => {
  const { email } = await somebody(api, pool);
  const [session, other] = [(await login(api, email)).body, (await login(api, email)).body];
  const later = (await post(api, '/auth/refresh', { refresh_token: session.refresh_token })).body;
  const { refresh_token } = later;
  const out = await post(api, '/auth/logout', { refresh_token }, later.access_token);
  expect([out.status, out.text]).toEqual([204, '']);
  const dead = await post(api, '/auth/refresh', { refresh_token });
  expect([dead.status, dead.body]).toEqual([401, { detail: 'Invalid or expired refresh token' }]);
  for (const { access_token } of [session, later]) {
    const refused = await profile(api, access_token);
    expect([refused.status, refused.body]).toEqual([
      401,
      { detail: 'A valid bearer access token is required.', code: 'unauthenticated' },
    ]);
  }
  expect((await post(api, '/auth/logout', { refresh_token }, later.access_token)).status).toBe(204);
  expect((await profile(api, other.access_token)).status).toBe(200);
});

test('logout with the refresh token of another session ends both sessions', async ({
  api,
  pool,
}) => {
  const { email } = await somebody(api, pool);
  const [one, two] = [(await login(api, email)).body, (await login(api, email)).body];
  for (const refresh_token of ['nonsense', two.refresh_token]) {
    const { body } = await login(api, email);
    expect((await post(api, '/auth/logout', { refresh_token }, body.access_token)).status).toBe(
      204,
    );
    expect((await profile(api, body.access_token)).status).toBe(401);
    expect((await post(api, '/auth/refresh', { refresh_token })).status).toBe(401);
  }
  expect((await profile(api, one.access_token)).status).toBe(401);
});

test('tokens of another client, another use or a disabled user are refused', async ({
  api,
  pool,
}) => {
  const { email } = await somebody(api, pool);
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'other',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    }),
  );
  const json = { username: email, password: PASSWORD };
  const atOther = {
    method: 'POST',
    token: null,
    app: appOf(api, pool, UserPoolClient?.ClientId ?? '', null),
  };
  const other = (await api.call('/auth/login', { ...atOther, json })).body;
  const ours = (await login(api, email)).body;
  const refresh = async (refresh_token: string) =>
    (await post(api, '/auth/refresh', { refresh_token })).status;
  for (const token of [other.access_token, ours.refresh_token]) {
    expect((await profile(api, token)).status).toBe(401);
  }
  for (const token of [other.refresh_token, ours.access_token, '', `${ours.refresh_token}x`]) {
    expect(await refresh(token)).toBe(401);
  }
  expect([
    (await profile(api, ours.access_token)).status,
    await refresh(ours.refresh_token),
  ]).toEqual([200, 200]);
  await pool.client.send(
    new AdminDisableUserCommand({ UserPoolId: pool.userPoolId, Username: email }),
  );
  expect([
    (await profile(api, ours.access_token)).status,
    await refresh(ours.refresh_token),
  ]).toEqual([401, 401]);
});

test('login answers wrong, unknown, disabled and password-owing accounts alike', async ({
  api,
  pool,
}) => {
  const [known, disabled, owing] = [
    await somebody(api, pool),
    await somebody(api, pool),
    await somebody(api, pool, false),
  ];
  await pool.client.send(
    new AdminDisableUserCommand({ UserPoolId: pool.userPoolId, Username: disabled.email }),
  );
  await pool.clearCalls();
  const pairs: [string, string][] = [
    [known.email, 'Analytical2'],
    [known.username, 'Analytical2'],
    [owing.email, 'Analytical2'],
    [disabled.email, PASSWORD],
    [disabled.username, 'Analytical2'],
    ['nobody@example.com', PASSWORD],
    ['nobody', PASSWORD],
    ['no\u0000body', PASSWORD],
    ['', ''],
  ];
  for (const [name, password] of pairs) {
    const { status, body, headers } = await login(api, name, password);
    expect([name, status, body]).toEqual([name, 401, { detail: 'Incorrect username or password' }]);
    expect(headers.get('content-type')).toBe('application/json');
  }
  expect((await pool.calls())['InitiateAuth']?.calls).toBe(pairs.length);
});

test('login accepts a password in the Unicode form that was set, and in NFC when another was typed', async ({
  api,
  pool,
}) => {
  const typed = 'Zoë-Analytical1';
  const composed = await createSignedUp(api, pool, typed.normalize('NFC'));
  expect((await login(api, composed.email, typed.normalize('NFC'))).status).toBe(200);
  expect((await login(api, composed.email, typed.normalize('NFD'))).status).toBe(200);
  const decomposed = await createSignedUp(api, pool, typed.normalize('NFD'));
  expect((await login(api, decomposed.email, typed.normalize('NFD'))).status).toBe(200);
  const temporary = await createSignedUp(api, pool, typed.normalize('NFC'), false);
  expect((await login(api, temporary.email, typed.normalize('NFD'))).status).toBe(403);
  expect((await login(api, composed.email, 'Zoë-Analytical2'.normalize('NFD'))).status).toBe(401);
});

test('a wrong password with another form in NFC is sent twice and counts as one attempt', async ({
  api,
  pool,
}) => {
  const { email } = await somebody(api, pool);
  let sent = 0;
  let counted = 0;
  const client = {
    send: async () => {
      sent += 1;
      throw Object.assign(new Error('wrong'), { name: 'NotAuthorizedException' });
    },
  } as unknown as TestPool['client'];
  const settings = { clientId: pool.clientId, clientSecret: null };
  const counting = api.app({
    doors: new Set(['session']),
    sessions: createSessions(client, settings, api.deps.logger),
    limits: {
      ...api.deps.limits,
      passwordCheck: async (...named) => {
        counted += 1;
        return await api.deps.limits.passwordCheck(...named);
      },
    },
  });
  const attempt = async (password: string) => {
    [sent, counted] = [0, 0];
    const json = { username: email, password };
    const options = { method: 'POST', json, token: null, app: counting };
    return [(await api.call('/auth/login', options)).status, sent, counted];
  };
  expect(await attempt('Zoë-1'.normalize('NFD'))).toEqual([401, 2, 1]);
  expect(await attempt('Zoë-1'.normalize('NFC'))).toEqual([401, 1, 1]);
});

test('login with the right temporary password says that a new one is due', async ({
  api,
  pool,
}) => {
  const { email } = await somebody(api, pool, false);
  const { status, body } = await login(api, email);
  expect([status, body]).toEqual([
    403,
    {
      detail: 'Sign-in requires another step: answer the challenge.',
      code: 'challenge_required',
      challenge: 'NEW_PASSWORD_REQUIRED',
      session: expect.any(String) as unknown,
      options: null,
      destination: null,
      secret: null,
    },
  ]);
});

test('a client with a secret that rotates, as setup makes it, serves login, refresh and logout alike', async ({
  api,
  pool,
}) => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'secretive',
      GenerateSecret: true,
      ...clientSettings({}),
    }),
  );
  const { ClientId = '', ClientSecret = '' } = UserPoolClient ?? {};
  const { email, username } = await somebody(api, pool);
  const secretive = appOf(api, pool, ClientId, ClientSecret);
  const ask = (path: string, json: unknown, token: string | null = null) =>
    api.call(path, { method: 'POST', json, token, app: secretive });
  expect((await ask('/auth/login', { username: email, password: 'no' })).status).toBe(401);
  const { body } = await ask('/auth/login', { username, password: PASSWORD });
  const refreshed = await ask('/auth/refresh', { refresh_token: body.refresh_token });
  expect(refreshed.status).toBe(200);
  const { refresh_token, access_token } = refreshed.body;
  expect(refresh_token).not.toBe(body.refresh_token);
  expect((await ask('/auth/logout', { refresh_token }, access_token)).status).toBe(204);
  expect((await ask('/auth/refresh', { refresh_token })).status).toBe(401);

  // The wrong secret is our mistake, and must not look like the person's.
  const wrong = { method: 'POST', token: null, app: appOf(api, pool, ClientId, 'other') };
  const away = await api.call('/auth/login', {
    ...wrong,
    json: { username: email, password: PASSWORD },
  });
  expect([away.status, away.body.code]).toEqual([503, 'unavailable']);
});

test('the session door answers 503 with Retry-After while Cognito is unreachable', async ({
  api,
  pool,
}) => {
  const { email } = await somebody(api, pool);
  await pool.setFaults([{ operation: 'InitiateAuth', times: 1, fault: { kind: 'server' } }]);
  const away = await login(api, email);
  expect([away.status, away.headers.get('retry-after')]).toEqual([503, '5']);
  expect(away.body).toEqual({
    detail: expect.stringContaining('unavailable'),
    code: 'unavailable',
  });
  expect((await login(api, email)).status).toBe(200);
});

const SHAPES: [string, unknown, object[]][] = [
  [
    'nothing',
    {},
    [
      { type: 'missing', loc: ['body', 'username'], msg: 'Field required' },
      { type: 'missing', loc: ['body', 'password'], msg: 'Field required' },
    ],
  ],
  [
    'a number for a name',
    { username: 7, password: 'x' },
    [{ type: 'string_type', loc: ['body', 'username'], msg: 'Input should be a valid string' }],
  ],
  [
    'null for a password',
    { username: 'x', password: null },
    [{ type: 'string_type', loc: ['body', 'password'], msg: 'Input should be a valid string' }],
  ],
  [
    'a password of 257',
    { username: 'x', password: 'x'.repeat(257) },
    [
      {
        type: 'string_too_long',
        loc: ['body', 'password'],
        msg: 'String should have at most 256 characters',
        ctx: { max_length: 256 },
      },
    ],
  ],
  [
    'a list',
    [],
    [
      {
        type: 'model_attributes_type',
        loc: ['body'],
        msg: 'Input should be a valid dictionary or object to extract fields from',
      },
    ],
  ],
];

test.for(SHAPES)(
  'the session door answers %s with 422 in FastAPI’s form',
  async ([_what, json, detail], { api }) => {
    const { status, body } = await post(api, '/auth/login', json);
    expect([status, body]).toEqual([422, { detail }]);
  },
);

test('the session door refuses a body that is not JSON, too large or of another type', async ({
  api,
}) => {
  const raw = (body: string, type = 'application/json') =>
    api.call('/auth/login', {
      method: 'POST',
      body,
      app,
      token: null,
      headers: { 'content-type': type },
    });
  expect((await raw('{"password":"hunter2"')).body.detail[0].type).toBe('json_invalid');
  expect((await raw('{"password":"hunter2"')).text).not.toContain('hunter2');
  expect((await raw('{}', 'text/plain')).body.detail[0].type).toBe('model_attributes_type');
  const large = await raw(`"${'x'.repeat(70_000)}"`);
  expect([large.status, large.body.code]).toEqual([413, 'payload_too_large']);
});

test('the session door answers a missing or bad token with 401 in its own form', async ({
  api,
}) => {
  for (const [path, method] of [
    ['/profile', 'GET'],
    ['/auth/logout', 'POST'],
  ] as const) {
    for (const token of [null, 'nonsense']) {
      const answer = await api.call(path, { method, token, app });
      expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated']);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  }
  const method = await api.call('/auth/login', { app });
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'OPTIONS, POST']);
  expect(method.body.detail).toBe('Method not allowed.');
});

test('no answer and no log line holds a password or a token', async ({ api, pool }) => {
  const { email } = await somebody(api, pool);
  const { body, text } = await login(api, email);
  await login(api, email, 'Wrong-Canary-1');
  const logged = JSON.stringify(api.scripts.logged);
  for (const secret of [PASSWORD, 'Wrong-Canary-1', body.refresh_token, body.access_token]) {
    expect(logged).not.toContain(secret);
  }
  expect(text).not.toContain(PASSWORD);
});

test('without PostgreSQL people sign in by e-mail, except where sign-ups have to prove the address', async ({
  api,
  pool,
  onTestFinished,
}) => {
  const { email, username } = await somebody(api, pool);
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  onTestFinished(() => nowhere.close());
  const doors = new AccountDoors(api, pool, { db: nowhere.db });
  const { status, body } = await doors.login(email);
  // Whether the address is still the ledger's is not known.
  expect([status, body.email, body.is_verified]).toEqual([200, email, false]);
  expect((await doors.login(username)).status).toBe(503);
  const required = { db: nowhere.db, signupVerification: 'required' } as const;
  expect((await new AccountDoors(api, pool, required).login(email)).status).toBe(503);
});
