import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { test } from '../../../support/api-on-pool-test.ts';
import { addRole, addUser, portrait, userIdOf } from '../../../support/pool-user.ts';
import { manager, registered } from '../../../support/registered.ts';
import { type Answer, type ApiUnderTest, freshScripts, problem } from '../api-under-test.ts';

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));
test.afterEach(({ pool }) => pool.clearFaults());

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const waiting = (name: string) => ({
  name,
  status: 'waiting',
  attempts: 0,
  lastError: null,
  nextRetryAt: null,
});

interface Command {
  readonly kind: string;
  readonly method: string;
  readonly path: string;
  readonly json?: object;
  readonly roles: string[];
  readonly steps: string[];
  readonly wakes: 'accepted' | 'interrupt';
}
const COMMANDS: Command[] = [
  {
    kind: 'roles',
    method: 'PUT',
    path: '/roles',
    json: { roles: ['viewer', 'researcher', 'viewer'] },
    roles: ['viewer', 'researcher'],
    steps: ['complete'],
    wakes: 'accepted',
  },
  {
    kind: 'disable',
    method: 'POST',
    path: '/disable',
    roles: [],
    steps: ['disableUser', 'signOut', 'complete'],
    wakes: 'interrupt',
  },
  {
    kind: 'enable',
    method: 'POST',
    path: '/enable',
    roles: [],
    steps: ['enableUser', 'complete'],
    wakes: 'accepted',
  },
  {
    kind: 'sign_out',
    method: 'POST',
    path: '/sign-out',
    roles: [],
    steps: ['signOut', 'complete'],
    wakes: 'interrupt',
  },
  {
    kind: 'delete',
    method: 'DELETE',
    path: '',
    roles: [],
    steps: ['disableUser', 'signOut', 'deleteUser', 'complete'],
    wakes: 'interrupt',
  },
];

type Call = ApiUnderTest['call'];
const order = (call: Call, userId: string, { method, path, json }: Command, more: object = {}) =>
  call(`/users/${userId}${path}`, { method, ...(json && { json }), ...more });
/** Every command with its body, and with a reason. */
const withReason = ({ json = {} }: Command, reason: unknown) => ({ json: { ...json, reason } });
const changesOf = async (api: ApiUnderTest, userId: string) => {
  const [row] = await api.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM changes WHERE user_id = ${userId}`;
  return row?.n;
};

test.for(COMMANDS)(
  '$method /users/{userId}$path is accepted with 202, Location and the whole receipt',
  async (command, { api, users, steps }) => {
    const row = await registered(steps, { roles: ['viewer'] });
    const token = api.issuer.token({ sub: 'operator-1' });
    const more = { token, ...withReason(command, 'left the company') };
    const answer = await order(users.call, row.userId.toUpperCase(), command, more);
    const { id } = answer.body;
    expect([answer.status, answer.headers.get('location')]).toEqual([202, `/changes/${id}`]);
    expect(answer.headers.get('preference-applied')).toBeNull();
    expect(answer.body).toEqual({
      id: UUID,
      kind: command.kind,
      userId: row.userId,
      status: 'accepted',
      roles: command.roles,
      requestedBy: 'operator-1',
      acceptedAt: INSTANT,
      finishedAt: null,
      failure: null,
      resumesAt: null,
      steps: command.steps.map(waiting),
      timeline: [
        {
          event: 'change.requested',
          at: INSTANT,
          actor: 'operator-1',
          details: {
            changeId: id,
            kind: command.kind,
            ...(command.kind === 'roles' && { roles: command.roles, addsRoles: false }),
            reason: 'left the company',
          },
        },
      ],
      workflow: {
        id: `user/${row.userId}`,
        runId: null,
        url: `http://ui.example/namespaces/default/workflows/user%2F${row.userId}`,
      },
    });
    expect(api.scripts.woken).toEqual([{ userId: row.userId, why: command.wakes }]);
    const read = await users.call(`/changes/${id}`, { token });
    expect([read.status, read.body]).toEqual([200, answer.body]);
    const line = api.scripts.logged.find(
      ({ fields }) => 'status' in fields && fields.status === 202,
    );
    expect(line?.fields).toMatchObject({ changeId: id, registrationId: row.id });
    // The trail cannot be erased: the reason stays in the row.
    const [event] = await api.sql`SELECT details, registration_id FROM audit_events
      WHERE event = 'change.requested' AND details->>'changeId' = ${id}`;
    expect(event?.['details']).not.toHaveProperty('reason');
    expect(event?.['registration_id']).toBe(row.id);
  },
);

