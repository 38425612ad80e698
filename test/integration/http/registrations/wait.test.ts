import { expect } from 'vitest';
import { type ApiUnderTest, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const post = (api: ApiUnderTest, json: unknown, prefer: string, more: object = {}) =>
  api.call('/registrations', { method: 'POST', json, headers: { prefer }, ...more });

/** Posts, and does to the row what a run would while the caller waits. */
async function postThen(api: ApiUnderTest, columns: Record<string, unknown>, prefer = 'wait=20') {
  const body = newBody({ roles: ['viewer', 'researcher'] });
  const waiting = post(api, body, prefer);
  const id = await idOf(api, body.email);
  await api.row(id, columns);
  const begun = Date.now();
  const answer = await waiting;
  return { answer, id, ms: Date.now() - begun };
}

async function idOf(api: ApiUnderTest, email: string): Promise<string> {
  for (;;) {
    const [row] = await api.sql<
      { id: string }[]
    >`SELECT id FROM registrations WHERE email = ${email}`;
    if (row) return row.id;
  }
}

const failed = (api: ApiUnderTest, code: string, detail: string) => ({
  status: 'failed',
  failure: api.sql.json({ code, detail }),
});

test('POST answers 201 when the registration completes within the wait', async ({ api }) => {
  const { answer, id, ms } = await postThen(api, {
    status: 'completed',
    user_id: 's-1',
    finished_at: new Date(),
  });
  expect(answer.status).toBe(201);
  expect(answer.headers.get('location')).toBe(`/registrations/${id}`);
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
  expect(answer.body).toMatchObject({ id, status: 'completed', userId: 's-1' });
  expect(ms).toBeLessThan(2000);
});

test('POST answers 202 at once when the registration parks within the wait', async ({ api }) => {
  const failure = { code: 'identity_provider_unavailable', detail: 'away' };
  const { answer, ms } = await postThen(api, {
    status: 'roles_pending',
    failure: api.sql.json(failure),
  });
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({ status: 'roles_pending', failure });
  expect(ms).toBeLessThan(2000);
});

test('POST answers 202 with the current receipt when the wait is over', async ({ api }) => {
  const { answer } = await postThen(api, { status: 'running' }, 'wait=1');
  expect(answer.status).toBe(202);
  expect(answer.headers.get('preference-applied')).toBe('wait=1');
  expect(answer.body.status).toBe('running');
});

test('a wait is limited to 60 s, and the answer says so', async ({ api }) => {
  const { answer } = await postThen(api, failed(api, 'email_taken', 'Taken.'), 'wait=600');
  expect(answer.headers.get('preference-applied')).toBe('wait=60');
});

const ENDS: [string, number, string][] = [
  ['registration_failed', 500, 'Role missing'],
  ['email_taken', 409, 'E-mail taken'],
  ['identity_provider_refused', 502, 'Parked: refused'],
  ['user_vanished', 500, 'User deleted'],
  ['terminated', 500, 'Terminated'],
];

test.for(ENDS)('POST answers a failure with %s by status %i', async ([code, status], { api }) => {
  const { answer, id } = await postThen(api, failed(api, code, `What the row says of ${code}.`));
  expect(answer.status).toBe(status);
  expect(answer.body).toEqual({
    ...problem(answer, code, status, answer.body.title),
    detail: `What the row says of ${code}.`,
    registrationId: id,
  });
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
});

test('POST answers an unknown failure code with 500 registration_failed', async ({ api }) => {
  const { answer } = await postThen(api, failed(api, 'of_tomorrow', 'x'));
  expect(answer.body).toMatchObject({ code: 'registration_failed', status: 500 });
});

test('POST answers 409 when the registration is cancelled within the wait', async ({ api }) => {
  const { answer, id } = await postThen(api, { status: 'cancelled' });
  expect(answer.body).toEqual({
    ...problem(answer, 'registration_cancelled', 409, 'Registration cancelled'),
    detail: 'The registration was cancelled and undone.',
    registrationId: id,
  });
});

test('POST answers a required cleanup with 500 and both failures', async ({ api }) => {
  const { answer, id } = await postThen(api, {
    status: 'cleanup_required',
    failure: api.sql.json({
      code: 'registration_failed',
      cause: 'role_missing',
      detail: 'Everything was undone.',
    }),
    steps: api.sql.json({
      'assignRole:viewer': { status: 'failed', attempts: 1, lastError: 'registration_failed' },
      deleteUser: { status: 'failed', attempts: 5, lastError: 'identity_provider_refused' },
    }),
    compensation_failures: api.sql.json([
      { step: 'deleteUser', code: 'identity_provider_refused', detail: 'No permission.' },
    ]),
  });
  expect(answer.body).toEqual({
    ...problem(answer, 'manual_cleanup_required', 500, 'Manual cleanup required'),
    detail:
      'Manual cleanup required. The registration failed with registration_failed at assignRole:viewer. Compensation failures: deleteUser failed with identity_provider_refused: No permission.',
    registrationId: id,
  });
  const pending = {
    code: 'registration_failed',
    cause: 'role_missing',
    detail: 'Registration failed. The registration is not undone yet.',
  };
  expect((await api.call(`/registrations/${id}`)).body.failure).toEqual(pending);
  await api.row(id, { status: 'compensating' });
  expect((await api.call(`/registrations/${id}`)).body.failure).toEqual(pending);
  await api.row(id, { status: 'failed', finished_at: new Date() });
  expect((await api.call(`/registrations/${id}`)).body.failure.detail).toBe(
    'Everything was undone.',
  );
});

test('POST invents no failure for the required cleanup of a cancelled registration', async ({
  api,
}) => {
  const { answer } = await postThen(api, {
    status: 'cleanup_required',
    closes_as: 'cancelled',
    failure: api.sql.json({ code: 'registration_cancelled', detail: 'All taken back.' }),
    compensation_failures: api.sql.json([
      { step: 'deleteUser', code: 'identity_provider_refused', detail: 'No permission.' },
    ]),
  });
  expect(answer.body.detail).toBe(
    'Manual cleanup required. The registration was cancelled. Compensation failures: deleteUser failed with identity_provider_refused: No permission.',
  );
});

test('a wait polls for changes of other processes', async ({ api }) => {
  const body = newBody();
  const waiting = post(api, body, 'wait=20');
  const id = await idOf(api, body.email);
  await api.sql`UPDATE registrations SET status = 'completed' WHERE id = ${id}`;
  expect((await waiting).status).toBe(201);
});

test('GET waits too and shows the receipt, whatever the end', async ({ api }) => {
  const { id } = (await post(api, newBody(), '')).body;
  const waiting = api.call(`/registrations/${id}`, { headers: { prefer: 'wait=20' } });
  await api.row(id, { status: 'cancelled', finished_at: new Date() });
  const answer = await waiting;
  expect(answer.status).toBe(200);
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
  expect(answer.body.status).toBe('cancelled');
});

test('a wait ends when the client disconnects', async ({ api }) => {
  const gone = new AbortController();
  const body = newBody();
  const begun = Date.now();
  const waiting = api.app().request('/registrations', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      authorization: `Bearer ${api.issuer.token()}`,
      'content-type': 'application/json',
      prefer: 'wait=30',
    },
    signal: gone.signal,
  });
  await idOf(api, body.email);
  gone.abort();
  expect((await waiting).status).toBe(202);
  expect(Date.now() - begun).toBeLessThan(5000);
});

