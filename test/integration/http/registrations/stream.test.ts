import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import postgres from 'postgres';
import { expect, inject, vi } from 'vitest';
import type { AppDeps, createApp } from '../../../../src/http/app.ts';
import { openDatabase } from '../../../../src/db/client.ts';
import { EXAMPLE_RECEIPT } from '../../../../src/http/registrations/receipt-example.ts';
import { ReceiptSchema } from '../../../../src/http/registrations/schemas.ts';
import { type ApiUnderTest, freshScripts, newBody, problem } from '../api-under-test.ts';
import { EventReader } from '../../../support/event-reader.ts';
import { test } from '../../../support/api-test.ts';

/** Longer than any test: what comes, came by a hint. */
const NEVER_MS = 3_600_000;
const HINTED = { pollMs: NEVER_MS, commentMs: NEVER_MS };
const POLLED = { pollMs: 2, commentMs: NEVER_MS };

/** The API with its listeners and reads counted. */
function watched(api: ApiUnderTest, streams: AppDeps['streams'], overrides: Partial<AppDeps> = {}) {
  const seen = { listeners: 0, reads: 0, broken: false };
  const closing = new AbortController();
  const db = new Proxy(api.deps.db, {
    get(target, name) {
      if (name === 'select') seen.reads += 1;
      if (name === 'select' && seen.broken) throw new TypeError('e-mail of somebody');
      return Reflect.get(target, name, target);
    },
  });
  const updates: AppDeps['updates'] = {
    subscribe(id) {
      const subscription = api.deps.updates.subscribe(id);
      seen.listeners += 1;
      return {
        ...subscription,
        unsubscribe() {
          seen.listeners -= 1;
          subscription.unsubscribe();
        },
      };
    },
  };
  const closed = closing.signal;
  const app = api.app({ db, updates, closing: closed, ...overrides, ...(streams && { streams }) });
  return { app, seen, closing };
}
type App = ReturnType<typeof createApp>;

const bearer = (api: ApiUnderTest, token = api.issuer.token()) => ({
  authorization: `Bearer ${token}`,
});

async function open(api: ApiUnderTest, app: App, id: string, headers: Record<string, string> = {}) {
  const answer = await app.request(`/registrations/${id}/stream`, {
    headers: { ...bearer(api), ...headers },
  });
  expect(answer.status).toBe(200);
  return new EventReader(answer.body);
}

async function registration(
  api: ApiUnderTest,
  more: Record<string, unknown> = {},
): Promise<string> {
  return (await api.call('/registrations', { method: 'POST', json: newBody(more) })).body.id;
}

const COMPLETED = { status: 'completed', user_id: 's-1', finished_at: new Date() };

test('a stream sends the receipt at once, one event per change, and ends after the closed one', async ({
  api,
}) => {
  const { app, seen } = watched(api, HINTED);
  const id = await registration(api);
  const stream = await open(api, app, id);
  const first = await stream.event();
  expect(first).toEqual({
    event: 'receipt',
    id: expect.stringMatching(/^[\w-]{22}$/),
    data: (await api.call(`/registrations/${id}`)).body,
  });
  await vi.waitFor(() => expect(seen.listeners).toBe(1));
  await api.row(id, { status: 'running' });
  const second = await stream.event();
  expect(second?.data).toMatchObject({ id, status: 'running' });
  await api.row(id, COMPLETED);
  const third = await stream.event();
  expect(third?.data).toEqual((await api.call(`/registrations/${id}`)).body);
  expect(third?.data.status).toBe('completed');
  expect(await stream.next()).toBeNull();
  expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
  expect(seen.listeners).toBe(0);
});

test('a stream’s headers forbid storing, buffering and keeping the connection', async ({ api }) => {
  const id = await registration(api);
  await api.row(id, COMPLETED);
  const answer = await api.call(`/registrations/${id}/stream`);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
    'x-request-id': expect.any(String),
    connection: 'close',
  });
  expect(answer.text).toMatch(/^event: receipt\ndata: \{.*\}\nid: \S+\n\n$/);
});

test('a stream polls for changes of other processes, and a change of the trail alone counts', async ({
  api,
}) => {
  const { app } = watched(api, POLLED);
  const id = await registration(api);
  const stream = await open(api, app, id);
  const first = await stream.event();
  await api.sql`UPDATE registrations SET status = 'running' WHERE id = ${id}`;
  expect((await stream.event())?.data.status).toBe('running');
  await api.call(`/registrations/${id}/cancel`, { method: 'POST' });
  const third = await stream.event();
  expect(third?.data.timeline.length).toBeGreaterThan(first?.data.timeline.length);
  await stream.cancel();
});

