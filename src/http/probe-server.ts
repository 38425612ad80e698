import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { cannotListen } from '../config/port-taken.ts';

const JSON_TYPE = 'application/json';
const NOT_FOUND: Answer = { status: 404, type: JSON_TYPE, body: '{"code":"not_found"}' };

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** The answer for a path; null if the path does not exist. */
type Answers = (path: string) => Promise<Answer | null>;

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface WorkerParts {
  readonly metrics: MetricsText;
  readonly temporal: { state(): { readonly temporal: string; readonly worker: string } };
  /** In bounded time; never throws. */
  readonly database: () => Promise<string>;
}

export interface Listener {
  /** `http://host:port` */
  readonly url: string;
  /** Must be called at once: requests wait for it. */
  answerBy(answers: Answers): void;
  close(): void;
}

/** A separate port for orchestrators and Prometheus. A worker opens it first, so that a taken port ends
 * the process before anything else has started.
 * @param variable what names the port
 * @throws PortTaken */
export async function listen(
  variable: 'WORKER_PORT' | 'METRICS_PORT',
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listener> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.once('error', (error: NodeJS.ErrnoException) => {
    listening.reject(cannotListen(variable, { host, port }, error.code ?? error.message));
  });
  server.listen({ host, port }, () => listening.resolve());
  await listening.promise;
  const address = server.address();
  const at = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${at}`,
    answerBy: (answers) =>
      void server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        void serve(answers, request, response);
      }),
    close() {
      server.close();
      // A scraper keeps its connection.
      server.closeAllConnections();
    },
  };
}

/** Answers `/metrics` for Prometheus. */
export function metricsAnswers(metrics: MetricsText): Answers {
  return async (path) =>
    path === '/metrics'
      ? { status: 200, type: metrics.contentType, body: await metrics.text() }
      : null;
}

/** Answers `/metrics` and the health of a worker. A worker is ready when PostgreSQL answers and is
 * migrated, and the worker polls. */
export function workerAnswers({ metrics, temporal, database }: WorkerParts): Answers {
  const ofMetrics = metricsAnswers(metrics);
  return async (path) => {
    if (path === '/health/live') return json(200, { status: 'ok' });
    if (path !== '/health/ready') return await ofMetrics(path);
    const state = await database();
    const postgres = state === 'current' ? 'ok' : state;
    const { temporal: there, worker } = temporal.state();
    const ready = postgres === 'ok' && worker === 'ok';
    const status = ready ? 'ok' : 'degraded';
    return json(ready ? 200 : 503, { status, postgres, temporal: there, worker });
  };
}

async function serve(
  answers: Answers,
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/'] = url.split('?', 1);
  const reads = method === 'GET' || method === 'HEAD';
  const { status, type, body } = (reads ? await answers(path) : null) ?? NOT_FOUND;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

function json(status: number, body: object): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(body) };
}
