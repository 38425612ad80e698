import { randomUUID } from 'node:crypto';
import { describe, expect } from 'vitest';
import { RateLimited } from '../../../../src/http/access/limits.ts';
import type { AppDeps } from '../../../../src/http/app.ts';
import { openDatabase } from '../../../../src/db/client.ts';
import { createPasswordPolicy } from '../../../../src/domain/password-policy.ts';
import { ProviderUnavailable } from '../../../../src/domain/role.ts';
import type { SignIn } from '../../../../src/domain/session.ts';
import { commonPasswords } from '../../../../src/secrets/common-passwords.ts';
import type { Secret } from '../../../../src/secrets/secret.ts';
import { type Answer, type ApiUnderTest, freshScripts } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const CHALLENGED = {
  kind: 'challenge',
  challenge: {
    name: 'SOFTWARE_TOKEN_MFA',
    session: 'session',
    poolName: 'user',
    options: null,
    destination: null,
    secret: null,
  },
} as const;

/** The sign-up door over a real ledger; what runs and pool do is scripted. The whole way over real
 * parts is test/end-to-end/signup.test.ts. */

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const PASSWORD = 'Analytical1';
const TOKENS = {
  accessToken: 'access',
  refreshToken: 'refresh',
  expiresAt: new Date('2026-01-31T10:00:00Z'),
};
const FAILED = 'An error occurred during registration. Please try again later.';

function newBody(more: Record<string, unknown> = {}) {
  const name = randomUUID().slice(0, 8);
  return {
    email: `${name}@example.com`,
    username: `ada-${name}`,
    first_name: 'Ada',
    last_name: 'Lovelace',
    password: PASSWORD,
    confirm_password: PASSWORD,
    ...more,
  };
}

const done = {
  status: 'completed',
  user_id: 'sub-1',
  cognito_username: 'sub-1',
  password_set_at: new Date(),
  sealed_password: null,
  finished_at: new Date(),
};

/** A pool in which one password is right. */
function signsIn(api: ApiUnderTest, password = PASSWORD, more: Partial<AppDeps['sessions']> = {}) {
  return {
    ...api.deps.sessions,
    signIn: async (_name: string, sent: Secret): Promise<SignIn> =>
      sent.reveal() === password ? { kind: 'signed_in', tokens: TOKENS } : { kind: 'refused' },
    ...more,
  };
}

interface Run {
  /** What the run does to the row as soon as it is started; null: nothing. */
  readonly columns?: Record<string, unknown> | null;
  readonly deps?: Partial<AppDeps>;
  readonly headers?: Record<string, string>;
}

function register(api: ApiUnderTest, json: unknown, run: Run = {}): Promise<Answer> {
  const { columns = done, deps = {}, headers = {} } = run;
  const app = api.app({
    doors: new Set(['signup']),
    sessions: signsIn(api),
    runs: {
      ...api.deps.runs,
      startSoon: (id) => {
        api.scripts.started.push(id);
        if (columns !== null) void api.row(id, columns);
      },
    },
    ...deps,
  });
  return api.call('/auth/register', { method: 'POST', token: null, json, app, headers });
}

const detailOf = ({ status, body }: Answer) => [status, body];

test('sign-up answers 201 with tokens, and the row is unverified, without roles and with a sealed password', async ({
  api,
}) => {
  const body = newBody({ email: ' Ada.SignUp@Example.com ', username: '  Ada-L ' });
  const seal: unknown[] = [];
  const sealing: AppDeps['sealing'] = {
    seal: (secret, id) => {
      seal.push(secret.reveal(), id);
      return api.deps.sealing?.seal(secret, id) ?? new Uint8Array();
    },
  };
  const { status, body: answer, text } = await register(api, body, { deps: { sealing } });
  expect([status, answer]).toEqual([
    201,
    {
      access_token: 'access',
      refresh_token: 'refresh',
      token_type: 'bearer',
      expires_at: '2026-01-31T10:00:00.000Z',
      user_id: 'sub-1',
      username: 'Ada-L',
      email: 'ada.signup@example.com',
      first_name: 'Ada',
      last_name: 'Lovelace',
      is_active: true,
      is_verified: false,
    },
  ]);
  expect(text).not.toContain(PASSWORD);
  const [row] = await api.sql`SELECT id, door, requested_by, email_verified, invite, roles,
    key_scope, sealed_at IS NOT NULL AS sealed FROM registrations WHERE email = ${answer.email}`;
  expect(row).toEqual({
    id: api.scripts.started[0],
    door: 'signup',
    requested_by: 'door:signup',
    email_verified: false,
    invite: false,
    roles: [],
    key_scope: 'signup:ada.signup@example.com',
    sealed: true,
  });
  expect(seal).toEqual([PASSWORD, row?.['id']]);
});

