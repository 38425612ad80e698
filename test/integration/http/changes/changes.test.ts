import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { test } from '../../../support/api-on-pool-test.ts';
import { manager, registered } from '../../../support/registered.ts';
import { type Answer, type ApiUnderTest, freshScripts, problem } from '../api-under-test.ts';

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

type Call = ApiUnderTest['call'];

async function disabled(call: Call, userId: string, more: object = {}): Promise<string> {
  const answer = await call(`/users/${userId}/disable`, { method: 'POST', ...more });
  expect(answer.status).toBe(202);
  return answer.body.id;
}
const instruct = (call: Call, id: string, name: string, more: object = {}) =>
  call(`/changes/${id}/${name}`, { method: 'POST', ...more });
const lastOf = ({ body }: Answer) => body.timeline.at(-1);
const idsOf = ({ body }: Answer) => body.items.map(({ id }: { id: string }) => id);

test('a receipt shows the attempts of the run while it performs this change, and 1 s at most is waited for them', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const id = await disabled(users.call, userId);
  const done = { status: 'done', attempts: 1, lastError: null };
  await api.change(id, {
    status: 'running',
    begun_at: new Date(),
    run_id: 'run-1',
    steps: api.sql.json({
      disableUser: done,
      complete: { ...done, status: 'waiting', attempts: 0 },
    }),
  });
  const pending = {
    step: 'signOut',
    attempt: 3,
    status: 'retrying' as const,
    lastError: 'identity_provider_throttled',
    nextRetryAt: new Date('2026-01-31T09:30:00Z'),
  };
  const stepsOf = async () => (await users.call(`/changes/${id}`)).body.steps;
  const signOut = (live: object) => [
    { name: 'disableUser', ...done, nextRetryAt: null },
    { name: 'signOut', nextRetryAt: null, ...live },
    { name: 'complete', status: 'waiting', attempts: 0, lastError: null, nextRetryAt: null },
  ];
  const waits = signOut({ status: 'waiting', attempts: 0, lastError: null });
  api.scripts.describeUser = async () => ({
    kind: 'open',
    runId: 'run-2',
    changeId: id,
    pending: [pending],
  });
  expect(await stepsOf()).toEqual(
    signOut({
      status: 'retrying',
      attempts: 3,
      lastError: 'identity_provider_throttled',
      nextRetryAt: '2026-01-31T09:30:00.000Z',
    }),
  );
  const { body } = await users.call(`/changes/${id}`);
  expect(body.workflow).toEqual({
    id: `user/${userId}`,
    runId: 'run-2',
    url: `http://ui.example/namespaces/default/workflows/user%2F${userId}/run-2/history`,
  });

  // The run performs another change of the person.
  api.scripts.describeUser = async () => ({
    kind: 'open',
    runId: 'run-2',
    changeId: randomUUID(),
    pending: [pending],
  });
  expect(await stepsOf()).toEqual(waits);
  api.scripts.describeUser = () => new Promise(() => undefined);
  const begun = Date.now();
  expect(await stepsOf()).toEqual(waits);
  expect(Date.now() - begun).toBeLessThan(3000);
  api.scripts.describeUser = () => Promise.reject(new Error('away'));
  const without = await users.call(`/changes/${id}`);
  expect([without.body.steps, without.body.workflow.runId]).toEqual([waits, 'run-1']);
});

test('roles are shown added before others are removed, and taken back in the end', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps, { roles: ['viewer'] });
  const put = await users.call(`/users/${userId}/roles`, {
    method: 'PUT',
    json: { roles: ['researcher', 'admin'] },
  });
  const of = (status: string) => ({ status, attempts: 1, lastError: null });
  await api.change(put.body.id, {
    status: 'running',
    begun_at: new Date(),
    roles_before: ['viewer'],
    restores_as: 'cancelled',
    steps: api.sql.json({
      'removeRole:viewer': of('waiting'),
      'assignRole:researcher': of('compensated'),
      'removeRole:researcher': of('done'),
      'assignRole:admin': of('failed'),
    }),
  });
  const { body } = await users.call(`/changes/${put.body.id}`);
  const shown = body.steps.map(({ name, status }: Record<string, string>) => `${name} ${status}`);
  expect(shown.toSorted()).toEqual(
    [
      'assignRole:researcher compensated',
      'assignRole:admin failed',
      'removeRole:viewer waiting',
      'removeRole:researcher done',
      'complete waiting',
    ].toSorted(),
  );
  const kinds = shown.map((step: string) => step.slice(0, 6));
  expect(kinds).toEqual(['assign', 'assign', 'remove', 'remove', 'comple']);
});

test('a failure that is being undone is not said to be undone', async ({ api, users, steps }) => {
  const { userId } = await registered(steps);
  const id = await disabled(users.call, userId);
  const failure = { code: 'registration_failed', cause: 'rejected', detail: 'It was undone.' };
  const set = { status: 'running', restores_as: 'failed', failure: api.sql.json(failure) };
  await api.change(id, set);
  const detail = async () => (await users.call(`/changes/${id}`)).body.failure.detail;
  expect(await detail()).toBe('The change failed and is being undone.');
  await api.change(id, { status: 'failed', finished_at: new Date() });
  expect(await detail()).toContain('was undone');
});