test.for(COMMANDS.filter(({ json }) => !json))(
  '$method /users/{userId}$path needs no body, and refuses what it does not know',
  async (command, { users, steps }) => {
    const row = await registered(steps);
    const path = `/users/${row.userId}${command.path}`;
    const { method } = command;
    for (const more of [{ json: { why: 'x' } }, { json: { reason: 'a\0' } }, { json: [] }]) {
      expect((await users.call(path, { method, ...more })).body.code).toBe('invalid_request');
    }
    const headers = { 'content-type': 'application/json' };
    const malformed = await users.call(path, { method, body: '{', headers });
    expect(malformed.body.code).toBe('malformed_json');
    const text = { body: 'x', headers: { 'content-type': 'text/plain' } };
    expect((await users.call(path, { method, ...text })).status).toBe(415);
    const query = await users.call(`${path}?force=1`, { method });
    expect(query.body.errors).toEqual([
      { pointer: '#/query/force', code: 'unknown_parameter', detail: 'Unknown query parameter.' },
    ]);
    for (const more of [{}, { body: '', headers }, { json: {} }, { json: { reason: null } }]) {
      const answer = await users.call(path, { method, ...more });
      expect([answer.status, answer.body.timeline[0].details.reason]).toEqual([202, null]);
    }
  },
);

test('new roles must be sent, well formed, known and within the grants', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const put = (json: unknown, token?: string) =>
    users.call(`/users/${row.userId}/roles`, { method: 'PUT', json, ...(token && { token }) });
  expect((await put({})).body.errors).toEqual([
    { pointer: '#/roles', code: 'required', detail: 'This field is required.' },
  ]);
  const many = Array.from({ length: 21 }, (_, index) => `role-${index}`);
  expect((await put({ roles: many })).body.errors).toMatchObject([{ pointer: '#/roles' }]);
  expect((await put({ roles: ['viewer', 'ghost'] })).body).toMatchObject({
    code: 'unknown_role',
    status: 422,
    errors: [{ pointer: '#/roles/1' }],
  });
  expect((await put({ roles: ['viewer', 'admin'] }, manager(api))).body).toMatchObject({
    code: 'role_not_grantable',
    status: 403,
    errors: [{ pointer: '#/roles/1' }],
  });
  api.scripts.rolesAway = true;
  expect((await put({ roles: ['viewer'] })).body.code).toBe('unavailable');
  expect(await changesOf(api, row.userId)).toBe(0);
  api.scripts.rolesAway = false;
  expect((await put({ roles: [] })).body).toMatchObject({ status: 'accepted', roles: [] });
});

test.for(COMMANDS)(
  'nobody may act on themselves by $method /users/{userId}$path',
  async (command, { api, users, steps, pool }) => {
    const row = await registered(steps, { roles: ['admin'] });
    const before = await portrait(pool, row.email);
    const token = api.issuer.token({ sub: row.userId, 'cognito:groups': ['admin'] });
    const answer = await order(users.call, row.userId.toUpperCase(), command, { token });
    expect([answer.status, answer.body]).toEqual([
      403,
      { ...problem(answer, 'forbidden', 403, 'Forbidden'), detail: expect.stringContaining('own') },
    ]);
    expect(await changesOf(api, row.userId)).toBe(0);
    expect(await portrait(pool, row.email)).toBe(before);
  },
);

test.for(COMMANDS)(
  '$method /users/{userId}$path hides people above the grants, and answers not_ours to holders of *',
  async (command, { api, users, steps, pool }) => {
    const row = await registered(steps, { roles: ['viewer'] });
    await addRole(pool, row.email, 'admin');
    const stranger = `${randomUUID()}@example.com`;
    await addUser(pool, stranger, { role: 'viewer' });
    const strangerId = await userIdOf(pool, stranger);
    const before = await Promise.all([portrait(pool, row.email), portrait(pool, stranger)]);
    const hidden = { token: manager(api) };
    const answers: [Answer, number, string][] = [
      [await order(users.call, row.userId, command, hidden), 404, 'user_not_found'],
      [await order(users.call, strangerId, command, hidden), 404, 'user_not_found'],
      [await order(users.call, strangerId, command), 409, 'not_ours'],
      [await order(users.call, randomUUID(), command), 404, 'user_not_found'],
      [await order(users.call, 'nobody', command), 404, 'user_not_found'],
    ];
    for (const [answer, status, code] of answers) {
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('location')).toBeNull();
    }
    const none = { token: api.issuer.token({ 'cognito:groups': ['visitor'] }) };
    expect((await order(users.call, row.userId, command, none)).body.code).toBe('forbidden');
    const noToken = await order(users.call, row.userId, command, { token: null });
    expect(noToken.body.code).toBe('unauthenticated');
    expect([await changesOf(api, row.userId), await changesOf(api, strangerId)]).toEqual([0, 0]);
    expect(await Promise.all([portrait(pool, row.email), portrait(pool, stranger)])).toEqual(
      before,
    );
    expect(api.scripts.woken).toEqual([]);
  },
);

