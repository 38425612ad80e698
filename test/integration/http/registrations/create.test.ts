import { expect } from 'vitest';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const post = (api: ApiUnderTest, json: unknown, options: object = {}) =>
  api.call('/registrations', { method: 'POST', json, ...options });

test('a registration is accepted, started and shown as a receipt', async ({ api }) => {
  const sub = '7f3c1a52-0000-4000-8000-000000000001';
  const answer = await post(
    api,
    newBody({
      email: '  Ada.Lovelace@Example.COM ',
      roles: ['viewer', 'researcher', 'viewer'],
      firstName: 'Ada',
      username: 'ada',
      attributes: { locale: 'en' },
    }),
    { token: api.issuer.token({ sub }) },
  );
  expect(answer.status).toBe(202);
  const { id, acceptedAt } = answer.body;
  expect(answer.headers.get('location')).toBe(`/registrations/${id}`);
  expect(answer.headers.get('preference-applied')).toBeNull();
  expect(answer.headers.get('idempotent-replayed')).toBeNull();
  const waiting = { status: 'waiting', attempts: 0, lastError: null, nextRetryAt: null };
  const receipt = {
    id,
    status: 'accepted',
    email: 'ada.lovelace@example.com',
    emailVerified: true,
    username: 'ada',
    firstName: 'Ada',
    lastName: null,
    roles: ['viewer', 'researcher'],
    userId: null,
    invitation: { status: 'none', sentAt: null, expiresAt: null, failure: null },
    requestedBy: sub,
    door: 'canonical',
    acceptedAt,
    finishedAt: null,
    failure: null,
    resumesAt: null,
    compensationFailures: [],
    profileId: null,
    steps: [
      { name: 'createUser', ...waiting },
      { name: 'assignRole:viewer', ...waiting },
      { name: 'assignRole:researcher', ...waiting },
      { name: 'complete', ...waiting },
    ],
    timeline: [
      {
        event: 'registration.requested',
        at: expect.stringMatching(/Z$/),
        actor: sub,
        details: { door: 'canonical', roles: ['viewer', 'researcher'] },
      },
    ],
    workflow: {
      id: `register-user/${id}`,
      runId: null,
      url: `http://ui.example/namespaces/default/workflows/register-user%2F${id}`,
    },
  };
  expect(answer.body).toEqual(receipt);
  expect(api.scripts.started).toEqual([id]);
  const [row] =
    await api.sql`SELECT attributes, email_verified, invite, door FROM registrations WHERE id = ${id}`;
  expect(row).toEqual({
    attributes: { locale: 'en' },
    email_verified: true,
    invite: true,
    door: 'canonical',
  });
  expect((await api.call(`/registrations/${id}`)).body).toEqual(receipt);
});

test('an e-mail is taken while its registration lives, whatever its case', async ({ api }) => {
  const first = await post(api, newBody({ email: 'one@example.com' }));
  const again = await post(api, newBody({ email: 'ONE@example.com', roles: ['researcher'] }));
  expect(again.body).toEqual({
    ...problem(again, 'email_taken', 409, 'E-mail taken'),
    detail: 'This e-mail address is taken.',
    registrationId: first.body.id,
  });
  const manager = api.issuer.token({ 'cognito:groups': ['manager'] });
  const visible = await post(api, newBody({ email: 'one@example.com' }), { token: manager });
  expect(visible.body.registrationId).toBe(first.body.id);
  await api.row(first.body.id, { roles: ['admin'] });
  const hidden = await post(api, newBody({ email: 'one@example.com' }), { token: manager });
  expect(hidden.status).toBe(409);
  expect(hidden.body).toEqual(problem(hidden, 'email_taken', 409, 'E-mail taken'));
  await api.row(first.body.id, { status: 'failed' });
  expect((await post(api, newBody({ email: 'one@example.com' }))).status).toBe(202);
});

test('a username is taken while its registration lives', async ({ api }) => {
  const first = await post(api, newBody({ username: 'Grace' }));
  const again = await post(api, newBody({ username: 'grace' }));
  expect(again.body).toEqual({
    ...problem(again, 'username_taken', 409, 'Username taken'),
    registrationId: first.body.id,
  });
});

test('checks come in order: token, shape, grants, key, roles, conflicts', async ({ api }) => {
  const taken = newBody();
  const first = await post(api, taken, { headers: { 'idempotency-key': 'order' } });
  const bad = { email: 'no', roles: ['admin', 'ghost'] };
  expect((await post(api, bad, { token: null })).body.code).toBe('unauthenticated');
  const manager = { token: api.issuer.token({ 'cognito:groups': ['manager'] }) };
  expect((await post(api, bad, manager)).body.code).toBe('invalid_request');
  const email = taken.email;
  expect((await post(api, { email, roles: ['admin', 'ghost'] }, manager)).body.errors).toEqual([
    {
      pointer: '#/roles/0',
      code: 'role_not_grantable',
      detail: 'You are not allowed to assign this role.',
    },
    {
      pointer: '#/roles/1',
      code: 'role_not_grantable',
      detail: 'You are not allowed to assign this role.',
    },
  ]);
  const admin = { token: api.issuer.token({ sub: first.body.requestedBy }) };
  const reused = await post(
    api,
    { email, roles: ['ghost'] },
    { ...admin, headers: { 'idempotency-key': 'order' } },
  );
  expect(reused.body.code).toBe('idempotency_key_reused');
  const unknown = await post(api, { email, roles: ['viewer', 'ghost'] }, admin);
  expect(unknown.body).toEqual({
    ...problem(unknown, 'unknown_role', 422, 'Unknown role'),
    errors: [
      {
        pointer: '#/roles/1',
        code: 'unknown_role',
        detail: 'The user pool does not have this role.',
      },
    ],
  });
  expect((await post(api, { email, roles: ['viewer'] }, admin)).body.code).toBe('email_taken');
  const [counted] =
    await api.sql`SELECT count(*)::int AS n FROM registrations WHERE email = ${email}`;
  expect(counted).toEqual({ n: 1 });
});

