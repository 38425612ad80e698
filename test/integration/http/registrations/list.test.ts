import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Answer, type ApiUnderTest, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

const ids: string[] = [];
const manager = (api: ApiUnderTest) =>
  api.issuer.token({ sub: 'manager-1', 'cognito:groups': ['manager'] });
const other = (api: ApiUnderTest) =>
  api.issuer.token({ sub: 'manager-2', 'cognito:groups': ['manager'] });
const scoped = (api: ApiUnderTest) =>
  api.issuer.token({ sub: 'scoped', 'cognito:groups': undefined, scope: 'registrar/write' });
const nobody = (api: ApiUnderTest) =>
  api.issuer.token({ sub: 'nobody', 'cognito:groups': undefined });
const idsOf = (answer: Answer) => answer.body.items.map((item: { id: string }) => item.id);

test.beforeAll(async ({ api }) => {
  const roles = [['viewer'], ['researcher'], ['admin'], [], ['viewer', 'researcher']];
  for (const [index, wanted] of roles.entries()) {
    const answer = await api.call('/registrations', {
      method: 'POST',
      json: newBody({ roles: wanted }),
      token: index === 3 ? manager(api) : api.issuer.token({ sub: 'root' }),
    });
    ids.push(answer.body.id);
  }
  // Two in the same millisecond: the id decides between them.
  const base = Date.parse('2026-01-01T00:00:00Z');
  for (const [index, id] of ids.entries()) {
    const at = new Date(base + Math.floor(index / 2) * 1000);
    await api.row(id, { accepted_at: at, status: index === 0 ? 'completed' : 'running' });
  }
});

/** Newest first; ids as PostgreSQL orders them. */
function inOrder(some: number[]): string[] {
  return some
    .toSorted((a, b) => Math.floor(b / 2) - Math.floor(a / 2) || order(ids[b], ids[a]))
    .map((index) => ids[index] ?? '');
}
const order = (a = '', b = '') => (a < b ? -1 : 1);

test('pages follow each other without gap or repeat, and only the first counts', async ({
  api,
}) => {
  const all = await api.call('/registrations');
  expect(all.body).toMatchObject({ nextCursor: null, total: 5 });
  expect(idsOf(all)).toEqual(inOrder([0, 1, 2, 3, 4]));
  const found: string[] = [];
  const totals: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Answer = await api.call(`/registrations?limit=2${cursor && `&cursor=${cursor}`}`);
    found.push(...idsOf(page));
    totals.push(page.body.total);
    cursor = page.body.nextCursor;
  }
  expect(found).toEqual(idsOf(all));
  expect(totals).toEqual([5, null, null]);
});

test('an item of the list is the full receipt', async ({ api }) => {
  api.scripts.describe = async () => ({ kind: 'not_found' });
  const [item] = (await api.call('/registrations?status=completed')).body.items;
  expect(item).toEqual((await api.call(`/registrations/${ids[0]}`)).body);
});

const FILTERS: [string, number[]][] = [
  ['status=completed', [0]],
  ['status=completed&status=running', [0, 1, 2, 3, 4]],
  ['status=failed', []],
  ['role=researcher', [1, 4]],
  ['role=nothing', []],
  ['failureCode=email_taken', []],
  ['emailPrefix=nobody-has-this', []],
  ['username=nobody', []],
  ['requestedBy=manager-1', [3]],
  ['acceptedAfter=2026-01-01T00:00:02Z', [4]],
  ['acceptedAfter=2026-01-01T02:00:02%2B02:00', [4]],
  ['acceptedBefore=2026-01-01T00:00:01Z', [0, 1]],
  ['acceptedAfter=9999-12-31T23:59:59-23:59', []],
  ['acceptedBefore=9999-12-31T23:59:59-23:59', [0, 1, 2, 3, 4]],
  ['acceptedBefore=0000-01-01T00:00:00%2B23:59', []],
  ['acceptedAfter=2026-01-01T00:00:01Z&acceptedBefore=2026-01-01T00:00:02Z', [2, 3]],
];

test.for(FILTERS)('the list is filtered by %s', async ([query, expected], { api }) => {
  const answer = await api.call(`/registrations?${query}`);
  expect(idsOf(answer)).toEqual(inOrder(expected));
  expect(answer.body.total).toBe(expected.length);
});

test('the list is filtered by e-mail in any case', async ({ api }) => {
  const { email } = (await api.call(`/registrations/${ids[2]}`)).body;
  const answer = await api.call(`/registrations?email=${encodeURIComponent(email.toUpperCase())}`);
  expect(idsOf(answer)).toEqual([ids[2]]);
});

const VIEWS: [string, (api: ApiUnderTest) => string, number[]][] = [
  ['`*` sees all', (api) => api.issuer.token(), [0, 1, 2, 3, 4]],
  ['a manager sees what it may hand out, and its own without roles', manager, [0, 1, 3, 4]],
  ['another manager does not see those without roles', other, [0, 1, 4]],
  ['a viewer’s grant sees viewers', scoped, [0]],
  ['no grant sees nothing', nobody, []],
];

