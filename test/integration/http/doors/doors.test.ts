import { expect } from 'vitest';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

/** Posts to a door, and does to the row what a run would as soon as it is started. */
function through(
  api: ApiUnderTest,
  path: string,
  json: unknown,
  columns: Record<string, unknown>,
  more: object = {},
) {
  const app = api.app({
    runs: {
      ...api.deps.runs,
      startSoon: (id) => void (async () => await api.row(id, columns))(),
    },
  });
  return api.call(path, { method: 'POST', json, app, ...more });
}

const done = { status: 'completed', user_id: 'sub-1', roles_assigned: ['viewer'] };

test('POST users answers 201 with the sub, checks roles and leaves them to a later step', async ({
  api,
}) => {
  const { email } = newBody();
  const answer = await through(api, '/api/users', { email, roles: ['viewer'], extra: 1 }, done);
  expect(answer.status).toBe(201);
  expect(answer.body).toEqual({ user_id: 'sub-1', email, roles: [] });
  const [row] = await api.sql`SELECT roles, door, invite FROM registrations WHERE email = ${email}`;
  expect(row).toEqual({ roles: [], door: 'users', invite: true });
  const unknown = await through(api, '/api/users', newBody({ roles: ['ghost'] }), done);
  expect(unknown.body.code).toBe('unknown_role');
  const manager = { token: api.issuer.token({ 'cognito:groups': ['manager'] }) };
  const refused = await through(api, '/api/users', newBody({ roles: ['admin'] }), done, manager);
  expect(refused.body.code).toBe('role_not_grantable');
  expect((await through(api, '/api/users', { email: newBody().email }, done)).status).toBe(201);
});

test('POST step/users answers 201 with the sub and its roles', async ({ api }) => {
  const body = newBody({ extra: true });
  const answer = await through(api, '/api/step/users', body, done);
  expect(answer.status).toBe(201);
  expect(answer.body).toEqual({
    id: 'sub-1',
    email: body.email,
    roles: ['viewer'],
    status: 'completed',
  });
  const taken = await through(api, '/api/step/users', body, done);
  expect(taken.body).toMatchObject({ code: 'email_taken', status: 409 });
  const missing = await through(api, '/api/step/users', { email: body.email }, done);
  expect(missing.body.errors).toEqual([
    { pointer: '#/roles', code: 'required', detail: 'This field is required.' },
  ]);
});

test('a parked registration ends the wait with 202 and its Location', async ({ api }) => {
  const parked = { status: 'roles_pending', user_id: 'sub-2' };
  const body = newBody();
  const step = await through(api, '/api/step/users', body, parked);
  expect(step.status).toBe(202);
  expect(step.headers.get('location')).toMatch(/^\/registrations\/[0-9a-f-]{36}$/);
  expect(step.body).toEqual({
    id: 'sub-2',
    email: body.email,
    roles: ['viewer'],
    status: 'roles_pending',
  });
  const other = newBody();
  const users = await through(api, '/api/users', other, parked);
  expect(users.status).toBe(202);
  expect(users.body).toEqual({ user_id: 'sub-2', email: other.email, roles: [] });
});

const AT_TIME: [string, Record<string, unknown>, string, string | null][] = [
  ['no user yet: the row’s word', { status: 'running' }, 'running', null],
  ['nothing begun: the row’s word', { status: 'accepted' }, 'accepted', null],
  ['a user without its roles', { status: 'running', user_id: 's' }, 'roles_pending', 's'],
  ['a user with its roles', { ...done, status: 'running', user_id: 's' }, 'running', 's'],
  ['taking back', { status: 'compensating', user_id: 's' }, 'compensating', 's'],
];

test.for(AT_TIME)(
  'POST step/users answers at the end of the wait: %s',
  async ([_what, columns, status, id], { api }) => {
    const closing = new AbortController();
    const app = api.app({
      closing: closing.signal,
      runs: {
        ...api.deps.runs,
        // The drain stands for the end of the ten seconds: the answer is the same.
        startSoon: (started) =>
          void (async () => {
            await api.row(started, columns);
            closing.abort();
          })(),
      },
    });
    const answer = await api.call('/api/step/users', { method: 'POST', json: newBody(), app });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ id, status });
  },
);

