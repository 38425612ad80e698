import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { acceptChange } from '../../../../src/ledger/changes/accept.ts';
import { changeInput } from '../../../support/change-input.ts';
import { test as base } from '../../../support/api-on-pool-test.ts';
import { addRole, addUser, portrait, removeUser, userIdOf } from '../../../support/pool-user.ts';
import { manager, registered } from '../../../support/registered.ts';
import { freshScripts, problem } from '../api-under-test.ts';

/** With `post`: the step door, whose changes end at once as the test wants. */
const test = base.extend('post', { scope: 'file' }, ({ api, users }) => {
  const post = (json: object, columns: Record<string, unknown> | null, more: object = {}) => {
    const userRuns = {
      ...api.deps.userRuns,
      wakeSoon: (userId: string) =>
        void (async () => {
          const [row] = await api.sql<{ id: string }[]>`SELECT id FROM changes
            WHERE user_id = ${userId} AND open ORDER BY position DESC LIMIT 1`;
          if (row && columns) await api.change(row.id, columns);
        })(),
    };
    const app = api.app({ directory: users.directory, userRuns });
    return api.call('/api/step/users', { method: 'POST', json, app, ...more });
  };
  return post;
});

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const added = (roles: string[]) => ({
  status: 'completed',
  roles,
  roles_before: [],
  finished_at: new Date(),
});

