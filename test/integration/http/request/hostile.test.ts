import { expect } from 'vitest';
import { type ApiUnderTest, newBody, problem, type RawBody } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

test.afterEach(async ({ api }) => {
  const [written] = await api.sql`SELECT (SELECT count(*) FROM registrations)::int AS rows,
    (SELECT count(*) FROM audit_events)::int AS events`;
  expect(written).toEqual({ rows: 0, events: 0 });
  expect(api.scripts.started).toEqual([]);
  expect(api.scripts.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

const JSON_TYPE = { 'content-type': 'application/json' };
const post = (api: ApiUnderTest, json: unknown) =>
  api.call('/registrations', { method: 'POST', json });
const raw = (api: ApiUnderTest, body: RawBody, headers: Record<string, string> = JSON_TYPE) =>
  api.call('/registrations', { method: 'POST', body, headers });

const PLACES: [string, unknown, object[]][] = [
  [
    'roles that are a string',
    newBody({ roles: 'admin' }),
    [at('#/roles', 'wrong_type', 'Must be of type array.')],
  ],
  ['no roles', { email: 'a@b.co' }, [at('#/roles', 'required', 'This field is required.')]],
  [
    'a role that is a number',
    newBody({ roles: ['viewer', 7] }),
    [at('#/roles/1', 'wrong_type', 'Must be of type string.')],
  ],
  [
    'an empty role',
    newBody({ roles: [''] }),
    [at('#/roles/0', 'invalid_format', 'Invalid format.')],
  ],
  [
    '21 roles',
    newBody({ roles: Array.from({ length: 21 }, (_, i) => `r${i}`) }),
    [at('#/roles', 'too_big', 'Must have at most 20 roles.')],
  ],
  [
    'unknown fields',
    newBody({ foo: 1, 'a/b~c': 2 }),
    [
      at('#/foo', 'unknown_field', 'Unknown field.'),
      at('#/a~1b~0c', 'unknown_field', 'Unknown field.'),
    ],
  ],
  [
    'an unknown attribute',
    newBody({ attributes: { sub: 'x' } }),
    [at('#/attributes/sub', 'unknown_field', 'Unknown field.')],
  ],
  [
    'an e-mail of 400 characters',
    newBody({ email: `${'a'.repeat(388)}@example.com` }),
    [at('#/email', 'invalid_email', 'Must be a valid e-mail address.')],
  ],
  [
    'an e-mail with a NUL',
    newBody({ email: 'a\0@example.com' }),
    [at('#/email', 'invalid_email', 'Must be a valid e-mail address.')],
  ],
  [
    'an e-mail that is a number',
    newBody({ email: 7 }),
    [at('#/email', 'wrong_type', 'Must be of type string.')],
  ],
  [
    'a NUL in a name',
    newBody({ firstName: 'A\0da' }),
    [
      at(
        '#/firstName',
        'control_character',
        'Must not contain control characters or invalid Unicode.',
      ),
    ],
  ],
  [
    'a lone surrogate',
    newBody({ lastName: 'L\ud800' }),
    [
      at(
        '#/lastName',
        'control_character',
        'Must not contain control characters or invalid Unicode.',
      ),
    ],
  ],
  [
    'a control character in a role',
    newBody({ roles: ['vie\u0007wer'] }),
    [at('#/roles/0', 'invalid_format', 'Invalid format.')],
  ],
  [
    'a lone surrogate in a role',
    newBody({ roles: ['\udfff'] }),
    [at('#/roles/0', 'invalid_format', 'Invalid format.')],
  ],
  [
    'a NUL in an attribute',
    newBody({ attributes: { locale: 'e\0n' } }),
    [
      at(
        '#/attributes/locale',
        'control_character',
        'Must not contain control characters or invalid Unicode.',
      ),
    ],
  ],
  [
    'a short username',
    newBody({ username: 'ab' }),
    [at('#/username', 'too_small', 'Must be at least 3 characters.')],
  ],
  ...['ada@example.com', 'ada lovelace', 'ada\u200b', 'ａｄａ', 'İda', 'a\0da', 'ada\n'].map(
    (username): [string, object, object[]] => [
      `a username ${JSON.stringify(username)}`,
      newBody({ username }),
      [
        at(
          '#/username',
          'invalid_username',
          'Must contain only the letters A–Z and a–z, digits, `.`, `_` and `-`.',
        ),
      ],
    ],
  ),
  [
    'a long username',
    newBody({ username: 'x'.repeat(51) }),
    [at('#/username', 'too_big', 'Must be at most 50 characters.')],
  ],
  [
    'a long name',
    newBody({ lastName: 'x'.repeat(51) }),
    [at('#/lastName', 'too_big', 'Must be at most 50 characters.')],
  ],
  [
    'a long password',
    newBody({ password: 'Secret123!'.repeat(26) }),
    [at('#/password', 'too_big', 'Must be at most 256 characters.')],
  ],
  [
    'an empty password',
    newBody({ password: '' }),
    [at('#/password', 'too_small', 'Must be at least 1 character.')],
  ],
  [
    'a password of broken Unicode',
    newBody({ password: 'Secret123!\ud800' }),
    [at('#/password', 'broken_unicode', 'Must not contain invalid Unicode.')],
  ],
  [
    'a password that is none',
    newBody({ password: { text: 'Secret123!' } }),
    [at('#/password', 'wrong_type', 'Must be of type string.')],
  ],
  [
    'a password beside an invitation',
    newBody({ password: 'Secret123!', invite: true }),
    [at('#/invite', 'not_accepted', 'Must not be true when a password is sent.')],
  ],
];

function at(pointer: string, code: string, detail: string) {
  return { pointer, code, detail };
}

test.for(PLACES)('%s answers 422 and names the place', async ([_what, body, errors], { api }) => {
  const answer = await post(api, body);
  expect(answer.status).toBe(422);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toEqual({
    ...problem(answer, 'invalid_request', 422, 'Invalid request'),
    detail: 'Request validation failed; see `errors`.',
    errors,
  });
  expect(answer.text).not.toContain('Secret123!');
});

test.for([null, 7, 'text', true])('the body %j answers 422', async (body, { api }) => {
  const answer = await post(api, body);
  expect(answer.body).toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '#', code: 'wrong_type', detail: 'Must be of type object.' }],
  });
});