test('a stream sends no event without a change, only comments', async ({ api }) => {
  const { app, seen } = watched(api, { pollMs: 1, commentMs: 30 });
  const id = await registration(api);
  const stream = await open(api, app, id);
  expect(await stream.next()).toMatchObject({ event: 'receipt' });
  const before = seen.reads;
  // However slow the machine is: six reads, and nothing but comments meanwhile.
  while (seen.reads - before < 6) {
    await api.row(id, { status: 'accepted' });
    expect(await stream.next()).toEqual({ comment: 'still here' });
  }
  await stream.cancel();
});

test('a stream shows running attempts as GET does, and they are no change by themselves', async ({
  api,
}) => {
  const { app } = watched(api, { pollMs: 1, commentMs: 30 });
  const id = await registration(api);
  await api.row(id, { status: 'running' });
  let attempt = 0;
  api.scripts.describe = async () => ({
    kind: 'open',
    runId: 'run-1',
    pending: [
      {
        step: 'createUser',
        attempt: (attempt += 1),
        status: 'retrying',
        lastError: 'identity_provider_unavailable',
        nextRetryAt: new Date(),
      },
    ],
  });
  const stream = await open(api, app, id);
  expect((await stream.event())?.data.steps[0]).toMatchObject({
    status: 'retrying',
    attempts: 1,
  });
  expect(await stream.next()).toEqual({ comment: 'still here' });
  expect(attempt).toBe(1);
  api.scripts.describe = freshScripts().describe;
  await stream.cancel();
});

test('a reader that cancels ends listening and polling', async ({ api }) => {
  const { app, seen } = watched(api, { ...POLLED, pollMs: 1 });
  const stream = await open(api, app, await registration(api));
  await stream.event();
  await vi.waitFor(() => expect(seen.listeners).toBe(1));
  await stream.cancel();
  await vi.waitFor(() => expect(seen.listeners).toBe(0));
  await expectNoReads(api, seen);
});

test('an aborted request ends listening and polling', async ({ api }) => {
  const { app, seen } = watched(api, HINTED);
  const gone = new AbortController();
  const answer = await app.request(`/registrations/${await registration(api)}/stream`, {
    headers: bearer(api),
    signal: gone.signal,
  });
  const stream = new EventReader(answer.body);
  await stream.event();
  gone.abort();
  expect(await stream.next()).toBeNull();
  expect(seen.listeners).toBe(0);
});

test('a reader that reads nothing is disconnected', async ({ api }) => {
  const { app, seen } = watched(api, { pollMs: NEVER_MS, commentMs: 5 });
  const id = await registration(api);
  const answer = await app.request(`/registrations/${id}/stream`, { headers: bearer(api) });
  await vi.waitFor(() => expect(seen.listeners).toBe(0));
  await answer.body?.cancel();
});

test('the drain ends a stream at once', async ({ api }) => {
  const { app, seen, closing } = watched(api, HINTED);
  const stream = await open(api, app, await registration(api));
  await stream.event();
  const begun = Date.now();
  closing.abort();
  expect(await stream.next()).toBeNull();
  expect(Date.now() - begun).toBeLessThan(1000);
  expect(seen.listeners).toBe(0);
});

test('a stream ends when the token expires', async ({ api }) => {
  const exp = Math.floor(Date.now() / 1000) + 77;
  const claims = await api.deps.verifyToken(api.issuer.token({ exp }));
  expect(claims.expiresAt).toEqual(new Date(exp * 1000));
  const { app, seen } = watched(api, HINTED, {
    verifyToken: async (jwt) => ({
      ...(await api.deps.verifyToken(jwt)),
      expiresAt: new Date(Date.now() + 200),
    }),
  });
  const stream = await open(api, app, await registration(api));
  expect(await stream.event()).not.toBeNull();
  expect(await stream.next()).toBeNull();
  expect(seen.listeners).toBe(0);
});

test('a stream ends without an event when the caller may no longer see the registration', async ({
  api,
}) => {
  const { app } = watched(api, POLLED);
  const id = await registration(api, { roles: ['viewer'] });
  const manager = bearer(api, api.issuer.token({ 'cognito:groups': ['manager'] }));
  const stream = await open(api, app, id, manager);
  expect((await stream.event())?.data.roles).toEqual(['viewer']);
  await api.row(id, { roles: ['viewer', 'admin'], roles_touched: ['viewer', 'admin'] });
  expect(await stream.next()).toBeNull();
});

