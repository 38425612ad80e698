import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { wireApi, wireProcess, type Parts } from './wiring.ts';
import { listen as listenApart, metricsAnswers, type Listener } from './http/probe-server.ts';
import { pollTokenCutoffs } from './http/access/token-cutoffs.ts';
import { createApp } from './http/app.ts';
import { UpdateHub } from './http/receipts/row-updates.ts';
import type { Config } from './config/config.ts';
import { commonPasswords } from './secrets/common-passwords.ts';
import { configWarnings } from './config/warnings.ts';
import { startHousekeeping } from './ledger/housekeeping.ts';
import { createBackgroundWork } from './http/background-work.ts';
import { createHttpServer } from './http/server.ts';
import { startTracing } from './telemetry/tracing.ts';
import { cannotListen } from './config/port-taken.ts';

/** Requests under way get this long at the end; the worker's grace comes after it. */
const REQUESTS_GRACE_MS = 5000;

export interface RunningApi {
  /** `http://host:port` */
  readonly url: string;
  readonly parts: Parts;
  /** Drains: no new requests, waits end with what is known, then the worker, then the connections. */
  close(): Promise<void>;
}

/** The API process. Listens at once; Temporal and PostgreSQL may come later.
 * @throws when a port is taken */
export async function startApi(config: Config, log: Logger): Promise<RunningApi> {
  for (const warning of configWarnings(config)) log.warn({}, warning);
  const updates = new UpdateHub();
  const closing = new AbortController();
  const parts = wireProcess(config, {
    hostsWorker: config.worker.inProcess,
    changed: (id, completed) => updates.changed(id, completed),
    tracing: config.isTraced ? await startTracing() : null,
    log,
  });
  const background = createBackgroundWork(log);
  const deps = wireApi(config, parts, {
    log,
    updates,
    commonPasswords: commonPasswords(),
    afterwards: background.start,
    closing: closing.signal,
  });
  const app = createApp(deps);
  const cutoffs = pollTokenCutoffs(deps.cutoffs);
  const housekeeping = startHousekeeping(parts.pool.db, log);
  let apart: Listener | null = null;
  try {
    const { host, metricsPort: port } = config.http;
    if (port !== null) {
      apart = await listenApart('METRICS_PORT', { host, port });
      apart.answerBy(metricsAnswers(parts.metrics));
    }
    const { server, url } = await listen(createHttpServer(app.fetch, log), config.http);
    log.info({ url, ...(apart && { metricsUrl: apart.url }) }, 'API is listening');
    return {
      url,
      parts,
      async close() {
        housekeeping.stop();
        cutoffs.stop();
        closing.abort();
        await drain(server);
        await background.end();
        await parts.close();
        apart?.close();
      },
    };
  } catch (error) {
    housekeeping.stop();
    cutoffs.stop();
    await parts.close();
    apart?.close();
    throw error;
  }
}

async function listen(
  server: Server,
  { host, port }: Config['http'],
): Promise<{ server: Server; url: string }> {
  return await new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      reject(cannotListen('PORT', { host, port }, error.code ?? error.message));
    });
    server.listen(port, host, () => {
      const name = host.includes(':') ? `[${host}]` : host;
      resolve({ server, url: `http://${name}:${(server.address() as AddressInfo).port}` });
    });
  });
}

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const impatient = setTimeout(() => server.closeAllConnections(), REQUESTS_GRACE_MS);
  await closed;
  clearTimeout(impatient);
}