test('a role that an open change assigns hides the person like one that the person has', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const path = `/users/${row.userId}`;
  const promoted = await users.call(`${path}/roles`, {
    method: 'PUT',
    json: { roles: ['viewer', 'admin'] },
  });
  expect(promoted.status).toBe(202);
  const token = manager(api);
  const refused = await users.call(`${path}/disable`, { method: 'POST', token });
  expect([refused.status, refused.body.code]).toEqual([404, 'user_not_found']);
  await api.change(promoted.body.id, { status: 'cancelled', finished_at: new Date() });
  expect((await users.call(`${path}/disable`, { method: 'POST', token })).status).toBe(202);
});

test('a person who gets a role above the grants while a request is checked is hidden from its caller', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps, { roles: ['viewer'] });
  const path = `/users/${row.userId}/roles`;
  const promote = { method: 'PUT', json: { roles: ['viewer', 'admin'] } };
  // The roles are checked last before the person is locked.
  const roles = {
    ...api.deps.roles,
    unknown: async () => {
      expect((await users.call(path, promote)).status).toBe(202);
      return [];
    },
  };
  const app = api.app({ directory: users.directory, roles });
  const json = { roles: ['viewer'] };
  const refused = await users.call(path, { method: 'PUT', json, token: manager(api), app });
  expect([refused.status, refused.body.code]).toEqual([404, 'user_not_found']);
  expect(await changesOf(api, row.userId)).toBe(1);
});

test('a person who signed up and never proved the address gets no role, but can be deleted', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps, { roles: [], door: 'signup', emailVerified: false });
  const put = (roles: string[]) =>
    users.call(`/users/${row.userId}/roles`, { method: 'PUT', json: { roles } });
  const refused = await put(['viewer']);
  expect([refused.status, refused.body.code]).toEqual([409, 'email_unverified']);
  expect(await changesOf(api, row.userId)).toBe(0);
  expect((await put([])).status).toBe(202);
  expect((await users.call(`/users/${row.userId}`, { method: 'DELETE' })).status).toBe(202);
});

test('a sign-up whose address the pool says is proved, and a person who did not sign up, get roles', async ({
  api,
  users,
  steps,
}) => {
  const proved = await registered(steps, { roles: [], emailVerified: true });
  // The process that proved the address ended before the ledger knew.
  await api.row(proved.id, { door: 'signup', email_verified: false });
  const invited = await registered(steps, { roles: [], emailVerified: false });
  for (const { userId } of [proved, invited]) {
    const put = { method: 'PUT', json: { roles: ['viewer'] } };
    expect((await users.call(`/users/${userId}/roles`, put)).status).toBe(202);
  }
});

test('a person who is deleted, released, replaced or unfinished cannot be changed', async ({
  api,
  users,
  steps,
}) => {
  const columns = [
    { user_deleted_at: new Date() },
    { replaced_by: randomUUID() },
    { status: 'roles_pending', finished_at: null },
  ];
  for (const set of columns) {
    const row = await registered(steps);
    await api.row(row.id, set);
    const answer = await users.call(`/users/${row.userId}/disable`, { method: 'POST' });
    expect([set, answer.status, answer.body.code]).toEqual([set, 404, 'user_not_found']);
    expect(await changesOf(api, row.userId)).toBe(0);
  }
});

test.for(['AdminGetUser', 'AdminListGroupsForUser'])(
  'while %s does not answer, nothing is accepted: 503 with Retry-After',
  async (operation, { api, users, steps, pool }) => {
    const row = await registered(steps);
    await pool.setFaults([{ operation, fault: { kind: 'server' } }]);
    const answer = await users.call(`/users/${row.userId}/disable`, { method: 'POST' });
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'unavailable',
      '5',
    ]);
    expect(await changesOf(api, row.userId)).toBe(0);
  },
);