test('unknown changes and those that the caller may not see are not found', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps, { roles: ['viewer'] });
  const promoted = await users.call(`/users/${userId}/roles`, {
    method: 'PUT',
    json: { roles: ['viewer', 'admin'] },
  });
  const hidden = promoted.body.id as string;
  const token = manager(api);
  for (const [id, by] of [
    [hidden, token],
    [randomUUID(), undefined],
    ['x', undefined],
    ['%00', undefined],
  ] as const) {
    const more = by ? { token: by } : {};
    for (const answer of [
      await users.call(`/changes/${id}`, more),
      await instruct(users.call, id, 'retry', more),
      await instruct(users.call, id, 'cancel', more),
    ]) {
      expect([answer.status, answer.body]).toEqual([
        404,
        problem(answer, 'change_not_found', 404, 'Change not found'),
      ]);
    }
  }
  expect((await users.call(`/changes/${hidden}`)).body.status).toBe('accepted');
});

test('a change of a person without roles is visible to its requester and to holders of *', async ({
  api,
  users,
  steps,
}) => {
  const requester = randomUUID();
  const { userId } = await registered(steps, { roles: [], requestedBy: requester });
  const token = manager(api, requester);
  const id = await disabled(users.call, userId, { token });
  expect((await users.call(`/changes/${id}`, { token })).status).toBe(200);
  expect((await users.call(`/changes/${id}`, { token: manager(api) })).status).toBe(404);
  expect((await users.call(`/changes/${id}`)).status).toBe(200);
  const seen = async (by: string) =>
    idsOf(await users.call(`/changes?userId=${userId}`, { token: by }));
  expect([await seen(token), await seen(manager(api))]).toEqual([[id], []]);
});

test('the list is newest first, filtered by person and status, in pages that follow each other', async ({
  users,
  steps,
  api,
}) => {
  const { userId } = await registered(steps, { roles: ['viewer'] });
  await disabled(users.call, (await registered(steps)).userId);
  const ids: string[] = [];
  for (const [index, status] of ['completed', 'failed', 'running', 'accepted'].entries()) {
    const id = await disabled(users.call, userId);
    ids.unshift(id);
    await api.change(id, { status, accepted_at: new Date(Date.now() + index * 1000) });
  }
  const list = (query: string) => users.call(`/changes?userId=${userId}${query}`);
  const all = await list('');
  expect(all.body).toMatchObject({ nextCursor: null, total: 4 });
  expect(idsOf(all)).toEqual(ids);
  expect(all.body.items[0]).toEqual((await users.call(`/changes/${ids[0]}`)).body);
  expect(idsOf(await list('&status=running&status=failed'))).toEqual([ids[1], ids[2]]);
  expect(idsOf(await users.call(`/changes?userId=${userId.toUpperCase()}`))).toEqual(ids);
  const found: string[] = [];
  const totals: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Answer = await list(`&limit=3${cursor && `&cursor=${cursor}`}`);
    found.push(...idsOf(page));
    totals.push(page.body.total);
    cursor = page.body.nextCursor;
  }
  expect([found, totals]).toEqual([ids, [4, null]]);
  const every = await users.call('/changes?limit=200');
  expect(idsOf(every)).toEqual(expect.arrayContaining(ids));
  expect(every.body.items.length).toBeGreaterThan(ids.length);
});

test.for([
  ['status=open', 'invalid_request'],
  ['userId=me', 'invalid_request'],
  ['limit=0', 'invalid_request'],
  ['limit=201', 'invalid_request'],
  ['email=ada@example.com', 'invalid_request'],
  ['cursor=abc', 'invalid_cursor'],
])('a list by %s is refused as %s', async ([query, code], { users }) => {
  expect((await users.call(`/changes?${query}`)).body.code).toBe(code);
});

test('retry resumes a parked change, with or without a body', async ({ api, users, steps }) => {
  for (const json of [undefined, {}, { reason: null }, { reason: 'Cognito is back' }]) {
    const { userId } = await registered(steps);
    const id = await disabled(users.call, userId);
    await api.change(id, { status: 'parked', begun_at: new Date(), resume_attempts: 3 });
    api.scripts.woken = [];
    const token = api.issuer.token({ sub: 'operator' });
    const answer = await instruct(users.call, id, 'retry', { token, ...(json && { json }) });
    expect([answer.status, answer.body.status, answer.body.resumesAt]).toEqual([
      202,
      'running',
      null,
    ]);
    expect(lastOf(answer)).toMatchObject({
      event: 'change.retry_requested',
      actor: 'operator',
      details: { changeId: id, reason: json?.reason ?? null },
    });
    expect(api.scripts.woken).toEqual([{ userId, why: 'interrupt' }]);
  }
});

