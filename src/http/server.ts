import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener, RequestError } from '@hono/node-server';
import { Problem } from './problems/problem-details.ts';

interface Log {
  info(fields: object, message: string): void;
}

export interface ReceiveLimits {
  /** For the headers, and for the whole request with its body. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** How often the limits are checked; a request may live this much longer. */
  readonly checkEveryMs: number;
}

/** The longest body, 64 KiB, takes some seconds on a slow line. A client that sends single bytes must
 * not keep a connection for the five minutes of Node's default. */
export const RECEIVE_LIMITS: ReceiveLimits = {
  headersMs: 10_000,
  requestMs: 20_000,
  checkEveryMs: 1000,
};

/** Above Node's 16 KiB, so that a long invalid token gets our 401. */
const MAX_HEADER_BYTES = 65_536;
/** Time for the sender to read the response before the connection is reset. */
const READING_MS = 1000;
const UNREADABLE = 'The request is not valid HTTP/1.1.';
/** Codes of Node whose answer is not 413 or 422: the failure table has no row for them. */
const STATUSES: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408 };
const DETAILS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'Request headers exceed 64 KiB.',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'Chunk extensions exceed 16 KiB.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request was not received completely in time.',
};

/** An HTTP server that is not listening yet. Requests that Node itself would refuse with a bare status
 * get a problem like any other error. */
export function createHttpServer(
  fetch: Parameters<typeof getRequestListener>[0],
  log: Log,
  limits: ReceiveLimits = RECEIVE_LIMITS,
): Server {
  const errorHandler = (error: unknown) => {
    if (error instanceof RequestError) return answerUnreadable(error, log);
    throw error;
  };
  const listener = getRequestListener(fetch, { errorHandler });
  // A request without a Host header reaches the listener too.
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.checkEveryMs,
  };
  const server = createServer(options, (...exchange) => void listener(...exchange));
  const underWay = new WeakMap<Duplex, ServerResponse>();
  const answered = new WeakSet<Duplex>();
  server.on('request', ({ socket }, response: ServerResponse) => underWay.set(socket, response));
  // A server may ignore unknown expectations (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('clientError', (error: Error, socket: Duplex) => {
    if (answered.has(socket)) return;
    if (!socket.writable || codeOf(error) === 'ECONNRESET' || isBusy(underWay.get(socket))) {
      socket.destroy();
      return;
    }
    answered.add(socket);
    void send(answerUnreadable(error, log), socket);
  });
  return server;
}

/** The response to invalid HTTP, which never reaches a handler. */
function answerUnreadable(error: unknown, log: Log): Response {
  const code = codeOf(error);
  const requestId = randomUUID();
  const kind = code.endsWith('_OVERFLOW') ? 'payload_too_large' : 'invalid_request';
  const problem = new Problem(kind, { detail: DETAILS[code] ?? UNREADABLE });
  const status = STATUSES[code] ?? problem.failure.httpStatus;
  log.info({ requestId, status, error: code }, 'invalid HTTP request');
  return new Response(JSON.stringify({ ...problem.body(requestId), status }), {
    status,
    headers: {
      ...problem.headers(),
      'x-request-id': requestId,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      connection: 'close',
    },
  });
}

/** Whether writing now would corrupt the response to an earlier request. */
function isBusy(response: ServerResponse | undefined): boolean {
  if (response === undefined || response.writableFinished) return false;
  return response.headersSent || response.req.complete;
}

async function send(answer: Response, socket: Duplex): Promise<void> {
  const body = await answer.text();
  const head = [`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`];
  for (const [name, value] of answer.headers) head.push(`${name}: ${value}`);
  head.push(`content-length: ${Buffer.byteLength(body)}`);
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), READING_MS).unref();
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unreadable';
}
