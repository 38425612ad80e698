import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, expect, vi } from 'vitest';
import { createHttpServer, RECEIVE_LIMITS } from '../../../../src/http/server.ts';
import { type ApiUnderTest } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

let server: Server;
test.beforeAll(async ({ api }) => {
  server = createHttpServer(api.app().fetch, api.deps.logger);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
test.beforeEach(({ api }) => {
  api.scripts.logged.length = 0;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
});

const LIVE = 'GET /health/live HTTP/1.1\r\nhost: x\r\n';
const UNREADABLE = 'The request is not valid HTTP/1.1.';
const post = (...headers: string[]) =>
  ['POST /registrations HTTP/1.1', 'host: x', ...headers, '', ''].join('\r\n');

/** Sends bytes and answers all that comes until the server closes the connection. */
async function exchange(bytes: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
  // What is left of a request that is too long may meet a closed connection.
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return heard;
}

/** The answers in what a socket heard, each with a body of its announced length. */
function answersIn(heard: string) {
  const answers = [];
  for (let rest = heard; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n');
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
    const headers = new Headers(fields.map((field) => field.split(': ') as [string, string]));
    const length = Number(headers.get('content-length'));
    const body: unknown = JSON.parse(rest.slice(end + 4, end + 4 + length));
    answers.push({ status: Number(line.split(' ')[1]), headers, body });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

function expectProblem(
  api: ApiUnderTest,
  answer: ReturnType<typeof answersIn>[number] | undefined,
  detail: string,
) {
  const large = detail !== UNREADABLE;
  const code = large ? 'payload_too_large' : 'invalid_request';
  const status = large ? 413 : 422;
  const requestId = answer?.headers.get('x-request-id');
  expect(answer).toMatchObject({
    status,
    body: { type: `/problems/${code}`, status, code, detail, instance: `urn:uuid:${requestId}` },
  });
  expect(answer?.headers.get('content-type')).toBe('application/problem+json');
  expect(answer?.headers.get('connection')).toBe('close');
  expect(api.scripts.logged).toContainEqual({
    level: 'info',
    message: 'invalid HTTP request',
    fields: { requestId, status, error: expect.any(String) },
  });
}

test.for([
  ['no HTTP at all', 'hello\r\n\r\n'],
  ['an unknown method', 'FETCH /roles HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['another version', 'GET /roles HTTP/7.0\r\nhost: x\r\n\r\n'],
  ['a length that is no number', post('content-length: many')],
  ['two lengths', post('content-length: 2', 'content-length: 3')],
  ['a length and chunks', post('content-length: 2', 'transfer-encoding: chunked')],
  ['a header without a name', 'GET /roles HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n'],
  ['a control character in a header', 'GET /roles HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n'],
  ['no host', 'GET /roles HTTP/1.1\r\nconnection: close\r\n\r\n'],
  ['a host that is none', 'GET /roles HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n'],
  ['an address that is none', 'GET http://[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
] as const)('%s gets a problem, and the connection closes', async ([_what, bytes], { api }) => {
  const answers = answersIn(await exchange(bytes));
  expect(answers).toHaveLength(1);
  expectProblem(api, answers[0], UNREADABLE);
});

test('headers over 64 KiB answer 413, and a shorter long token answers 401', async ({ api }) => {
  const auth = (length: number) =>
    `GET /roles HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${'a'.repeat(length)}\r\n\r\n`;
  const [large] = answersIn(await exchange(auth(200 * 1024)));
  expectProblem(api, large, 'Request headers exceed 64 KiB.');
  const [long] = answersIn(await exchange(auth(60 * 1024)));
  expect(long).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
});

test('a body that breaks off into invalid bytes gets one problem and logs no bug', async ({
  api,
}) => {
  const authorization = `authorization: Bearer ${api.issuer.token()}`;
  const json = 'content-type: application/json';
  const head = post(authorization, json, 'transfer-encoding: chunked');
  const answers = answersIn(await exchange(`${head}5\r\n{"ema\r\nzz\r\n`));
  expect(answers).toHaveLength(1);
  expectProblem(api, answers[0], UNREADABLE);
  expect(api.scripts.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('invalid bytes sent together with a whole request close the connection without an answer', async () => {
  const answers = answersIn(await exchange(`${LIVE}\r\nnonsense\r\n\r\n`));
  // The parser fails before the request has been handled: what is under way must not be mixed up.
  expect(answers).toEqual([]);
});

test('invalid bytes on a kept connection are answered after the previous answer', async ({
  api,
}) => {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
  socket.write(`${LIVE}\r\n`);
  await once(socket, 'data');
  socket.write('nonsense\r\n\r\n');
  await once(socket, 'close');
  const answers = answersIn(heard);
  expect(answers.map(({ status }) => status)).toEqual([200, 422]);
  expectProblem(api, answers[1], UNREADABLE);
});

test('an unknown Expect header is ignored', async () => {
  const bytes = `${LIVE}expect: wonders\r\nconnection: close\r\n\r\n`;
  expect(answersIn(await exchange(bytes))).toMatchObject([{ status: 200, body: { status: 'ok' } }]);
});

test('a client that keeps its side open is disconnected', async () => {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write('hello\r\n\r\n');
  await once(socket.resume(), 'end');
  await vi.waitFor(async () => expect(await connectionsOf(server)).toBe(0), 10_000);
  socket.destroy();
});

async function connectionsOf(of: Server): Promise<number> {
  return await new Promise((resolve) => of.getConnections((_error, count) => resolve(count)));
}

test('a request that arrives too slowly answers 408, whichever part is late', async ({ api }) => {
  const limits = { headersMs: 300, requestMs: 600, checkEveryMs: 20 };
  const hasty = createHttpServer(api.app().fetch, api.deps.logger, limits);
  hasty.listen(0, '127.0.0.1');
  await once(hasty, 'listening');
  const token = `authorization: Bearer ${api.issuer.token()}`;
  const head = post(token, 'content-type: application/json', 'content-length: 1000');
  try {
    for (const [begun, drop] of [
      [head, ' '],
      ['POST /registrations HTTP/1.1\r\nhost: x\r\nx: ', 'x'],
    ] as const) {
      const socket = connect((hasty.address() as AddressInfo).port, '127.0.0.1');
      let heard = '';
      socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
      socket.on('error', () => undefined);
      socket.write(begun);
      const dripping = setInterval(() => socket.write(drop), 50);
      await once(socket, 'close');
      clearInterval(dripping);
      const answers = answersIn(heard);
      expect(answers).toMatchObject([
        { status: 408, body: { code: 'invalid_request', status: 408 } },
      ]);
      expect(answers[0]?.headers.get('connection')).toBe('close');
    }
  } finally {
    await new Promise((resolve) => hasty.close(resolve));
  }
  expect(api.scripts.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a server without time limits of its own waits no longer than 64 KiB over a slow line need', () => {
  expect(server).toMatchObject({
    requestTimeout: RECEIVE_LIMITS.requestMs,
    headersTimeout: RECEIVE_LIMITS.headersMs,
  });
  expect(RECEIVE_LIMITS.requestMs).toBeLessThanOrEqual(30_000);
});