test('a stream with Last-Event-ID repeats no event, in any process', async ({ api }) => {
  const id = await registration(api);
  const one = await open(api, watched(api, HINTED).app, id);
  const had = (await one.event())?.id ?? '';
  await one.cancel();

  const other = watched(api, { pollMs: NEVER_MS, commentMs: 20 });
  const again = await open(api, other.app, id, { 'last-event-id': had });
  expect(await again.next()).toEqual({ comment: 'still here' });
  await api.row(id, { status: 'running' });
  expect((await again.event())?.data.status).toBe('running');
  await again.cancel();

  for (const outdated of [had, 'of another kind', '']) {
    const stream = await open(api, other.app, id, { 'last-event-id': outdated });
    expect((await stream.event())?.data.status).toBe('running');
    await stream.cancel();
  }
});

test('a stream with the Last-Event-ID of the closed receipt answers 204, so that readers stop', async ({
  api,
}) => {
  const id = await registration(api);
  await api.row(id, COMPLETED);
  const path = `/registrations/${id}/stream`;
  const last = /^id: (.+)$/m.exec((await api.call(path)).text)?.[1] ?? '';
  const answer = await api.call(path, { headers: { 'last-event-id': last } });
  expect([answer.status, answer.text]).toEqual([204, '']);
});

test('a stream answers problems before it begins', async ({ api }) => {
  const id = await registration(api, { roles: ['admin'] });
  const path = `/registrations/${id}/stream`;
  const stranger = api.issuer.token({ 'cognito:groups': ['manager'] });
  for (const [at, token] of [
    [path, stranger],
    ['/registrations/x/stream', api.issuer.token()],
    ['/registrations/0198c2f4-6f0e-7a53-9a51-2f6f3f0d9b11/stream', api.issuer.token()],
  ] as const) {
    const answer = await api.call(at, { token });
    expect(answer.body).toEqual(
      problem(answer, 'registration_not_found', 404, 'Registration not found'),
    );
  }
  for (const token of [null, api.issuer.forged(), api.issuer.token({ exp: 1 })]) {
    const answer = await api.call(path, { token });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toEqual(problem(answer, 'unauthenticated', 401, 'Unauthenticated'));
  }
  const nowhere = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const away = await api.call(path, { app: api.app({ db: nowhere.db }) });
  expect(away.body).toEqual(problem(away, 'unavailable', 503, 'Unavailable'));
  await nowhere.close();
});

