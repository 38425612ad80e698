import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import swaggerUi from 'swagger-ui-dist/package.json' with { type: 'json' };
import { expect } from 'vitest';
import registrar from '../../../../package.json' with { type: 'json' };
import { FAILURES } from '../../../../src/domain/failure.ts';
import { openDatabase } from '../../../../src/db/client.ts';
import { createTestDatabase } from '../../../support/database.ts';
import { documented } from '../document-schema.ts';
import { newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

type Json = Record<string, unknown>;

test('the document is OpenAPI 3.1, whole and stable', async ({ api }) => {
  const app = api.app({ doors: new Set(['users', 'step', 'signup', 'session', 'seeding']) });
  const { body } = await api.call('/openapi.json', { token: null, app });
  expect(body.openapi).toBe('3.1.0');
  expect(body.info.version).toBe(registrar.version);
  expect(registrar.version).toMatch(/^\d+\.\d+\.\d+$/);
  const operations = Object.entries<Json>(body.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      at: `${method} ${path}`,
      operation: operation as Json,
    })),
  );
  expect(
    Object.fromEntries(operations.map(({ at, operation }) => [at, operation['operationId']])),
  ).toEqual({
    'post /registrations': 'createRegistration',
    'post /registrations/retry': 'retryRegistrations',
    'post /changes/retry': 'retryChanges',
    'get /overview': 'getOverview',
    'post /outbox/redeliver': 'redeliverOutbox',
    'get /registrations': 'listRegistrations',
    'get /registrations/{id}': 'getRegistration',
    'get /registrations/{id}/stream': 'streamRegistration',
    'post /registrations/{id}/retry': 'retryRegistration',
    'post /registrations/{id}/cancel': 'cancelRegistration',
    'put /registrations/{id}/roles': 'replaceRegistrationRoles',
    'post /registrations/{id}/invitation': 'resendInvitation',
    'get /users/{userId}': 'getUser',
    'get /users': 'findUsers',
    'put /users/{userId}/roles': 'replaceUserRoles',
    'post /users/{userId}/disable': 'disableUser',
    'post /users/{userId}/enable': 'enableUser',
    'post /users/{userId}/sign-out': 'signOutUser',
    'delete /users/{userId}': 'deleteUser',
    'get /changes': 'listChanges',
    'get /changes/{id}': 'getChange',
    'post /changes/{id}/retry': 'retryChange',
    'post /changes/{id}/cancel': 'cancelChange',
    'get /addresses/{email}': 'getAddress',
    'get /roles': 'listRoles',
    'get /audit-events': 'listAuditEvents',
    'post /api/users': 'doorCreateUser',
    'post /api/step/users': 'doorCreateUserWithRoles',
    'post /auth/register': 'doorSignUp',
    'post /api/v1/private/users/': 'doorSeedUser',
    'post /auth/challenge': 'doorAnswerChallenge',
    'post /auth/verify-email/request': 'doorRequestVerification',
    'post /auth/verify-email': 'doorVerifyEmail',
    'post /auth/forgot-password': 'doorForgotPassword',
    'post /auth/reset-password': 'doorResetPassword',
    'post /auth/change-password': 'doorChangePassword',
    'patch /profile': 'doorChangeProfile',
    'delete /profile': 'doorDeleteProfile',
    'post /auth/login': 'doorLogin',
    'post /auth/refresh': 'doorRefresh',
    'get /profile': 'doorProfile',
    'post /auth/logout': 'doorLogout',
    'get /health/live': 'getLiveness',
    'get /health/ready': 'getReadiness',
    'get /metrics': 'getMetrics',
  });
  const refs = [...JSON.stringify(body).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref);
  expect(refs.length).toBeGreaterThan(50);
  for (const ref of refs) {
    const found = ref
      .slice(2)
      .split('/')
      .reduce((at: unknown, key) => (at as Json)[key], body);
    expect({ ref, found }).toMatchObject({ ref, found: expect.any(Object) });
  }
  for (const { at, operation } of operations) {
    for (const [status, answer] of Object.entries<Json>(operation['responses'] as Json as never)) {
      expect(answer['description'], `${at} ${status}`).toBeTypeOf('string');
      if (Number(status) < 400) continue;
      const content = answer['content'] as Record<string, Json>;
      const plain = /^\w+ \/(?:auth|profile|api\/v1)/.test(at);
      const form = content[plain ? 'application/json' : 'application/problem+json'] as Json;
      const examples = Object.values(form['examples'] as Record<string, { value: Json }>);
      expect(examples.length, `${at} ${status}`).toBeGreaterThan(0);
      for (const { value } of examples) {
        expect(value['detail'], `${at} ${status}`).toBeTruthy();
        expect(plain ? Number(status) : value['status']).toBe(Number(status));
      }
    }
  }
});