test('sign-up accepts a missing or null confirm_password and ignores other fields', async ({
  api,
}) => {
  for (const more of [{ confirm_password: undefined }, { confirm_password: null }, { role: 'x' }]) {
    expect((await register(api, newBody(more))).status).toBe(201);
  }
});

const missing = (field: string) => ({
  type: 'missing',
  loc: ['body', field],
  msg: 'Field required',
});
const short = (field: string, min: number) => ({
  type: 'string_too_short',
  loc: ['body', field],
  msg: `String should have at least ${min} character${min === 1 ? '' : 's'}`,
  ctx: { min_length: min },
});
const long = (field: string, max: number) => ({
  type: 'string_too_long',
  loc: ['body', field],
  msg: `String should have at most ${max} characters`,
  ctx: { max_length: max },
});
const address = (reason: string) => ({
  type: 'value_error',
  loc: ['body', 'email'],
  msg: `value is not a valid email address: ${reason}`,
  ctx: { reason },
});

const SHAPES: [string, Record<string, unknown>, object[]][] = [
  ...['email', 'username', 'first_name', 'last_name', 'password'].map(
    (field): [string, Record<string, unknown>, object[]] => [
      `no ${field}`,
      { [field]: undefined },
      [missing(field)],
    ],
  ),
  ['a short username', { username: 'ab' }, [short('username', 3)]],
  ['a username of two and blanks', { username: '  ab  ' }, [short('username', 3)]],
  ['a long username', { username: 'x'.repeat(51) }, [long('username', 50)]],
  ['an empty first name', { first_name: '' }, [short('first_name', 1)]],
  ['a blank last name', { last_name: '   ' }, [short('last_name', 1)]],
  ['a long last name', { last_name: 'x'.repeat(51) }, [long('last_name', 50)]],
  [
    'a password that Cognito never accepts',
    { password: 'Difference1 ' },
    [
      {
        type: 'value_error',
        loc: ['body', 'password'],
        msg: 'Value error, a password must not begin or end with white space, or contain line breaks',
        ctx: {
          error: 'a password must not begin or end with white space, or contain line breaks',
        },
      },
    ],
  ],
  ['a long password', { password: 'Aa1'.repeat(100) }, [long('password', 256)]],
  ['no @', { email: 'ada' }, [address('An email address must have an @-sign.')]],
  [
    'nothing before the @',
    { email: '@example.com' },
    [address('There must be something before the @-sign.')],
  ],
  [
    'nothing after the @',
    { email: 'ada@' },
    [address('There must be something after the @-sign.')],
  ],
  [
    'no period',
    { email: 'ada@example' },
    [address('The part after the @-sign is not valid. It should have a period.')],
  ],
  [
    'a blank inside',
    { email: 'a da@example.com' },
    [address('The part before the @-sign is not valid.')],
  ],
  [
    'a domain that is none',
    { email: 'ada@exa_mple.com' },
    [address('The part after the @-sign is not valid.')],
  ],
  [
    'a long address',
    { email: `${'x'.repeat(400)}@example.com` },
    [address('The email address is too long.')],
  ],
  [
    'a control character',
    { first_name: 'a\u0000da' },
    [
      {
        type: 'value_error',
        loc: ['body', 'first_name'],
        msg: 'Value error, control characters and invalid Unicode are not accepted',
        ctx: { error: 'control characters and invalid Unicode are not accepted' },
      },
    ],
  ],
  [
    'numbers and nothing, in the order of the fields',
    { email: 1, username: null, password: ['x'] },
    ['email', 'username', 'password'].map((field) => ({
      type: 'string_type',
      loc: ['body', field],
      msg: 'Input should be a valid string',
    })),
  ],
  [
    'a wrong shape before a weak password',
    { username: 'ab', password: 'weak', confirm_password: 'other' },
    [short('username', 3)],
  ],
];