test('retry of a change that is not parked answers 409 and says what holds', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const id = await disabled(users.call, userId);
  api.scripts.woken = [];
  const cases: [Record<string, unknown>, string][] = [
    [{ status: 'accepted' }, 'not parked'],
    [{ status: 'running' }, 'not parked'],
    [{ status: 'completed' }, 'is `completed`'],
    [{ status: 'failed' }, 'is `failed`'],
    [{ status: 'cancelled' }, 'is `cancelled`'],
  ];
  for (const [columns, words] of cases) {
    await api.change(id, columns);
    const answer = await instruct(users.call, id, 'retry');
    expect([answer.status, answer.body]).toEqual([
      409,
      problem(answer, 'not_parked', 409, 'Not parked'),
    ]);
    expect(answer.body.detail).toContain(words);
  }
  expect(api.scripts.woken).toEqual([]);
});

test('cancel closes a change that has not begun, and asks the run of one that has', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const waits = await disabled(users.call, userId);
  const token = api.issuer.token({ sub: 'operator' });
  const more = { token, json: { reason: 'a mistake' } };
  const closed = await instruct(users.call, waits, 'cancel', more);
  expect([closed.status, closed.body.status, closed.body.finishedAt]).toMatchObject([
    202,
    'cancelled',
    expect.any(String),
  ]);
  const events = closed.body.timeline.map(({ event }: { event: string }) => event);
  expect(events).toEqual(['change.requested', 'change.cancel_requested', 'change.cancelled']);
  expect(closed.body.timeline[1]).toMatchObject({ details: { reason: 'a mistake' } });

  const begun = await disabled(users.call, userId);
  await api.change(begun, { status: 'running', begun_at: new Date() });
  api.scripts.woken = [];
  const asked = await instruct(users.call, begun, 'cancel', more);
  expect([asked.status, asked.body.status]).toEqual([202, 'running']);
  expect(lastOf(asked)).toMatchObject({
    event: 'change.cancel_requested',
    actor: 'operator',
    details: { reason: 'a mistake' },
  });
  expect(api.scripts.woken).toEqual([{ userId, why: 'interrupt' }]);

  await api.change(begun, { restores_as: 'cancelled', instruction: null });
  const again = await instruct(users.call, begun, 'cancel', more);
  expect([again.status, again.body.status]).toEqual([202, 'running']);
  const [row] = await api.sql`SELECT instruction FROM changes WHERE id = ${begun}`;
  expect(row).toEqual({ instruction: null });
});

test('a closed change, and a sign-out or deletion that has begun, cannot be cancelled', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const id = await disabled(users.call, userId);
  const refused = async (columns: Record<string, unknown>, words: string) => {
    await api.change(id, columns);
    const answer = await instruct(users.call, id, 'cancel');
    expect([answer.status, answer.body]).toEqual([
      409,
      problem(answer, 'already_closed', 409, 'Already closed'),
    ]);
    expect(answer.body.detail).toContain(words);
  };
  const begun = { status: 'running', begun_at: new Date() };
  await refused({ kind: 'delete', ...begun }, 'deletion has begun');
  await refused({ kind: 'delete', status: 'parked' }, 'deletion has begun');
  await refused({ kind: 'sign_out', ...begun }, 'end of the sessions has begun');
  for (const status of ['completed', 'failed', 'cancelled']) {
    await refused({ kind: 'disable', status }, `is \`${status}\``);
  }
});

test('instructions validate their bodies', async ({ users, steps, api }) => {
  const { userId } = await registered(steps);
  const id = await disabled(users.call, userId);
  await api.change(id, { status: 'parked', begun_at: new Date() });
  api.scripts.woken = [];
  for (const name of ['retry', 'cancel']) {
    const unknown = await instruct(users.call, id, name, { json: { why: 'x' } });
    expect(unknown.body.errors).toEqual([
      { pointer: '#/why', code: 'unknown_field', detail: 'Unknown field.' },
    ]);
    const long = { json: { reason: 'x'.repeat(501) } };
    expect((await instruct(users.call, id, name, long)).status).toBe(422);
  }
  expect(api.scripts.woken).toEqual([]);
});

test('nobody may retry or cancel a change of their own account, whoever requested it', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps, { roles: ['viewer'] });
  const own = { token: api.issuer.token({ sub: userId, 'cognito:groups': ['admin'] }) };
  const path = `/users/${userId}/roles`;
  const demoted = await users.call(path, { method: 'PUT', json: { roles: [] } });
  const id = demoted.body.id as string;
  expect(demoted.status).toBe(202);
  api.scripts.woken = [];
  for (const [name, status] of [
    ['cancel', 'accepted'],
    ['cancel', 'running'],
    ['retry', 'parked'],
  ] as const) {
    await api.change(id, { status });
    const answer = await instruct(users.call, id, name, own);
    expect([answer.status, answer.body]).toEqual([
      403,
      { ...problem(answer, 'forbidden', 403, 'Forbidden'), detail: expect.stringContaining('own') },
    ]);
    const receipt = await users.call(`/changes/${id}`, own);
    expect([receipt.status, receipt.body.status]).toEqual([200, status]);
  }
  expect(api.scripts.woken).toEqual([]);
});