test('an enumeration is one schema', async ({ api }) => {
  const { body } = await api.call('/openapi.json');
  const named = Object.entries<Json>(body.components.schemas).filter(
    ([, schema]) => schema['enum'],
  );
  // One value alone is a constant, no enumeration.
  const enums = JSON.stringify(body).match(/"enum":\[[^\]]*,[^\]]*\]/g);
  expect(enums).toHaveLength(named.length);
  expect(named.map(([name]) => name).toSorted()).toEqual([
    'AddressReason',
    'AttentionKind',
    'AuditEventName',
    'Availability',
    'ChangeKind',
    'ChangeStatus',
    'Door',
    'FailureCause',
    'InvitationStatus',
    'OutboxDestination',
    'ProblemCode',
    'RegistrationStatus',
    'RetriedStatus',
    'StepStatus',
    'TemporalState',
    'WorkerState',
  ]);
});

test('a receipt fits its own schema, with and without a failure', async ({ api }) => {
  const { body: document } = await api.call('/openapi.json');
  const { id } = (await api.call('/registrations', { method: 'POST', json: newBody() })).body;
  const open = (await api.call(`/registrations/${id}`)).body;
  await api.row(id, {
    status: 'failed',
    failure: api.sql.json({ code: 'registration_failed', detail: 'x' }),
    steps: api.sql.json({
      createUser: { status: 'failed', attempts: 1, lastError: 'registration_failed' },
    }),
  });
  const failed = (await api.call(`/registrations/${id}`)).body;
  expect([open.failure, failed.failure.code]).toEqual([null, 'registration_failed']);
  const receipt = documented(document, { $ref: '#/components/schemas/Receipt' });
  for (const value of [open, failed]) expect(receipt.safeParse(value).error).toBeUndefined();
  for (const wrong of [{ status: 'x' }, { failure: 1 }, { acceptedAt: 'now' }, { more: 1 }]) {
    expect(receipt.safeParse({ ...open, ...wrong }).success).toBe(false);
  }
});