test('a wait ends at once with the current receipt when the process drains', async ({ api }) => {
  const draining = new AbortController();
  const app = api.app({ closing: draining.signal });
  const body = newBody();
  const waiting = post(api, body, 'wait=30', { app });
  await idOf(api, body.email);
  draining.abort();
  const begun = Date.now();
  expect((await waiting).body).toMatchObject({ status: 'accepted' });
  expect(Date.now() - begun).toBeLessThan(1000);
});

test('steps show the attempts that Temporal is working on', async ({ api }) => {
  const { id } = (await post(api, newBody({ roles: ['viewer', 'researcher'] }), '')).body;
  const done = { status: 'done', attempts: 1, lastError: null };
  // What the row knows was before: Temporal counts the attempts of one activity.
  const retrying = { status: 'retrying', attempts: 1, lastError: 'identity_provider_unavailable' };
  const known = { createUser: done, 'assignRole:viewer': retrying };
  await api.row(id, { status: 'running', steps: api.sql.json(known) });
  api.scripts.describe = async () => ({
    kind: 'open',
    runId: 'run-1',
    pending: [
      {
        step: 'assignRole:viewer',
        attempt: 3,
        status: 'retrying',
        lastError: 'identity_provider_throttled',
        nextRetryAt: new Date('2026-01-01T00:00:00Z'),
      },
    ],
  });
  const waiting = { status: 'waiting', attempts: 0, lastError: null, nextRetryAt: null };
  const answer = await api.call(`/registrations/${id}`);
  expect(answer.body.steps).toEqual([
    { name: 'createUser', ...done, nextRetryAt: null },
    {
      name: 'assignRole:viewer',
      status: 'retrying',
      attempts: 4,
      lastError: 'identity_provider_throttled',
      nextRetryAt: '2026-01-01T00:00:00.000Z',
    },
    { name: 'assignRole:researcher', ...waiting },
    { name: 'complete', ...waiting },
  ]);
  expect(answer.body.workflow).toEqual({
    id: `register-user/${id}`,
    runId: 'run-1',
    url: `http://ui.example/namespaces/default/workflows/register-user%2F${id}/run-1/history`,
  });

  api.scripts.describe = () => new Promise(() => undefined);
  const begun = Date.now();
  const fromRow = await api.call(`/registrations/${id}`);
  expect(Date.now() - begun).toBeLessThan(2000);
  const fromLedger = { name: 'assignRole:viewer', ...retrying, nextRetryAt: null };
  expect(fromRow.body.steps[1]).toEqual(fromLedger);
  expect(fromRow.body.workflow.runId).toBeNull();

  api.scripts.describe = () => Promise.reject(new Error('away'));
  expect((await api.call(`/registrations/${id}`)).body.steps).toEqual(fromRow.body.steps);
});