test('JavaScript’s own keys are treated like any other field', async ({ api }) => {
  const answer = await raw(
    api,
    '{"email":"a@b.co","roles":[],"__proto__":{"x":1},"constructor":1,"attributes":{"__proto__":"x"}}',
  );
  expect(answer.body.errors.map((place: { pointer: string }) => place.pointer).toSorted()).toEqual([
    '#/__proto__',
    '#/attributes/__proto__',
    '#/constructor',
  ]);
});

test('10,000 roles answer 422 with a bounded list of errors', async ({ api }) => {
  const many = await raw(api, `{"email":"a@b.co","roles":[${'"a",'.repeat(9999)}"a"]}`);
  expect(many.status).toBe(422);
  expect(many.body.errors).toEqual([at('#/roles', 'too_big', 'Must have at most 200 items.')]);
  const wrong = await raw(api, `{"email":"a@b.co","roles":[${'1,'.repeat(199)}1]}`);
  expect(wrong.status).toBe(422);
  expect(wrong.body.errors).toHaveLength(20);
});

test.for(['', '{', '{"email":}', 'nul', '{"email":"a@b.co"} x', '\ufeff{'])(
  'malformed JSON %j answers 400',
  async (body, { api }) => {
    const answer = await raw(api, body);
    expect(answer.body).toEqual({
      ...problem(answer, 'malformed_json', 400, 'Malformed JSON'),
      detail: 'The request body is not valid JSON.',
    });
    expect(answer.status).toBe(400);
  },
);

test('a body that is not UTF-8 answers 400', async ({ api }) => {
  const answer = await raw(api, new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]));
  expect(answer.body.code).toBe('malformed_json');
});

test('deeply nested JSON answers 422', async ({ api }) => {
  const answer = await raw(api, '['.repeat(30_000) + ']'.repeat(30_000));
  expect(answer.body.code).toBe('invalid_request');
});

test('a body over 64 KiB answers 413, with or without Content-Length', async ({ api }) => {
  const large = JSON.stringify(newBody({ firstName: 'x'.repeat(1024 * 1024) }));
  const announced = await raw(api, large, { ...JSON_TYPE, 'content-length': String(large.length) });
  expect(announced.body).toEqual({
    ...problem(announced, 'payload_too_large', 413, 'Payload too large'),
    detail: 'Request body exceeds 64 KiB.',
  });
  const chunk = new TextEncoder().encode('x'.repeat(16 * 1024));
  let sent = 0;
  const endless = new ReadableStream({
    pull(controller) {
      sent += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const chunked = await raw(api, endless);
  expect(chunked.status).toBe(413);
  expect(sent).toBeLessThan(9 * 1024 * 1024);
  const fits = newBody({ foo: 'x'.repeat(60 * 1024) });
  expect((await raw(api, JSON.stringify(fits))).body.code).toBe('invalid_request');
});

test.for(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
  'content type %j answers 415',
  async (type, { api }) => {
    const answer = await raw(api, JSON.stringify(newBody()), { 'content-type': type });
    expect(answer.body).toEqual({
      ...problem(answer, 'unsupported_media_type', 415, 'Unsupported media type'),
      detail: 'The content type must be application/json.',
    });
  },
);

test.for([
  'status=foo',
  'limit=0',
  'limit=201',
  'limit=-1',
  'limit=1e2',
  'limit=5&limit=6',
  'email=%00',
  'email=a%40b.co&email=c%40d.co',
  'role=%07',
  'requestedBy=%00',
  'acceptedAfter=yesterday',
  'acceptedBefore=2026-02-30T00:00:00Z',
])('a list by %s answers 422', async (query, { api }) => {
  const answer = await api.call(`/registrations?${query}`);
  expect(answer.status).toBe(422);
  expect(answer.body.errors[0].pointer).toMatch(/^#\/query\//);
});

test.for([
  'zz',
  '%00',
  'e30',
  Buffer.from('1/2').toString('base64url'),
  Buffer.from(`99999999999999999/${crypto.randomUUID()}`).toString('base64url'),
])('the cursor %s answers 400', async (cursor, { api }) => {
  for (const path of ['/registrations', '/audit-events']) {
    const answer = await api.call(`${path}?cursor=${cursor}`);
    expect(answer.body).toEqual({
      ...problem(answer, 'invalid_cursor', 400, 'Invalid cursor'),
      detail: 'The cursor was not issued by this service.',
    });
  }
});

test.for(['0001-01-01T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
  'the far time %s lists without an error',
  async (time, { api }) => {
    expect((await api.call(`/registrations?acceptedAfter=${time}`)).status).toBe(200);
    expect((await api.call(`/registrations?acceptedBefore=${time}`)).status).toBe(200);
  },
);

test.for(['1', 'x', '%00', '%ff', '..%2froles', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])(
  'the id %s answers 404',
  async (id, { api }) => {
    const answer = await api.call(`/registrations/${id}`);
    expect(answer.body).toMatchObject({ code: 'registration_not_found', status: 404 });
    const instruction = await api.call(`/registrations/${id}/cancel`, { method: 'POST' });
    expect(instruction.body.code).toBe('registration_not_found');
  },
);
