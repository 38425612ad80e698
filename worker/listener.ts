import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { cannotListen } from '../src/port-taken.ts';
import type { Parts } from './compose.ts';

const JSON_TYPE = 'application/json';
const NOT_FOUND: Answer = { status: 404, type: JSON_TYPE, body: '{"code":"not_found"}' };

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface ListenerParts extends Pick<Parts, 'metrics' | 'temporal'> {
  /** In bounded time; never throws. */
  readonly database: () => Promise<string>;
}

export interface Listener {
  /** `http://host:port` */
  readonly url: string;
  /** To be called at once: requests wait for it. */
  answerFor(parts: ListenerParts): void;
  close(): void;
}

/** What orchestrators and Prometheus ask a worker; it has no other door. Before there is a worker, so
 * that a taken port ends the process at once.
 * @throws PortTaken */
export async function listen({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<Listener> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.once('error', (error: NodeJS.ErrnoException) => {
    listening.reject(cannotListen('WORKER_PORT', { host, port }, error.code ?? error.message));
  });
  server.listen({ host, port }, () => listening.resolve());
  await listening.promise;
  const address = server.address();
  const at = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${at}`,
    answerFor: (parts) =>
      void server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        void serve(parts, request, response);
      }),
    close() {
      server.close();
      // A scraper keeps its connection.
      server.closeAllConnections();
    },
  };
}

async function serve(
  parts: ListenerParts,
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/'] = url.split('?', 1);
  const reads = method === 'GET' || method === 'HEAD';
  const { status, type, body } = reads ? await answer(parts, path) : NOT_FOUND;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

/** Ready when it can work: PostgreSQL answers and is migrated, and the worker polls. */
async function answer(
  { metrics, temporal, database }: ListenerParts,
  path: string,
): Promise<Answer> {
  if (path === '/health/live') return json(200, { status: 'ok' });
  if (path === '/metrics') {
    return { status: 200, type: metrics.contentType, body: await metrics.text() };
  }
  if (path !== '/health/ready') return NOT_FOUND;
  const state = await database();
  const postgres = state === 'current' ? 'ok' : state;
  const { temporal: there, worker } = temporal.state();
  const ready = postgres === 'ok' && worker === 'ok';
  const status = ready ? 'ok' : 'degraded';
  return json(ready ? 200 : 503, { status, postgres, temporal: there, worker });
}

function json(status: number, body: object): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(body) };
}
