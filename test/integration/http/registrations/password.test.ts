import { expect } from 'vitest';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const PASSWORD = 'Tr0ub4dor & 3';

let token: string;
test.beforeAll(async ({ api }) => {
  token = api.issuer.token({ sub: 'caller' });
});
test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const post = (
  api: ApiUnderTest,
  json: unknown,
  headers: Record<string, string> = {},
  more: object = {},
) => api.call('/registrations', { method: 'POST', json, token, headers, ...more });
const rowOf = async (api: ApiUnderTest, id: string) => {
  const [row] = await api.sql`SELECT * FROM registrations WHERE id = ${id}`;
  return row ?? {};
};

test('a password is accepted, sealed and never shown', async ({ api }) => {
  const answer = await post(api, newBody({ password: PASSWORD }));
  expect(answer.status).toBe(202);
  expect(answer.body.steps.map(({ name }: { name: string }) => name)).toEqual([
    'createUser',
    'setPassword',
    'assignRole:viewer',
    'complete',
  ]);
  const { sealed_password: sealed, invite } = await rowOf(api, answer.body.id);
  expect(sealed.length).toBeGreaterThan(PASSWORD.length);
  expect(sealed.includes(Buffer.from(PASSWORD))).toBe(false);
  expect(invite).toBe(false);
  const shown = [
    answer,
    await api.call(`/registrations/${answer.body.id}`),
    await api.call('/registrations'),
    await api.call(`/audit-events?registrationId=${answer.body.id}`),
  ];
  expect(shown.map(({ status }) => status)).toEqual([202, 200, 200, 200]);
  for (const { text } of shown) expect(text).not.toMatch(/Tr0ub4dor|seal/i);
  expect(JSON.stringify(api.scripts.logged)).not.toContain(PASSWORD);
});

test.for([{ invite: true }, {}])(
  'a registration without a password is invited: %j',
  async (more, { api }) => {
    const { body } = await post(api, newBody(more));
    expect(await rowOf(api, body.id)).toMatchObject({ invite: true, sealed_at: null });
  },
);

test.for([{ password: null }, { password: null, invite: true }])(
  '%j counts as no password',
  async (more, { api }) => {
    const { body } = await post(api, newBody(more));
    expect(await rowOf(api, body.id)).toMatchObject({ invite: true, sealed_at: null });
  },
);

test.for([
  [{}, true],
  [{ emailVerified: false }, false],
  [{ emailVerified: true }, true],
  [{ password: PASSWORD }, false],
  [{ password: PASSWORD, emailVerified: false }, false],
  [{ password: PASSWORD, emailVerified: true }, true],
  [{ password: null }, true],
] as const)('of an administrator, %j has emailVerified %j', async ([more, verified], { api }) => {
  const { status, body } = await post(api, newBody(more));
  expect([status, body.emailVerified]).toEqual([202, verified]);
  expect(await rowOf(api, body.id)).toMatchObject({ email_verified: verified });
  expect((await api.call(`/registrations/${body.id}`)).body.emailVerified).toBe(verified);
});

test('a caller without `*` may not set emailVerified for a user whose password it chose', async ({
  api,
}) => {
  const manager = { token: api.issuer.token({ sub: 'm', 'cognito:groups': ['manager'] }) };
  const json = newBody({ password: PASSWORD, emailVerified: true });
  const answer = await post(api, json, {}, manager);
  const detail =
    'Only a caller with the grant `*` may send both a password and `emailVerified: true`.';
  expect([answer.status, answer.body]).toEqual([
    403,
    {
      ...problem(answer, 'forbidden', 403, 'Forbidden'),
      detail,
      errors: [{ pointer: '#/emailVerified', code: 'forbidden', detail }],
    },
  ]);
  expect(await api.sql`SELECT 1 FROM registrations WHERE email = ${json.email}`).toEqual([]);
  for (const more of [{ password: PASSWORD }, { emailVerified: true }]) {
    const accepted = await post(api, newBody(more), {}, manager);
    expect([accepted.status, accepted.body.emailVerified]).toEqual([202, !('password' in more)]);
  }
});

test('emailVerified is checked with the grants, before the key and the roles', async ({ api }) => {
  const manager = { token: api.issuer.token({ sub: 'm', 'cognito:groups': ['manager'] }) };
  const key = { 'idempotency-key': 'proved' };
  const json = newBody({ password: PASSWORD });
  await post(api, json, key, manager);
  const proved = { ...json, emailVerified: true };
  expect((await post(api, proved, key, manager)).body.code).toBe('forbidden');
  const ungrantable = { ...proved, roles: ['admin'] };
  expect((await post(api, ungrantable, key, manager)).body.code).toBe('role_not_grantable');
  expect((await post(api, json, key, manager)).headers.get('idempotent-replayed')).toBe('true');
});