test('a person whom the users door registered gets the roles by a change: 201 with all roles', async ({
  api,
  steps,
  post,
}) => {
  const row = await registered(steps, { roles: [], door: 'users', requestedBy: 'door' });
  const token = api.issuer.token({ sub: 'door' });
  const body = { email: row.email.toUpperCase(), roles: ['researcher', 'researcher'] };
  const answer = await post(body, added(['viewer', 'researcher']), { token });
  expect([answer.status, answer.body]).toEqual([
    201,
    { id: row.userId, email: row.email, roles: ['viewer', 'researcher'], status: 'completed' },
  ]);
  const [change] = await api.sql`SELECT id, kind, adds_roles, requested_by, person_roles
    FROM changes WHERE user_id = ${row.userId}`;
  expect(change).toMatchObject({
    kind: 'roles',
    adds_roles: true,
    requested_by: 'door',
    person_roles: ['researcher'],
  });
  expect(answer.headers.get('location')).toBe(`/changes/${change?.['id']}`);
  const [{ n } = { n: 0 }] = await api.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM registrations WHERE email = ${row.email}`;
  expect(n).toBe(1);
});

test('at the end of the wait the door answers 202 with roles_pending and the change', async ({
  api,
  steps,
  post,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const parked = { status: 'parked', begun_at: new Date() };
  const answer = await post({ email: row.email, roles: ['researcher'] }, parked);
  expect([answer.status, answer.body]).toEqual([
    202,
    {
      id: row.userId,
      email: row.email,
      roles: ['researcher', 'viewer'],
      status: 'roles_pending',
    },
  ]);
  const id = answer.headers.get('location')?.replace('/changes/', '') ?? '';
  const [change] = await api.sql`SELECT user_id FROM changes WHERE id = ${id}`;
  expect(change?.['user_id']).toBe(row.userId);
});

test('a change that fails is a 500 that says that the person is as before', async ({
  api,
  steps,
  post,
}) => {
  const failure = api.sql.json({ code: 'not_ours', cause: 'not_ours', detail: 'x' });
  const row = await registered(steps, { roles: ['viewer'] });
  const failed = { status: 'failed', failure, finished_at: new Date() };
  const answer = await post({ email: row.email, roles: ['researcher'] }, failed);
  expect(answer.body).toEqual({
    ...problem(answer, 'registration_failed', 500, 'Registration failed'),
    detail:
      'The roles could not be added and were taken back: the user is as before. Please try again.',
  });
  expect(answer.headers.get('location')).toMatch(/^\/changes\//);
  const cancelled = await post(
    { email: row.email, roles: ['researcher'] },
    { status: 'cancelled', finished_at: new Date() },
  );
  expect([cancelled.status, cancelled.body.code]).toEqual([409, 'registration_cancelled']);
});

test('a person who signed up and never proved the address gets no role at the door', async ({
  api,
  steps,
  post,
}) => {
  const row = await registered(steps, { roles: [], door: 'signup', emailVerified: false });
  for (const roles of [['viewer'], []]) {
    const answer = await post({ email: row.email, roles }, null);
    expect([answer.status, answer.body.code]).toEqual([409, 'email_unverified']);
  }
  expect(await api.sql`SELECT 1 FROM changes WHERE user_id = ${row.userId}`).toHaveLength(0);
});

test('roles that the caller may not grant, or that the pool does not have, are refused', async ({
  api,
  steps,
  post,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const admin = await post({ email: row.email, roles: ['admin'] }, null, { token: manager(api) });
  expect([admin.status, admin.body.code]).toEqual([403, 'role_not_grantable']);
  const ghost = await post({ email: row.email, roles: ['ghost'] }, null);
  expect([ghost.status, ghost.body.code]).toEqual([422, 'unknown_role']);
  const visitor = api.issuer.token({ 'cognito:groups': ['visitor'] });
  const none = await post({ email: row.email, roles: [] }, null, { token: visitor });
  expect(none.body.code).toBe('forbidden');
  const self = api.issuer.token({ sub: row.userId, 'cognito:groups': ['admin'] });
  const own = await post({ email: row.email, roles: ['admin'] }, null, { token: self });
  expect(own.body.code).toBe('forbidden');
  expect(await api.sql`SELECT 1 FROM changes WHERE user_id = ${row.userId}`).toHaveLength(0);
});

test('the address of a person who is or will be above the grants, or is unfinished, is taken', async ({
  api,
  steps,
  post,
  pool,
}) => {
  const above = await registered(steps, { roles: ['viewer', 'admin'] });
  const open = await registered(steps, { roles: ['viewer'] });
  await api.row(open.id, { status: 'roles_pending', finished_at: null });
  const promoted = await registered(steps, { roles: ['viewer'] });
  await acceptChange(steps.db, changeInput(promoted.userId, 'roles', { roles: ['admin'] }), null);
  for (const { email } of [above, open, promoted]) {
    const before = await portrait(pool, email);
    const answer = await post({ email, roles: ['viewer'] }, null, { token: manager(api) });
    expect([answer.status, answer.body.code]).toEqual([409, 'email_taken']);
    expect(await portrait(pool, email)).toBe(before);
  }
  // A stranger with a copied mark.
  const copied = await registered(steps, { roles: ['viewer'] });
  const stranger = `${randomUUID()}@example.com`;
  await addUser(pool, stranger, { mark: copied.id });
  await api.row(copied.id, { cognito_username: await userIdOf(pool, stranger) });
  const before = await portrait(pool, stranger);
  const refused = await post({ email: copied.email, roles: ['viewer'] }, null);
  expect([refused.status, refused.body.code]).toEqual([409, 'email_taken']);
  expect(await portrait(pool, stranger)).toBe(before);
  expect(await api.sql`SELECT 1 FROM changes WHERE user_id = ${copied.userId}`).toHaveLength(0);
  expect(await api.sql`SELECT 1 FROM changes WHERE user_id = ${promoted.userId}`).toHaveLength(1);
});

test('a key at the door is one change, or one registration, and never both', async ({
  api,
  steps,
  post,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const more = {
    token: api.issuer.token({ sub: 'door' }),
    headers: { 'idempotency-key': randomUUID() },
  };
  const body = { email: row.email, roles: ['researcher'] };
  const all = added(['viewer', 'researcher']);
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(body, all, more)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  expect(new Set(answers.map(({ headers }) => headers.get('location'))).size).toBe(1);
  const again = await post(body, null, more);
  expect([again.status, again.body, again.headers.get('idempotent-replayed')]).toEqual([
    201,
    answers[0]?.body,
    'true',
  ]);
  const other = await post({ ...body, roles: ['viewer'] }, null, more);
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  const elsewhere = { email: `${randomUUID()}@example.com`, roles: ['researcher'] };
  expect((await post(elsewhere, null, more)).body.code).toBe('idempotency_key_reused');
});

test('a key is replayed whatever became of the person, but not to a caller who lost the grants', async ({
  api,
  steps,
  post,
  pool,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const headers = { 'idempotency-key': randomUUID() };
  const body = { email: row.email, roles: ['researcher'] };
  const first = await post(body, added(['viewer', 'researcher']), {
    token: manager(api, 'manager-1'),
    headers,
  });
  expect(first.status).toBe(201);
  await addRole(pool, row.email, 'admin');
  const again = await post(body, null, { token: manager(api, 'manager-1'), headers });
  expect([again.status, again.body]).toEqual([201, first.body]);
  const demoted = api.issuer.token({ sub: 'manager-1', 'cognito:groups': ['visitor'] });
  const refused = await post(body, null, { token: demoted, headers });
  expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
});

test('somebody who signs up with the address while the request is checked gets no role at the door', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const before = await registered(steps, { roles: ['viewer'] });
  const { email } = before;
  // Past the grace, the pool is asked whether the holder of the address is still there.
  await api.row(before.id, { finished_at: new Date(0) });
  const signUp: { userId?: string } = {};
  const directory = {
    ...users.directory,
    userExists: async () => {
      await removeUser(pool, email);
      await api.row(before.id, { user_deleted_at: new Date() });
      const wanted = { email, roles: [], door: 'signup', emailVerified: false } as const;
      signUp.userId = (await registered(steps, wanted)).userId;
      return true;
    },
  };
  const app = api.app({ directory });
  const json = { email, roles: ['researcher'] };
  const answer = await api.call('/api/step/users', { method: 'POST', json, app });
  expect([answer.status, answer.body.code]).toEqual([409, 'email_unverified']);
  const changes = await api.sql`SELECT 1 FROM changes WHERE user_id = ${signUp.userId ?? ''}`;
  expect(changes).toHaveLength(0);
});

test('the address of a person who is replaced while the request is checked is taken', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  let checks = 0;
  // The roles are checked for the registration, and again right before the change is accepted.
  const roles = {
    ...api.deps.roles,
    unknown: async () => {
      checks += 1;
      if (checks === 2) await api.row(row.id, { replaced_by: randomUUID() });
      return [];
    },
  };
  const app = api.app({ directory: users.directory, roles });
  const json = { email: row.email, roles: ['researcher'] };
  const answer = await api.call('/api/step/users', { method: 'POST', json, app });
  expect([checks, answer.status, answer.body.code]).toEqual([2, 409, 'email_taken']);
  expect(await api.sql`SELECT 1 FROM changes WHERE user_id = ${row.userId}`).toHaveLength(0);
});