test('the same key and body is the same change, also before the person is looked up', async ({
  api,
  users,
  steps,
  pool,
}) => {
  const row = await registered(steps);
  const token = api.issuer.token({ sub: 'keeper' });
  const send = (path: string, key: string, json: object = {}, more: object = {}) =>
    users.call(`/users/${row.userId}${path}`, {
      method: 'POST',
      json,
      token,
      headers: { 'idempotency-key': key },
      ...more,
    });
  const first = await send('/disable', 'k-1', { reason: 'a' });
  expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([202, null]);
  await pool.setFaults([{ operation: 'AdminGetUser', fault: { kind: 'server' } }]);
  const again = await send('/disable', 'k-1', { reason: 'a' });
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  expect([again.body, again.headers.get('location')]).toEqual([
    first.body,
    `/changes/${first.body.id}`,
  ]);
  expect(api.scripts.woken).toHaveLength(1);
  const reused = await send('/disable', 'k-1', { reason: 'b' });
  expect([reused.status, reused.body.code]).toEqual([422, 'idempotency_key_reused']);
  await pool.clearFaults();

  // Of the same person, but another route, and of another caller.
  expect((await send('/enable', 'k-1', { reason: 'a' })).body.kind).toBe('enable');
  const other = { token: api.issuer.token({ sub: 'other' }) };
  const theirs = await send('/disable', 'k-1', { reason: 'a' }, other);
  expect(theirs.body.id).not.toBe(first.body.id);
  const somebody = await registered(steps);
  const elsewhere = await users.call(`/users/${somebody.userId}/disable`, {
    method: 'POST',
    json: { reason: 'a' },
    token,
    headers: { 'idempotency-key': 'k-1' },
  });
  expect(elsewhere.body.code).toBe('idempotency_key_reused');

  await api.change(first.body.id, { status: 'completed', finished_at: new Date() });
  expect((await send('/disable', 'k-1', { reason: 'a' })).status).toBe(200);
  await api.change(first.body.id, { status: 'failed' });
  const anew = await send('/disable', 'k-1', { reason: 'a' });
  expect(anew.body.id).not.toBe(first.body.id);
  expect((await send('/disable', 'a b')).body.errors).toMatchObject([
    { pointer: '#/headers/idempotency-key' },
  ]);
});

test('twenty simultaneous requests with one key are one change', async ({ api, users, steps }) => {
  const row = await registered(steps);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      users.call(`/users/${row.userId}/roles`, {
        method: 'PUT',
        json: { roles: ['viewer'] },
        token: api.issuer.token({ sub: 'keeper' }),
        headers: { 'idempotency-key': row.id },
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(await changesOf(api, row.userId)).toBe(1);
  expect(api.scripts.woken).toHaveLength(1);
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(
    1,
  );
});

test('twenty simultaneous requests without a key are twenty changes in one order', async ({
  api,
  users,
  steps,
}) => {
  const row = await registered(steps);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      users.call(`/users/${row.userId}/roles`, {
        method: 'PUT',
        json: { roles: index % 2 === 0 ? ['viewer'] : ['researcher'] },
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  const rows = await api.sql<{ position: string }[]>`
    SELECT position FROM changes WHERE user_id = ${row.userId}`;
  expect(new Set(rows.map(({ position }) => position)).size).toBe(20);
});

test('disable, sign-out and delete end earlier changes of roles that have not begun', async ({
  api,
  users,
  steps,
}) => {
  const put = (userId: string) =>
    users.call(`/users/${userId}/roles`, { method: 'PUT', json: { roles: ['researcher'] } });
  for (const command of COMMANDS.filter(({ wakes }) => wakes === 'interrupt')) {
    const { userId } = await registered(steps);
    const [waits, runs] = [await put(userId), await put(userId)];
    await api.change(runs.body.id, { status: 'running', begun_at: new Date() });
    const enable = await users.call(`/users/${userId}/enable`, { method: 'POST' });
    const token = api.issuer.token({ sub: 'operator-2' });
    expect((await order(users.call, userId, command, { token })).status).toBe(202);
    const receipts = await Promise.all(
      [waits, runs, enable].map(({ body }) => users.call(`/changes/${body.id}`)),
    );
    expect(receipts.map(({ body }) => body.status)).toEqual(['cancelled', 'running', 'accepted']);
    // The run of the one that has begun puts it back.
    const [instructed] = await api.sql`
      SELECT instruction, instruction_actor FROM changes WHERE id = ${runs.body.id}`;
    expect(instructed).toEqual({ instruction: 'cancel', instruction_actor: 'operator-2' });
  }
});
