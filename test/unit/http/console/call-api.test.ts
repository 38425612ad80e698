import { OpenAPIHono } from '@hono/zod-openapi';
import { expect, test } from 'vitest';
import { createClientAddress } from '../../../../src/http/access/client-address.ts';
import type { AppEnv } from '../../../../src/http/app-deps.ts';
import {
  createApiClient,
  TokenEnded,
  type ApiClient,
} from '../../../../src/http/console/call-api.ts';
import { ownHostOnly, requestIds } from '../../../../src/http/middleware.ts';

const warn = () => undefined;

/** What a page gets that makes one call of the API below it. */
async function visit(
  call: (api: ApiClient) => Promise<unknown>,
  headers: Record<string, string> = {},
) {
  const app = new OpenAPIHono<AppEnv>();
  const clientAddress = createClientAddress(1, { warn });
  app.use(
    requestIds(),
    ownHostOnly((name) => name === 'registrar.example'),
  );
  app.all('/echo', async (c) =>
    c.json({
      method: c.req.method,
      address: clientAddress(c),
      requestId: c.var.requestId,
      authorization: c.req.header('authorization'),
      key: c.req.header('idempotency-key'),
      cookie: c.req.header('cookie'),
      body: await c.req.text(),
    }),
  );
  app.get('/ended', (c) => c.text('', 401));
  app.get('/broken', (c) => c.text('<html>', 502));
  app.get('/page', async (c) =>
    c.json({ requestId: c.var.requestId, answer: await call(createApiClient(app, c, 'token')) }),
  );
  app.onError((error, c) => c.text(error.name, 500));
  const env = { incoming: { socket: { remoteAddress: '10.0.0.1' } } };
  const request = new Request('https://registrar.example/page', { headers });
  return await app.fetch(request, env);
}

test('a call of the API has the address, the host and the id of the request of the page', async () => {
  const response = await visit((api) => api.send('PUT', '/echo', { a: 1 }, 'key-1'), {
    'x-forwarded-for': '203.0.113.9',
    cookie: 'a=b',
  });
  const { requestId, answer } = (await response.json()) as Record<string, unknown>;
  expect(answer).toEqual({
    ok: true,
    status: 200,
    body: {
      method: 'PUT',
      address: '203.0.113.9',
      requestId,
      authorization: 'Bearer token',
      key: 'key-1',
      body: '{"a":1}',
    },
  });
  const direct = await visit((api) => api.get('/echo'));
  expect(await direct.json()).toMatchObject({ answer: { body: { address: '10.0.0.1' } } });
});

test('a caller chooses no request id', async () => {
  const response = await visit((api) => api.get('/echo'), { 'x-request-id': 'mine' });
  expect(await response.text()).not.toContain('mine');
});

test('a token that the API takes no more ends the visit; any other answer is one', async () => {
  const ended = await visit((api) => api.get('/ended'));
  expect(await ended.text()).toBe(TokenEnded.name);
  const broken = await visit((api) => api.get('/broken'));
  expect(await broken.json()).toMatchObject({
    answer: { ok: false, problem: { status: 502, code: 'internal', errors: [] } },
  });
});