test('a user who chose a password gets no invitation', async ({ api }) => {
  const { body } = await post(api, newBody({ password: PASSWORD, invite: false }));
  await api.row(body.id, {
    status: 'completed',
    cognito_username: 'u',
    sealed_password: null,
    password_set_at: new Date(),
  });
  const answer = await api.call(`/registrations/${body.id}/invitation`, { method: 'POST', token });
  expect(answer.body).toMatchObject({ code: 'invitation_not_due', status: 409 });
});

test('the same key with another password is the same registration', async ({ api }) => {
  const key = { 'idempotency-key': 'with-password' };
  const body = newBody({ password: PASSWORD });
  const first = await post(api, body, key);
  const again = await post(api, { ...body, password: 'another one' }, key);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.body.id).toBe(first.body.id);
  const without = await post(api, { ...body, password: undefined, invite: false }, key);
  expect(without.body.code).toBe('idempotency_key_reused');
});

test.for([
  ['Password123', {}, 'Password is too common'],
  [
    'my ada.l key',
    { username: 'Ada.L' },
    'Password must not contain your e-mail, username or name',
  ],
  [
    'LOVELACE-xy',
    { lastName: 'Lovelace' },
    'Password must not contain your e-mail, username or name',
  ],
] as const)(
  'the password %s of an administrator is rejected by rule, and nothing is accepted',
  async ([password, more, detail], { api }) => {
    const json = newBody({ password, ...more });
    const answer = await post(api, json);
    expect([answer.status, answer.body]).toMatchObject([
      422,
      {
        code: 'password_rejected',
        detail,
        errors: [{ pointer: '#/password', code: 'password_rejected', detail }],
      },
    ]);
    expect(answer.text).not.toContain(password);
    expect(await api.sql`SELECT 1 FROM registrations WHERE email = ${json.email}`).toEqual([]);
  },
);

test('the rules of sign-up for composition and length do not bind an administrator', async ({
  api,
}) => {
  expect((await post(api, newBody({ password: 'tr0ub' }))).status).toBe(202);
});

test('a replay with another password that is too common is answered as a replay', async ({
  api,
}) => {
  const key = { 'idempotency-key': 'common-replay' };
  const body = newBody({ password: PASSWORD });
  await post(api, body, key);
  const again = await post(api, { ...body, password: 'Password123' }, key);
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
});

test.for([' Tr0ub4dor', 'Tr0ub4dor ', 'Tr0ub\n4dor'])(
  'the password %j, which Cognito never accepts, does not fit the request',
  async (password, { api }) => {
    const { body } = await post(api, newBody({ password }));
    expect(body).toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '#/password', code: 'white_space' }],
    });
  },
);

test('a deployment without sealing keys refuses passwords and accepts everything else', async ({
  api,
}) => {
  const app = api.app({ sealing: null });
  const answer = await post(api, newBody({ password: PASSWORD }), {}, { app });
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({
    code: 'invalid_request',
    errors: [
      {
        pointer: '#/password',
        code: 'not_accepted',
        detail: 'This deployment does not accept passwords.',
      },
    ],
  });
  expect((await post(api, newBody({ password: null }), {}, { app })).status).toBe(202);
});

test('a rejected password answers 422 within the wait', async ({ api }) => {
  const body = newBody({ password: PASSWORD });
  const waiting = post(api, body, { prefer: 'wait=10' });
  const [id] = await started(api);
  await api.row(id, {
    status: 'failed',
    sealed_password: null,
    failure: api.sql.json(publicFailure('password_rejected')),
  });
  const answer = await waiting;
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({ code: 'password_rejected', registrationId: id });
  expect(answer.text).not.toContain(PASSWORD);
});

test('the document marks the password as write-only', async ({ api }) => {
  const { body } = await api.call('/openapi.json', { token: null });
  expect(body.components.schemas.NewRegistration.properties.password).toMatchObject({
    type: ['string', 'null'],
    format: 'password',
    writeOnly: true,
    minLength: 1,
    maxLength: 256,
  });
  const { password: _sent, ...others } = body.components.schemas.NewRegistration.properties;
  expect(JSON.stringify(others)).not.toContain('"format":"password"');
  expect(JSON.stringify(body.components.schemas.Receipt)).not.toContain('assword"');
});

async function started(api: ApiUnderTest): Promise<[string]> {
  for (;;) {
    const [id] = api.scripts.started;
    if (id !== undefined) return [id];
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
