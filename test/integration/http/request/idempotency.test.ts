import { expect } from 'vitest';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

let token: string;
test.beforeAll(async ({ api }) => {
  token = api.issuer.token({ sub: 'caller' });
});
test.beforeEach(({ api }) => void Object.assign(api.scripts, freshScripts()));

const post = (api: ApiUnderTest, json: unknown, key?: string, more: object = {}) =>
  api.call('/registrations', {
    method: 'POST',
    json,
    token,
    headers: key === undefined ? {} : { 'idempotency-key': key },
    ...more,
  });

test('the same key and body name the same registration and start nothing', async ({ api }) => {
  const body = newBody();
  const first = await post(api, body, 'k1');
  const again = await post(api, body, 'k1');
  expect(again.status).toBe(202);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.headers.get('location')).toBe(`/registrations/${first.body.id}`);
  expect(again.body).toEqual(first.body);
  expect(api.scripts.started).toEqual([first.body.id]);
  await api.row(first.body.id, { status: 'completed' });
  const done = await post(api, body, 'k1');
  expect(done.status).toBe(201);
  expect(done.body).toMatchObject({ id: first.body.id, status: 'completed' });
});

test('the same key with another body is refused, before its address is looked at', async ({
  api,
}) => {
  const body = newBody();
  await post(api, body, 'k2');
  const again = await post(api, { ...body, firstName: 'X' }, 'k2');
  expect(again.body).toEqual(
    problem(again, 'idempotency_key_reused', 422, 'Idempotency key reused'),
  );
  const elsewhere = await api.call('/api/step/users', {
    method: 'POST',
    json: { email: body.email, roles: body.roles },
    token,
    headers: { 'idempotency-key': 'k2' },
  });
  expect(elsewhere.body.code).toBe('idempotency_key_reused');
});

test('a key belongs to its caller', async ({ api }) => {
  await post(api, newBody(), 'k3');
  const other = await post(api, newBody(), 'k3', { token: api.issuer.token({ sub: 'another' }) });
  expect(other.status).toBe(202);
  expect(other.headers.get('idempotent-replayed')).toBeNull();
});

test.for(['failed', 'cancelled'])('a key is free after %s', async (status, { api }) => {
  const body = newBody();
  const first = await post(api, body, `free-${status}`);
  await api.row(first.body.id, { status });
  const again = await post(api, body, `free-${status}`);
  expect(again.status).toBe(202);
  expect(again.headers.get('idempotent-replayed')).toBeNull();
  expect(again.body.id).not.toBe(first.body.id);
});

test('fifty simultaneous requests with one key make one registration, which every answer names', async ({
  api,
}) => {
  const body = newBody();
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(api, body, 'fifty')));
  const ids = new Set(answers.map((answer) => answer.body.id));
  expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(202));
  expect(ids.size).toBe(1);
  const fresh = answers.filter((answer) => !answer.headers.has('idempotent-replayed'));
  expect(fresh).toHaveLength(1);
  expect(api.scripts.started).toEqual([...ids]);
  const [events] =
    await api.sql`SELECT count(*)::int AS n FROM audit_events WHERE registration_id IN ${api.sql([...ids])}`;
  expect(events).toEqual({ n: 1 });
});

test('of fifty simultaneous requests for one address without a key one is accepted, and the others conflict', async ({
  api,
}) => {
  const body = newBody();
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(api, body)));
  const accepted = answers.filter((answer) => answer.status === 202);
  expect(accepted).toHaveLength(1);
  const id = accepted[0]?.body.id;
  const others = answers.filter((answer) => answer.status !== 202);
  expect(others).toHaveLength(49);
  for (const other of others) {
    expect(other.body).toEqual({
      ...problem(other, 'email_taken', 409, 'E-mail taken'),
      registrationId: id,
    });
  }
  const [rows] =
    await api.sql`SELECT count(*)::int AS n FROM registrations WHERE email = ${body.email}`;
  expect(rows).toEqual({ n: 1 });
});

test.for([
  ['empty', ''],
  ['a space', 'a b'],
  ['not ASCII', 'schlüssel'],
  ['256 characters', 'k'.repeat(256)],
])('a key that is %s is refused', async ([_what, key], { api }) => {
  const answer = await post(api, newBody(), key);
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toEqual([
    {
      pointer: '#/headers/idempotency-key',
      code: 'invalid_format',
      detail: 'Must be 1 to 255 visible ASCII characters.',
    },
  ]);
});

test('a key of 255 characters is taken', async ({ api }) => {
  expect((await post(api, newBody(), '~'.repeat(255))).status).toBe(202);
});