const NOT_USERNAMES = [
  ['an e-mail address', 'ada@example.com'],
  ['a blank inside', 'ada lovelace'],
  ['a zero-width space', 'ada\u200b'],
  ['a zero-width joiner inside', 'a\u200dda'],
  ['full-width letters', 'ａｄａ'],
  ['a Cyrillic letter', 'аda'],
  ['a letter with a dot above', 'İda'],
  ['a control character', 'a\u0000da'],
  ['a tab around', 'ada\t'],
  ['an emoji', 'ada😀'],
] as const;

describe.each([
  ['synchronous', {}],
  ['asynchronous', { prefer: 'respond-async' }],
])(
  '%s sign-up accepts a username of 3 to 50 ASCII letters, digits and . _ - only',
  (_form, headers) => {
    test.for(NOT_USERNAMES)(
      'sign-up refuses a username with or as %s',
      async ([_what, username], { api }) => {
        const pattern = '^[A-Za-z0-9._-]+$';
        const answer = await register(api, newBody({ username }), { headers });
        const detail = {
          type: 'string_pattern_mismatch',
          loc: ['body', 'username'],
          msg: `String should match pattern '${pattern}'`,
          ctx: { pattern },
        };
        expect(detailOf(answer)).toEqual([422, { detail: [detail] }]);
      },
    );
  },
);

test('a username may have ASCII letters, digits and . _ -', async ({ api }) => {
  const username = `A.z_0-${randomUUID()}`;
  const answer = await register(api, newBody({ username }), {
    headers: { prefer: 'respond-async' },
  });
  expect(answer.status).toBe(202);
  const rows = await api.sql`SELECT username FROM registrations WHERE username = ${username}`;
  expect(rows).toHaveLength(1);
});

test.for(SHAPES)('sign-up answers 422: %s', async ([_what, more, detail], { api }) => {
  const answer = await register(api, newBody(more));
  expect(detailOf(answer)).toEqual([422, { detail }]);
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(api.scripts.started).toEqual([]);
});

const PERSONAL = 'Password must not contain your e-mail, username or name';
const WEAK: [string, Record<string, unknown>, string][] = [
  ['another confirmation, also of a weak one', pair('weak', 'other'), 'Passwords do not match'],
  ['no uppercase', both('analytical1'), 'Password must contain at least one uppercase letter'],
  ['nothing at all', both(''), 'Password must contain at least one uppercase letter'],
  ['no lowercase', both('ANALYTICAL1'), 'Password must contain at least one lowercase letter'],
  ['no digit', both('Analytical'), 'Password must contain at least one digit'],
  ['seven', both('Analyt1'), 'Password must be at least 8 characters long'],
  [
    'seven characters of two units each',
    both('Aa1😀😀😀😀'),
    'Password must be at least 8 characters long',
  ],
  ['a common one', both('Password1'), 'Password is too common'],
  ['the last name', both('xLovelace1'), PERSONAL],
  ['the username, in another case', { ...both('tHe-babBage1'), username: 'The-Babbage' }, PERSONAL],
  ['the address', { ...both('Countess-of-1'), email: 'countess@example.com' }, PERSONAL],
];

function pair(password: string, confirm_password: string) {
  return { password, confirm_password };
}
function both(password: string) {
  return pair(password, password);
}

test.for(WEAK)('sign-up answers 400: %s', async ([_what, more, detail], { api }) => {
  expect(detailOf(await register(api, newBody(more)))).toEqual([400, { detail }]);
  expect(api.scripts.started).toEqual([]);
});

test('with PASSWORD_RULES=length sign-up asks for 15 characters and no composition', async ({
  api,
}) => {
  const passwordPolicy = createPasswordPolicy('length', commonPasswords());
  const deps = { passwordPolicy };
  const sends = async (password: string) =>
    detailOf(await register(api, newBody(both(password)), { deps }));
  expect(await sends('Analytical1-xy')).toEqual([
    400,
    { detail: 'Password must be at least 15 characters long' },
  ]);
  expect(await sends('passwordpassword')).toEqual([400, { detail: 'Password is too common' }]);
  const accepted = { deps: { passwordPolicy, sessions: signsIn(api, 'correct horse b') } };
  const json = newBody(both('correct horse b'));
  expect((await register(api, json, accepted)).status).toBe(201);
});