test('a caller without an entry in ROLE_GRANTS may register no user, not even without roles', async ({
  api,
}) => {
  for (const roles of [[], ['viewer']]) {
    const answer = await post(api, newBody({ roles }), {
      token: api.issuer.token({ 'cognito:groups': undefined }),
    });
    expect(answer.status).toBe(403);
    expect(answer.body).toEqual({
      ...problem(answer, 'forbidden', 403, 'Forbidden'),
      detail: 'The access token does not allow this request.',
    });
  }
  expect(api.scripts.started).toEqual([]);
});

test('a client and a scope register what they were granted', async ({ api }) => {
  const machine = api.issuer.token({
    sub: 'machine',
    client_id: 'machine',
    username: undefined,
    'cognito:groups': undefined,
    scope: 'other/scope',
  });
  const byClient = await post(api, newBody(), { token: machine });
  expect(byClient.body.requestedBy).toBe('client:machine');
  const scoped = api.issuer.token({
    'cognito:groups': undefined,
    scope: 'a registrar/write b',
  });
  expect((await post(api, newBody(), { token: scoped })).status).toBe(202);
  const viaMachine = api.issuer.token({ client_id: 'machine', 'cognito:groups': undefined });
  expect((await post(api, newBody(), { token: viaMachine })).body.code).toBe('forbidden');
});

test('a pool that must be asked and is away answers 503, and nothing is written', async ({
  api,
}) => {
  api.scripts.rolesAway = true;
  const body = newBody();
  const answer = await post(api, body);
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('5');
  expect(answer.body).toEqual(problem(answer, 'unavailable', 503, 'Unavailable'));
  const rows = await api.sql`SELECT 1 FROM registrations WHERE email = ${body.email}`;
  expect(rows).toHaveLength(0);
});

test('the address of a completed registration is free once its user is gone', async ({ api }) => {
  const body = newBody({ username: 'hopper' });
  const { id } = (await post(api, body)).body;
  const finished = (ms: number) => new Date(Date.now() - ms);
  const done = { status: 'completed', cognito_username: 'u-1', user_id: 's-1' };
  let asked = 0;
  const answers = (...there: boolean[]) => {
    asked = 0;
    api.scripts.userExists = async () => there[asked++] ?? true;
  };

  await api.row(id, { ...done, finished_at: finished(5000) });
  answers(false, false);
  expect((await post(api, body)).body.code).toBe('email_taken');
  expect(asked).toBe(0);

  await api.row(id, { finished_at: finished(60_000) });
  answers(false, true);
  expect((await post(api, body)).body).toMatchObject({ code: 'email_taken', registrationId: id });
  expect(asked).toBe(2);

  api.scripts.rolesAway = false;
  const { ProviderUnavailable } = await import('../../../../src/domain/role.ts');
  api.scripts.userExists = () => Promise.reject(new ProviderUnavailable('scripted'));
  expect((await post(api, body)).body.code).toBe('unavailable');

  answers(false, false);
  const again = await post(api, body);
  expect(again.status).toBe(202);
  expect(again.body.id).not.toBe(id);
  const old = await api.call(`/registrations/${id}`);
  expect(old.body.status).toBe('completed');
  expect(old.body.timeline.at(-1)).toMatchObject({
    event: 'registration.released',
    actor: 'system',
  });
});

test('address and username of two people who are both gone are free together', async ({ api }) => {
  const [first, second] = [newBody(), newBody({ username: 'gone-too' })];
  for (const body of [first, second]) {
    await api.row((await post(api, body)).body.id, {
      status: 'completed',
      cognito_username: 'u-1',
      finished_at: new Date(Date.now() - 60_000),
    });
  }
  api.scripts.userExists = async () => false;
  const answer = await post(api, { ...first, username: 'gone-too' });
  expect(answer.body).toMatchObject({ status: 'accepted', username: 'gone-too' });
});

test('the caller’s own parked run for the same e-mail and roles is resumed', async ({ api }) => {
  const body = newBody({ roles: ['viewer', 'researcher'] });
  const mine = api.issuer.token({ sub: 'me' });
  const { id } = (await post(api, body, { token: mine })).body;
  const failure = { code: 'identity_provider_unavailable', detail: 'x' };
  await api.row(id, { status: 'roles_pending', failure: api.sql.json(failure) });
  expect((await post(api, body)).body.code).toBe('email_taken');
  const other = await post(api, { ...body, roles: ['viewer'] }, { token: mine });
  expect(other.body.code).toBe('email_taken');
  expect(api.scripts.resumed).toEqual([]);
  const answer = await post(api, { ...body, roles: ['researcher', 'viewer'] }, { token: mine });
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({ id, status: 'running', failure: null });
  expect(api.scripts.resumed).toEqual([{ id, by: 'operator' }]);
});