test('the wait at a door is ten seconds', async ({ api }) => {
  const begun = Date.now();
  const answer = await through(api, '/api/users', newBody(), { status: 'running' });
  expect(answer.status).toBe(202);
  expect(answer.body.user_id).toBeNull();
  expect(Date.now() - begun).toBeGreaterThan(9900);
  expect(Date.now() - begun).toBeLessThan(12_000);
});

test('POST step/users answers definitive failures with their status', async ({ api }) => {
  const failure = (code: string) => ({
    status: 'failed',
    failure: api.sql.json({ code, detail: 'Please try again.' }),
  });
  const before = await through(api, '/api/step/users', newBody(), failure('email_taken'));
  expect(before.body).toMatchObject({ code: 'email_taken', status: 409 });
  const refused = await through(
    api,
    '/api/step/users',
    newBody(),
    failure('identity_provider_refused'),
  );
  expect(refused.status).toBe(502);
  const existed = { user_created_at: new Date() };
  const after = await through(api, '/api/step/users', newBody(), {
    ...failure('registration_failed'),
    ...existed,
  });
  expect(after.body).toMatchObject({
    code: 'registration_failed',
    status: 500,
    detail: 'Please try again.',
  });
  const afterRefused = await through(api, '/api/step/users', newBody(), {
    ...failure('identity_provider_refused'),
    ...existed,
  });
  expect(afterRefused.body).toEqual({
    ...problem(afterRefused, 'registration_failed', 500, afterRefused.body.title),
    detail: 'Registration failed and was undone. Please try again.',
    registrationId: expect.any(String),
  });
  const stuck = await through(api, '/api/step/users', newBody(), {
    ...failure('registration_failed'),
    status: 'cleanup_required',
    compensation_failures: api.sql.json([
      { step: 'deleteUser', code: 'identity_provider_unavailable', detail: 'Away.' },
    ]),
  });
  expect(stuck.status).toBe(500);
  expect(stuck.body.detail).toBe(
    'Manual cleanup required. The registration failed with registration_failed. Compensation failures: deleteUser failed with identity_provider_unavailable: Away.',
  );
});

test('the doors accept an Idempotency-Key', async ({ api }) => {
  const token = api.issuer.token({ sub: 'door' });
  const body = newBody();
  const more = { token, headers: { 'idempotency-key': 'd1' } };
  expect((await through(api, '/api/step/users', body, done, more)).status).toBe(201);
  const again = await through(api, '/api/step/users', { ...body, ignored: 1 }, done, more);
  expect(again.status).toBe(201);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.body.id).toBe('sub-1');
  const other = await through(api, '/api/step/users', newBody(), done, more);
  expect(other.body.code).toBe('idempotency_key_reused');
});

const PATHS: [string, string, string][] = [
  ['users', 'POST', '/api/users'],
  ['step', 'POST', '/api/step/users'],
  ['signup', 'POST', '/auth/register'],
  ['session', 'POST', '/auth/login'],
  ['session', 'POST', '/auth/refresh'],
  ['session', 'GET', '/profile'],
  ['session', 'POST', '/auth/logout'],
  ['seeding', 'POST', '/api/v1/private/users/'],
  ['seeding', 'POST', '/api/v1/private/users'],
];

test.for(PATHS)(
  'with the door %s closed %s %s is 404 and not in the document',
  async ([door, method, path], { api }) => {
    const all = new Set(PATHS.map(([name]) => name));
    const open = api.app({ doors: all });
    const closed = api.app({ doors: new Set([...all].filter((name) => name !== door)) });
    const json = method === 'POST' ? {} : undefined;
    const answer = await api.call(path, { method, json, app: closed });
    expect(answer.body).toEqual({
      ...problem(answer, 'not_found', 404, 'Not found'),
      detail: 'There is no resource at this path.',
    });
    expect((await api.call(path, { method, json, app: open })).status).not.toBe(404);
    const pathsOf = async (app: typeof open) =>
      Object.keys((await api.call('/openapi.json', { app })).body.paths);
    expect(await pathsOf(closed)).not.toContain(path);
    // One name is enough for the other form of seeding.
    expect((await pathsOf(open)).includes(path)).toBe(path !== '/api/v1/private/users');
  },
);