test('the asynchronous sign-up checks a password without names by the address alone', async ({
  api,
}) => {
  const json = { email: 'somebody.else@example.com', password: 'Somebody.Else1' };
  const options = { headers: { prefer: 'respond-async' } };
  expect(detailOf(await register(api, json, options))).toEqual([400, { detail: PERSONAL }]);
  const other = { ...json, password: PASSWORD };
  expect((await register(api, other, options)).status).toBe(202);
});

test('sign-up refuses a taken e-mail first and then a taken username, in any case and with blanks', async ({
  api,
}) => {
  const first = newBody();
  expect((await register(api, first)).status).toBe(201);
  const email = ` ${first.email.toUpperCase()} `;
  const username = `  ${first.username.toUpperCase()} `;
  for (const again of [{ email, username }, { email }]) {
    expect(detailOf(await register(api, newBody(again)))).toEqual([
      400,
      { detail: 'Email already exists' },
    ]);
  }
  expect(detailOf(await register(api, newBody({ username })))).toEqual([
    400,
    { detail: 'Username already exists' },
  ]);
});

test('a user that the pool has lost frees the address and the username', async ({ api }) => {
  const body = newBody();
  const long_ago = { ...done, finished_at: new Date(Date.now() - 60_000) };
  await register(api, body, { columns: long_ago });
  api.scripts.userExists = async () => false;
  expect((await register(api, body)).status).toBe(201);
});

test('sign-up does not resume another caller’s parked run', async ({ api }) => {
  const body = newBody();
  const parked = { status: 'roles_pending', user_id: 'sub-2', cognito_username: 'sub-2' };
  const first = await register(api, body, { columns: parked });
  expect(first.status).toBe(202);
  expect(detailOf(await register(api, body, { columns: null }))).toEqual([
    400,
    { detail: 'Email already exists' },
  ]);
  expect(api.scripts.resumed).toEqual([]);
});

const failure = (api: ApiUnderTest, code: string, detail = 'x') => ({
  status: 'failed',
  sealed_password: null,
  failure: api.sql.json({ code, detail }),
});

test('sign-up answers by the way the run ended', async ({ api }) => {
  const ended = async (columns: Record<string, unknown>) =>
    detailOf(await register(api, newBody(), { columns }));
  expect(await ended(failure(api, 'email_taken'))).toEqual([
    400,
    { detail: 'Email already exists' },
  ]);
  expect(await ended(failure(api, 'password_rejected', 'Not by the policy.'))).toEqual([
    400,
    { detail: 'Not by the policy.' },
  ]);
  for (const columns of [
    failure(api, 'registration_failed'),
    failure(api, 'identity_provider_refused'),
    failure(api, 'seal_lost'),
    { status: 'cancelled', sealed_password: null },
    { ...failure(api, 'registration_failed'), status: 'cleanup_required' },
  ]) {
    expect(await ended(columns)).toEqual([500, { detail: FAILED }]);
  }
});

test('sign-up answers asynchronously when the run parks or the user cannot sign in yet', async ({
  api,
}) => {
  const cases: Run[] = [
    { columns: { status: 'roles_pending', user_id: 'sub-3' } },
    { deps: { sessions: signsIn(api, PASSWORD, { signIn: async () => CHALLENGED }) } },
  ];
  for (const run of cases) {
    const { status, body, headers } = await register(api, newBody(), run);
    const id = api.scripts.started.at(-1);
    expect([status, body]).toEqual([
      202,
      {
        message: 'Registration accepted. You can sign in as soon as it is complete.',
        registration_id: id,
      },
    ]);
    expect(headers.get('location')).toBe(`/registrations/${id}`);
  }
});

test('sign-up tries the sign-in again when the pool does not see the user yet or is briefly unreachable', async ({
  api,
}) => {
  let asked = 0;
  const signIn = async (): Promise<SignIn> => {
    asked += 1;
    if (asked === 1) throw new ProviderUnavailable('scripted');
    return asked === 2 ? { kind: 'refused' } : { kind: 'signed_in', tokens: TOKENS };
  };
  const { status } = await register(api, newBody(), {
    deps: { sessions: signsIn(api, '', { signIn }) },
  });
  expect([status, asked]).toEqual([201, 3]);
});