test('the reader and its files come from this server, under a policy without exceptions', async ({
  api,
}) => {
  const answer = await api.call('/docs', { token: null });
  expect(answer.headers.get('content-type')).toBe('text/html; charset=UTF-8');
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy.replaceAll(/'sha256-[A-Za-z0-9+/]{43}='/g, '<hash>')).toBe(
    "default-src 'none'; script-src 'self' <hash>; style-src 'self' <hash>; img-src data:; " +
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  const files = [...answer.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(
    ([, file]) => file ?? '',
  );
  const types = ['text/css; charset=utf-8', 'text/javascript; charset=utf-8'];
  expect(files.length).toBe(types.length);
  for (const [index, file] of files.entries()) {
    expect(file).toContain(swaggerUi.version);
    const loaded = await api.call(file, { token: null });
    expect([loaded.status, loaded.headers.get('content-type')]).toEqual([200, types[index]]);
    expect(loaded.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(loaded.headers.get('x-content-type-options')).toBe('nosniff');
  }
  for (const file of ['swagger-ui.js', 'package.json', '..%2fpackage.json']) {
    const other = await api.call(`/docs/swagger-ui-${swaggerUi.version}/${file}`, { token: null });
    expect([file, other.status]).toEqual([file, 404]);
    expect(other.headers.get('cache-control')).toBe('no-store');
  }
});

test('every code has a page that explains it', async ({ api }) => {
  const codes = new Set(Object.values(FAILURES).map(({ code }) => code));
  for (const code of codes) {
    const answer = await api.call(`/problems/${code}`, { token: null });
    expect([code, answer.status]).toEqual([code, 200]);
    expect(answer.text).toContain(`<code>${code}</code>`);
    expect(answer.text).not.toContain('`');
    const said = answer.text.match(/<p>.*?<\/p>/gs) ?? [];
    expect(said.length).toBeGreaterThan(1);
    expect(new Set(said).size).toBe(said.length);
  }
  const index = await api.call('/problems', { token: null });
  for (const code of codes) expect(index.text).toContain(`href="/problems/${code}"`);
  expect((await api.call('/problems/nothing')).body.code).toBe('not_found');
  expect((await api.call('/problems/%3Cscript%3E')).text).not.toContain('<script>');
});

test('GET / redirects to the reader page', async ({ api }) => {
  const answer = await api.app().request('/');
  expect(answer.status).toBe(302);
  expect(answer.headers.get('location')).toBe('/docs');
});

test.for(['/registrations/', '/nothing', '/registrations/x/y/z', '/auth/register'])(
  'GET %s answers 404',
  async (path, { api }) => {
    const answer = await api.call(path, { token: null });
    expect(answer.body).toEqual({
      ...problem(answer, 'not_found', 404, 'Not found'),
      detail: 'There is no resource at this path.',
    });
    expect((await api.call(path, { method: 'OPTIONS' })).status).toBe(404);
  },
);

const METHODS: [string, string, string][] = [
  ['DELETE', '/registrations', 'GET, HEAD, OPTIONS, POST'],
  ['PATCH', '/registrations/x', 'GET, HEAD, OPTIONS'],
  ['POST', '/registrations/x/stream', 'GET, HEAD, OPTIONS'],
  ['GET', '/registrations/x/retry', 'OPTIONS, POST'],
  ['HEAD', '/registrations/x/retry', 'OPTIONS, POST'],
  ['POST', '/registrations/x/roles', 'OPTIONS, PUT'],
  ['POST', '/roles', 'GET, HEAD, OPTIONS'],
  ['GET', '/api/users', 'OPTIONS, POST'],
  ['POST', '/health/live', 'GET, HEAD, OPTIONS'],
  ['GET', '/registrations/retry', 'OPTIONS, POST'],
  ['GET', '/changes/retry', 'OPTIONS, POST'],
  ['DELETE', '/docs', 'GET, HEAD, OPTIONS'],
];

test.for(METHODS)('%s %s answers 405 with Allow', async ([method, path, allow], { api }) => {
  const answer = await api.call(path, { method });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe(allow);
  const told = {
    ...problem(answer, 'method_not_allowed', 405, 'Method not allowed'),
    detail: 'Method not allowed.',
  };
  expect(answer.body).toEqual(method === 'HEAD' ? null : told);
  for (const corsOrigins of [[], ['https://admin.example']]) {
    const options = await api.call(path, { method: 'OPTIONS', app: api.app({ corsOrigins }) });
    expect([options.status, options.headers.get('allow'), options.text]).toEqual([204, allow, '']);
  }
});

test('every answer has a request id, safe headers and one log line', async ({ api }) => {
  const id = randomUUID();
  for (const [path, route, registrationId, changeId] of [
    ['/roles', '/roles'],
    ['/nothing/ada@example.com', 'none'],
    ['/registrations/ada@example.com?secret=1', '/registrations/:id'],
    [`/registrations/${id}`, '/registrations/:id', id],
    [`/changes/${id}`, '/changes/:id', undefined, id],
    ['/docs', '/docs'],
  ] as const) {
    const answer = await api.call(path, { headers: { 'x-request-id': 'mine' } });
    const requestId = answer.headers.get('x-request-id');
    expect(requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('x-frame-options')).toBe('DENY');
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    const lines = api.scripts.logged.filter(
      ({ fields }) => (fields as Json)['requestId'] === requestId,
    );
    expect(lines).toEqual([
      {
        level: 'info',
        message: 'request',
        fields: {
          requestId,
          method: 'GET',
          route,
          status: answer.status,
          durationMs: expect.any(Number),
          registrationId,
          changeId,
        },
      },
    ]);
  }
});

test('the log holds no bodies, tokens or keys', async ({ api }) => {
  const token = api.issuer.token();
  const body = newBody({ firstName: 'Secretive' });
  const headers = { 'idempotency-key': 'key-of-mine' };
  await api.call('/registrations', { method: 'POST', json: body, token, headers });
  const text = JSON.stringify(api.scripts.logged);
  for (const secret of [token, body.email, 'Secretive', 'key-of-mine']) {
    expect(text).not.toContain(secret);
  }
});

test('browsers of configured origins may call the API and read the headers that they need', async ({
  api,
}) => {
  const ask = (origin: string, method = 'GET', more: Record<string, string> = {}) =>
    api.call('/registrations', { method, headers: { origin, ...more } });
  const allowed = await ask('https://admin.example');
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://admin.example');
  expect(allowed.headers.get('access-control-expose-headers')).toBe(
    'Location,X-Request-Id,Preference-Applied,Idempotent-Replayed,Retry-After',
  );
  expect(allowed.headers.get('vary')).toBe('Origin');
  const failing = await api.call('/registrations/x', {
    headers: { origin: 'https://admin.example' },
  });
  expect(failing.headers.get('access-control-allow-origin')).toBe('https://admin.example');
  const preflight = await ask('https://admin.example', 'OPTIONS', {
    'access-control-request-method': 'POST',
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
  expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH');
  for (const origin of ['https://evil.example', 'https://admin.example.evil', 'null']) {
    expect((await ask(origin)).headers.get('access-control-allow-origin')).toBeNull();
    const refused = await ask(origin, 'OPTIONS', { 'access-control-request-method': 'POST' });
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
  }
});

test('health and metrics answer without a token', async ({ api }) => {
  const live = await api.call('/health/live', { token: null });
  expect([live.status, live.body]).toEqual([200, { status: 'ok' }]);
  const ready = await api.call('/health/ready', { token: null });
  expect([ready.status, ready.body]).toEqual([
    200,
    { status: 'ok', postgres: 'ok', temporal: 'degraded', worker: 'ok' },
  ]);
  const metrics = await api.call('/metrics', { token: null });
  expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(metrics.text).toContain(
    'registrar_http_request_duration_seconds_count{method="GET",route="/health/ready",status="200"} 1',
  );
});

test('the API has no /metrics route when metrics have their own port', async ({ api }) => {
  const app = api.app({ servesMetrics: false });
  expect((await api.call('/metrics', { app })).body.code).toBe('not_found');
  expect((await api.call('/openapi.json', { app })).body.paths).not.toHaveProperty('/metrics');
});

test('the API is not ready while PostgreSQL is unreachable or not migrated', async ({ api }) => {
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const away = api.app({ db: nowhere.db });
  const answer = await api.call('/health/ready', { app: away });
  expect(answer.body).toEqual({
    ...problem(answer, 'unavailable', 503, 'Unavailable'),
    detail: 'PostgreSQL does not answer.',
  });
  const post = await api.call('/registrations', { method: 'POST', json: newBody(), app: away });
  expect(post.body).toEqual(problem(post, 'unavailable', 503, 'Unavailable'));
  expect(post.headers.get('retry-after')).toBe('5');
  expect(post.body.detail).toContain('repeat it with the same Idempotency-Key');
  await nowhere.close();

  const empty = await createTestDatabase();
  const unmigrated = openDatabase(empty.url);
  const behind = await api.call('/health/ready', { app: api.app({ db: unmigrated.db }) });
  expect(behind.body.detail).toBe('The database is not migrated: run `npm run migrate`.');
  await unmigrated.close();
  const owner = openDatabase(empty.ownerUrl);
  await owner.db.execute(sql`REVOKE USAGE ON SCHEMA drizzle FROM registrar_app`);
  await owner.close();
  const processes = openDatabase(empty.appUrl);
  const forbidden = await api.call('/health/ready', { app: api.app({ db: processes.db }) });
  expect(forbidden.status).toBe(503);
  expect(forbidden.body.detail).toBe(
    'The database role in DATABASE_URL lacks the grants that docs/production.md lists.',
  );
  await processes.close();
  await empty.drop();
});

test('a bug answers 500 without details, and its request id leads to the log', async ({ api }) => {
  const app = api.app({
    roles: {
      list: () => Promise.reject(new TypeError('password=hunter2')),
      unknown: async () => [],
    },
  });
  const answer = await api.call('/roles', { app });
  expect(answer.body).toEqual({
    ...problem(answer, 'internal', 500, 'Internal error'),
    detail: 'An unexpected error occurred. The request id identifies it in the log.',
  });
  expect(api.scripts.logged).toContainEqual({
    level: 'error',
    message: 'internal error',
    fields: {
      requestId: answer.headers.get('x-request-id'),
      error: 'TypeError',
      stack: expect.stringContaining('at '),
    },
  });
  expect(JSON.stringify(api.scripts.logged)).not.toContain('hunter2');
});