test.for(VIEWS)(
  'the list shows what the caller may see: %s',
  async ([_what, token, expected], { api }) => {
    const list = await api.call('/registrations', { token: token(api) });
    expect(idsOf(list)).toEqual(inOrder(expected));
    expect(list.body.total).toBe(expected.length);
    for (const [index, id] of ids.entries()) {
      const sees = expected.includes(index);
      const one = await api.call(`/registrations/${id}`, { token: token(api) });
      expect(one.status).toBe(sees ? 200 : 404);
      const hidden = {
        ...problem(one, 'registration_not_found', 404, 'Registration not found'),
        detail: 'The registration does not exist, or you are not allowed to see it.',
      };
      expect(one.body).toMatchObject(sees ? { id } : hidden);
    }
  },
);

test('a caller may not act on registrations that it may not see', async ({ api }) => {
  for (const [method, name] of [
    ['POST', 'retry'],
    ['POST', 'cancel'],
    ['PUT', 'roles'],
    ['POST', 'invitation'],
  ] as const) {
    const json = name === 'roles' ? { roles: [] } : {};
    const path = `/registrations/${ids[2]}/${name}`;
    const answer = await api.call(path, { method, json, token: manager(api) });
    expect(answer.body.code).toBe('registration_not_found');
  }
  const [row] = await api.sql`SELECT instruction FROM registrations WHERE id = ${ids[2] ?? ''}`;
  expect(row).toEqual({ instruction: null });
});

test('the audit trail is for callers with `*` alone, newest first and in pages', async ({
  api,
}) => {
  const refused = await api.call('/audit-events', { token: manager(api) });
  expect(refused.body).toEqual({
    ...problem(refused, 'forbidden', 403, 'Forbidden'),
    detail: 'The access token does not allow this request.',
  });
  const all = await api.call('/audit-events');
  expect(all.body.items.map((item: { registrationId: string }) => item.registrationId)).toEqual(
    ids.toReversed(),
  );
  expect(all.body.items[0]).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    event: 'registration.requested',
    registrationId: ids[4],
    userId: null,
    actor: 'root',
    at: expect.stringMatching(/Z$/),
    details: { door: 'canonical', roles: ['viewer', 'researcher'] },
  });
  const first = await api.call('/audit-events?limit=3');
  const second = await api.call(`/audit-events?limit=3&cursor=${first.body.nextCursor}`);
  expect([...idsOf(first), ...idsOf(second)]).toEqual(idsOf(all));
  expect(second.body.nextCursor).toBeNull();
});

test('the audit trail is filtered by registration, user and event', async ({ api }) => {
  const byRegistration = await api.call(`/audit-events?registrationId=${ids[1]?.toUpperCase()}`);
  expect(byRegistration.body.items).toHaveLength(1);
  expect((await api.call('/audit-events?userId=nobody')).body.items).toEqual([]);
  expect((await api.call('/audit-events?event=registration.failed')).body.items).toEqual([]);
  expect((await api.call('/audit-events?event=registration.requested')).body.items).toHaveLength(5);
  for (const query of ['event=x', 'registrationId=x', 'userId=%00', 'limit=0']) {
    expect((await api.call(`/audit-events?${query}`)).status).toBe(422);
  }
  expect((await api.call(`/audit-events?registrationId=${randomUUID()}`)).body).toEqual({
    items: [],
    nextCursor: null,
  });
});

test('a receipt in the list equals the single receipt, including running attempts', async ({
  api,
}) => {
  const { id } = (
    await api.call('/registrations', { method: 'POST', json: newBody({ roles: ['viewer'] }) })
  ).body;
  await api.row(id, { status: 'roles_pending', next_resume_at: new Date('2027-01-01T00:00:00Z') });
  api.scripts.describe = async () => ({
    kind: 'open',
    runId: 'run-2',
    pending: [
      {
        step: 'assignRole:viewer',
        attempt: 3,
        status: 'retrying',
        lastError: 'identity_provider_throttled',
        nextRetryAt: null,
      },
    ],
  });
  const alone = (await api.call(`/registrations/${id}`)).body;
  const page = (await api.call('/registrations?status=roles_pending')).body;
  expect(page.items.find((item: { id: string }) => item.id === id)).toEqual(alone);
  expect(alone).toMatchObject({
    resumesAt: '2027-01-01T00:00:00.000Z',
    workflow: { runId: 'run-2' },
    steps: [{}, { name: 'assignRole:viewer', attempts: 3 }, {}],
  });
});

test('the list is filtered by the beginning of address, username and failure code, in any case', async ({
  api,
}) => {
  const { body } = await api.call('/registrations', {
    method: 'POST',
    json: newBody({ email: 'prefix_%.one@example.com', username: 'Prefix.One' }),
  });
  await api.row(body.id, {
    status: 'failed',
    failure: api.sql.json({ code: 'terminated', cause: 'terminated', detail: 'x' }),
  });
  const found = async (query: string) => idsOf(await api.call(`/registrations?${query}`));
  expect(await found('emailPrefix=PREFIX_%25.')).toEqual([body.id]);
  expect(await found('emailPrefix=prefixx')).toEqual([]);
  expect(await found('username=PREFIX.one')).toEqual([body.id]);
  expect(await found('failureCode=terminated')).toEqual([body.id]);
  expect((await api.call('/registrations?failureCode=nothing')).status).toBe(422);
  await api.sql`DELETE FROM registrations WHERE id = ${body.id}`;
});