test('a repeated key returns tokens only for the right password, tried once and limited', async ({
  api,
}) => {
  const body = newBody();
  const headers = { 'idempotency-key': 'k-1' };
  const first = await register(api, body, { headers });
  expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([201, null]);
  const again = await register(api, body, { headers });
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([201, 'true']);
  expect(again.body).toEqual(first.body);
  expect(api.scripts.started).toHaveLength(1);

  let asked = 0;
  const sessions = signsIn(api);
  const counted = {
    ...sessions,
    signIn: async (name: string, sent: Secret) => {
      asked += 1;
      return await sessions.signIn(name, sent);
    },
  };
  const other = { ...body, ...both('Difference2') };
  const wrong = await register(api, other, { headers, deps: { sessions: counted } });
  expect(detailOf(wrong)).toEqual([400, { detail: 'Email already exists' }]);
  expect(asked).toBe(1);

  const limits = {
    ...api.deps.limits,
    passwordCheck: () => Promise.reject(new RateLimited(7)),
  };
  const limited = await register(api, other, { headers, deps: { limits, sessions: counted } });
  expect([limited.status, limited.headers.get('retry-after'), asked]).toEqual([429, '7', 1]);

  const reused = await register(api, { ...body, last_name: 'King' }, { headers });
  expect(detailOf(reused)).toEqual([
    422,
    {
      detail: [
        {
          type: 'idempotency_key_reused',
          loc: ['header', 'idempotency-key'],
          msg: 'This Idempotency-Key was already used with a different request body.',
        },
      ],
    },
  ]);
  // The scope is the address: somebody else's key of the same name is another one.
  expect((await register(api, newBody(), { headers })).status).toBe(201);
  const bad = await register(api, newBody(), { headers: { 'idempotency-key': 'with blank' } });
  expect([bad.status, bad.body.detail[0].type]).toEqual([422, 'string_pattern_mismatch']);
});

test('a replay counts as a password check, and the right password restores the counter', async ({
  api,
}) => {
  const body = newBody();
  const headers = { 'idempotency-key': 'counted' };
  const checked: string[] = [];
  let given = 0;
  const limits = {
    ...api.deps.limits,
    passwordCheck: async (from: string, account: string) => {
      checked.push(`${from} ${account}`);
      return async () => void (given += 1);
    },
  };
  const options = { headers, deps: { limits } };
  expect((await register(api, body, options)).status).toBe(201);
  expect([checked, given]).toEqual([[], 0]);
  expect((await register(api, body, options)).status).toBe(201);
  expect([checked, given]).toEqual([[`192.0.2.1 ${body.email}`], 1]);
  expect((await register(api, { ...body, ...both('Difference2') }, options)).status).toBe(400);
  expect([checked.length, given]).toEqual([2, 1]);
});

test('only valid requests count against the sign-up limit', async ({ api }) => {
  const asked: string[] = [];
  const limits = {
    ...api.deps.limits,
    signUp: async (from: string, email: string) => {
      asked.push(`${from} ${email}`);
      throw new RateLimited(30);
    },
  };
  const deps = { limits };
  await register(api, newBody({ username: 'ab' }), { deps });
  await register(api, newBody(both('weak')), { deps });
  expect(asked).toEqual([]);
  const body = newBody();
  const limited = await register(api, body, { deps });
  expect([limited.status, limited.headers.get('retry-after'), limited.body]).toEqual([
    429,
    '30',
    { detail: 'Too many requests. Please wait.', code: 'rate_limited' },
  ]);
  expect(asked).toEqual([`192.0.2.1 ${body.email}`]);
});

test('sign-up answers a bug with its own 500 and an unreachable PostgreSQL with 503', async ({
  api,
}) => {
  const broken = { ...api.deps.runs, startSoon: () => raise(new TypeError('hunter2')) };
  const bug = await register(api, newBody(), { deps: { runs: broken } });
  expect(detailOf(bug)).toEqual([500, { detail: FAILED }]);
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const away = await register(api, newBody(), { deps: { db: nowhere.db } });
  await nowhere.close(0);
  expect([away.status, away.body.code, away.headers.get('retry-after')]).toEqual([
    503,
    'unavailable',
    '5',
  ]);
});

function raise(error: Error): never {
  throw error;
}
