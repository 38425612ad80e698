import { expect } from 'vitest';
import { test } from '../../../support/api-on-pool-test.ts';
import { registered } from '../../../support/registered.ts';
import { type ApiUnderTest, freshScripts, problem } from '../api-under-test.ts';

test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

type Call = ApiUnderTest['call'];

/** Accepts a change, and does to the row what a run would while the caller waits. */
async function disableThen(
  api: ApiUnderTest,
  call: Call,
  userId: string,
  columns: Record<string, unknown>,
  prefer = 'wait=20',
) {
  const waiting = call(`/users/${userId}/disable`, { method: 'POST', headers: { prefer } });
  const id = await changeOf(api, userId);
  await api.change(id, columns);
  const begun = Date.now();
  const answer = await waiting;
  return { answer, id, ms: Date.now() - begun };
}

async function changeOf(api: ApiUnderTest, userId: string): Promise<string> {
  for (;;) {
    const [row] = await api.sql<{ id: string }[]>`SELECT id FROM changes WHERE user_id = ${userId}`;
    if (row) return row.id;
  }
}

const closed = (status: string, more: object = {}) => ({
  status,
  finished_at: new Date(),
  ...more,
});

test('a change that completes within the wait is answered with 200 and its receipt', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const { answer, id, ms } = await disableThen(api, users.call, userId, closed('completed'));
  expect([answer.status, answer.headers.get('location')]).toEqual([200, `/changes/${id}`]);
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
  expect(answer.body).toMatchObject({ id, kind: 'disable', status: 'completed' });
  expect(ms).toBeLessThan(2000);
});

test('a wait ends with 202 when the change parks, and when the time is over', async ({
  api,
  users,
  steps,
}) => {
  const first = await registered(steps);
  const failure = {
    code: 'identity_provider_unavailable',
    cause: 'provider_unavailable_parked',
    detail: 'away',
  };
  const resumes = new Date(Date.now() + 60_000);
  const parked = await disableThen(api, users.call, first.userId, {
    status: 'parked',
    failure: api.sql.json(failure),
    next_resume_at: resumes,
  });
  expect(parked.answer.status).toBe(202);
  expect(parked.answer.body).toMatchObject({
    status: 'parked',
    failure,
    resumesAt: resumes.toISOString(),
  });
  expect(parked.ms).toBeLessThan(2000);

  const second = await registered(steps);
  const running = { status: 'running', begun_at: new Date() };
  const { answer } = await disableThen(api, users.call, second.userId, running, 'wait=1');
  expect([answer.status, answer.body.status]).toEqual([202, 'running']);
  expect(answer.headers.get('preference-applied')).toBe('wait=1');
  const capped = await disableThen(
    api,
    users.call,
    (await registered(steps)).userId,
    closed('completed'),
    'wait=600',
  );
  expect(capped.answer.headers.get('preference-applied')).toBe('wait=60');
});

const UNDONE = 'The change failed and was undone: the user is as before. Please try again.';
const AS_WRITTEN = 'As the row says.';
const ENDS: [string, string, number, string][] = [
  ['registration_failed', 'change_role_missing', 500, UNDONE],
  ['registration_failed', 'change_rejected', 500, UNDONE],
  ['user_vanished', 'user_vanished', 500, AS_WRITTEN],
  ['last_administrator', 'no_administrator_left', 409, AS_WRITTEN],
  ['not_ours', 'mark_differs', 409, AS_WRITTEN],
  ['of_tomorrow', 'of_tomorrow', 500, UNDONE],
];

test.for(ENDS)(
  'a change that fails with %s (%s) within the wait is answered with its problem, %i',
  async ([code, cause, status, detail], { api, users, steps }) => {
    const { userId } = await registered(steps);
    const failure = api.sql.json({ code, cause, detail: AS_WRITTEN });
    const { answer, id } = await disableThen(
      api,
      users.call,
      userId,
      closed('failed', { failure }),
    );
    const answered = code === 'of_tomorrow' ? 'registration_failed' : code;
    expect([answer.status, answer.headers.get('location')]).toEqual([status, `/changes/${id}`]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toEqual({
      ...problem(answer, answered, status, answer.body.title),
      detail,
    });
    expect(answer.headers.get('preference-applied')).toBe('wait=20');
    // Without a wait a failed change is a receipt like any other.
    const read = await users.call(`/changes/${id}`);
    expect([read.status, read.body.status]).toEqual([200, 'failed']);
  },
);

test('a change that is cancelled within the wait is answered with 409', async ({
  api,
  users,
  steps,
}) => {
  const { userId } = await registered(steps);
  const { answer } = await disableThen(api, users.call, userId, closed('cancelled'));
  expect([answer.status, answer.body.code]).toEqual([409, 'registration_cancelled']);
  expect(answer.body.detail).toBe('The change was cancelled; the user is as before.');
});

test('reading a change can wait for its end', async ({ api, users, steps }) => {
  const { userId } = await registered(steps);
  const { body } = await users.call(`/users/${userId}/enable`, { method: 'POST' });
  const waiting = users.call(`/changes/${body.id}`, { headers: { prefer: 'wait=20' } });
  // A hint that comes before the request waits is not lost: it polls as well.
  await api.change(body.id, closed('cancelled'));
  const answer = await waiting;
  expect([answer.status, answer.body.status]).toEqual([200, 'cancelled']);
  expect(answer.headers.get('preference-applied')).toBe('wait=20');
  const atOnce = await users.call(`/changes/${body.id}`, { headers: { prefer: 'wait=60' } });
  expect(atOnce.body.status).toBe('cancelled');
});

test('a wait ends when the process shuts down', async ({ api, users, steps }) => {
  const { userId } = await registered(steps);
  const closing = new AbortController();
  const { body } = await users.call(`/users/${userId}/enable`, { method: 'POST' });
  const app = api.app({ closing: closing.signal });
  const waiting = api.call(`/changes/${body.id}`, { app, headers: { prefer: 'wait=60' } });
  closing.abort();
  expect((await waiting).body.status).toBe('accepted');
});