test('HEAD of a stream has the headers and opens nothing', async ({ api }) => {
  const { app, seen } = watched(api, { ...HINTED, atOnce: 1 });
  const path = `/registrations/${await registration(api)}/stream`;
  for (let n = 0; n < 3; n += 1) {
    const answer = await api.call(path, { app, method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  }
  expect(seen.listeners).toBe(0);
});

test('a process with too many streams answers 503 and accepts again when one ends', async ({
  api,
}) => {
  const { app, seen } = watched(api, { ...HINTED, atOnce: 12 });
  const warned = vi.spyOn(process, 'emitWarning');
  const id = await registration(api);
  const streams = await Promise.all(Array.from({ length: 12 }, () => open(api, app, id)));
  const path = `/registrations/${id}/stream`;
  const full = await api.call(path, { app });
  expect(full.body).toEqual(problem(full, 'unavailable', 503, 'Unavailable'));
  expect(full.headers.get('retry-after')).toBe('5');
  expect(full.body.detail).toMatch(/^This process has reached its limit of open streams/);
  await streams.pop()?.cancel();
  await vi.waitFor(async () => {
    streams.push(await open(api, app, id));
  });
  for (const stream of streams) await stream.cancel();
  await vi.waitFor(() => expect(seen.listeners).toBe(0));
  expect(warned).not.toHaveBeenCalled();
});

test('a caller with ten streams gets 429 for one more, and another caller does not', async ({
  api,
}) => {
  const { app, seen } = watched(api, HINTED);
  const id = await registration(api);
  const path = `/registrations/${id}/stream`;
  // Counted by the person, not by the token.
  const mine = () => api.issuer.token({ sub: 'greedy', jti: randomUUID() });
  const streams = await Promise.all(
    Array.from({ length: 10 }, () => open(api, app, id, bearer(api, mine()))),
  );
  const refused = await api.call(path, { app, token: mine() });
  expect(refused.body).toEqual(problem(refused, 'rate_limited', 429, 'Rate limited'));
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(refused.body.detail).toMatch(/^You have reached the limit of open streams per caller/);

  const theirs = await open(api, app, id, bearer(api, api.issuer.token({ sub: 'modest' })));
  expect((await theirs.event())?.data.id).toBe(id);
  await streams.pop()?.cancel();
  await vi.waitFor(async () => {
    streams.push(await open(api, app, id, bearer(api, mine())));
  });
  for (const stream of [...streams, theirs]) await stream.cancel();
  await vi.waitFor(() => expect(seen.listeners).toBe(0));
});

test('a stream survives a lost database connection with a comment', async ({ api }) => {
  const { app } = watched(api, POLLED);
  const id = await registration(api);
  const stream = await open(api, app, id);
  await stream.event();
  const { database } = api.sql.options;
  const admin = postgres(inject('adminDatabaseUrl'), { max: 1 });
  const allow = (yes: boolean) =>
    admin.unsafe(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS ${yes}`);
  await allow(false);
  await api.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = ${database} AND application_name = 'registrar'`;
  expect(await stream.next()).toEqual({ comment: 'the database does not answer' });
  await api.sql`UPDATE registrations SET status = 'running' WHERE id = ${id}`;
  await allow(true);
  expect(await stream.next()).toMatchObject({ event: 'receipt', data: { status: 'running' } });
  await stream.cancel();
  await admin.end();
});

test('a bug ends the stream, and only the log shows it', async ({ api }) => {
  const { app, seen } = watched(api, POLLED);
  const stream = await open(api, app, await registration(api));
  await stream.event();
  seen.broken = true;
  expect(await stream.next()).toBeNull();
  expect(seen.listeners).toBe(0);
  expect(api.scripts.logged).toContainEqual({
    level: 'error',
    message: 'stream failed',
    fields: {
      requestId: expect.any(String),
      registrationId: expect.any(String),
      error: 'TypeError',
    },
  });
});

test('over a socket each event arrives as it happens, and a broken connection releases everything', async ({
  api,
}) => {
  const { app, seen } = watched(api, { ...POLLED, pollMs: 1 });
  const { answer, server } = await overSocket(api, app, await registration(api));
  const stream = readerOf(answer);
  expect(await stream.event()).toMatchObject({ event: 'receipt' });
  expect(seen.listeners).toBe(1);
  answer.destroy();
  await vi.waitFor(() => expect(seen.listeners).toBe(0));
  await expectNoReads(api, seen);
  await new Promise((resolve) => server.close(resolve));
});

test('over a socket the drain waits for no kept connection', async ({ api }) => {
  const { app, closing } = watched(api, HINTED);
  const { answer, server } = await overSocket(api, app, await registration(api));
  const stream = readerOf(answer);
  await stream.event();
  const begun = Date.now();
  const closed = new Promise((resolve) => server.close(resolve));
  closing.abort();
  expect(await stream.next()).toBeNull();
  await closed;
  expect(Date.now() - begun).toBeLessThan(2000);
});

test('the document’s example of a stream fits the receipt schema', async ({ api }) => {
  expect(ReceiptSchema.strict().parse(EXAMPLE_RECEIPT)).toEqual(EXAMPLE_RECEIPT);
  const { body } = await api.call('/openapi.json');
  const { responses } = body.paths['/registrations/{id}/stream'].get;
  expect(Object.keys(responses).toSorted()).toEqual([
    '200',
    '204',
    '401',
    '404',
    '422',
    '429',
    '500',
    '503',
  ]);
  const { value } = responses['200'].content['text/event-stream'].examples.completed;
  const stream = new EventReader(new Response(value).body);
  expect(await stream.next()).toMatchObject({ event: 'receipt', data: EXAMPLE_RECEIPT });
  expect(await stream.next()).toEqual({ comment: 'still here' });
});

/** One that was under way may still be counted; round trips give the others their time. */
async function expectNoReads(api: ApiUnderTest, seen: { readonly reads: number }): Promise<void> {
  const roundTrips = async () => {
    for (let n = 0; n < 30; n += 1) await api.sql`SELECT 1`;
    return seen.reads;
  };
  const after = await roundTrips();
  expect(await roundTrips()).toBe(after);
}

async function overSocket(api: ApiUnderTest, app: App, id: string) {
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server;
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const path = `/registrations/${id}/stream`;
  const sent = request({ host: '127.0.0.1', port, path, headers: bearer(api) });
  // Torn by the test itself.
  sent.on('error', () => undefined);
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  return { answer, server };
}

function readerOf(answer: IncomingMessage): EventReader {
  return new EventReader(Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>);
}
