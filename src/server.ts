import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { createDirectory } from '../activities/directory.ts';
import { createRoleCatalogue } from '../activities/role-catalogue.ts';
import { createSessions } from '../activities/sessions.ts';
import { composeParts, type Parts } from '../worker/compose.ts';
import { listen as listenApart, metricsAnswers, type Listener } from '../worker/listener.ts';
import { createClientAddress } from './access/client-address.ts';
import { createLimits } from './access/limits.ts';
import { createTokenVerifier } from './access/tokens.ts';
import { createApp } from './app.ts';
import { RowChanges } from './changes.ts';
import type { Config } from './config.ts';
import { forgetOldCounts } from './db/limit-counts.ts';
import { limitCounts } from './db/schema.ts';
import { createHttpServer } from './http-server.ts';
import { cannotListen } from './port-taken.ts';
import { Secret } from './secrets/secret.ts';

/** Requests under way get this long at the end; the worker's grace comes after it. */
const REQUESTS_GRACE_MS = 5000;
const FORGET_COUNTS_MS = 5 * 60_000;

export interface RunningServer {
  /** `http://host:port` */
  readonly url: string;
  readonly parts: Parts;
  /** Drains: no new requests, waits end with what is known, then the worker, then the connections. */
  close(): Promise<void>;
}

/** The API process. Listens at once; Temporal and PostgreSQL may come later.
 * @throws when a port is taken */
export async function startServer(config: Config, log: Logger): Promise<RunningServer> {
  const changes = new RowChanges();
  const closing = new AbortController();
  const parts = composeParts(config, {
    hostsWorker: config.worker.inProcess,
    changed: (id) => changes.changed(id),
    log,
  });
  const app = createApp({
    db: parts.pool.db,
    runs: parts.runs,
    roles: createRoleCatalogue(parts.provider),
    directory: createDirectory(parts.provider),
    sessions: createSessions(
      parts.cognito,
      { clientId: config.cognito.clientId ?? '', clientSecret: config.cognito.clientSecret },
      log,
    ),
    changes,
    verifyToken: createTokenVerifier(config.tokens),
    grants: config.grants,
    clientAddress: createClientAddress(config.http.trustedProxies, log),
    limits: createLimits(
      { db: parts.pool.db, table: limitCounts },
      config.http.registerLimitPerMinute,
    ),
    doors: config.http.doors,
    temporal: {
      state: () => parts.temporal.state(),
      uiUrl: config.temporal.uiUrl,
      namespace: config.temporal.namespace,
    },
    signupMode: config.http.signupMode,
    propagationGraceSeconds: config.retry.propagationGraceSeconds,
    attributes: config.cognito.attributes,
    secret: (text) => new Secret(text),
    sealing: config.sealingKeys.length > 0 ? parts.sealing : null,
    corsOrigins: config.http.corsOrigins,
    logger: log,
    metrics: parts.metrics,
    servesMetrics: config.environment === 'local' && config.http.metricsPort === null,
    closing: closing.signal,
  });
  const forgetting = setInterval(() => {
    // What is left is removed the next time, or by another process.
    forgetOldCounts(parts.pool.db).catch(() => log.debug({}, 'old counts of limits are kept'));
  }, FORGET_COUNTS_MS);
  let apart: Listener | null = null;
  try {
    const { host, metricsPort: port } = config.http;
    if (port !== null) {
      apart = await listenApart('METRICS_PORT', { host, port });
      apart.answerBy(metricsAnswers(parts.metrics));
    }
    const { server, url } = await listen(createHttpServer(app.fetch, log), config.http);
    log.info({ url, ...(apart && { metricsUrl: apart.url }) }, 'API listens');
    return {
      url,
      parts,
      async close() {
        clearInterval(forgetting);
        closing.abort();
        await drain(server);
        await parts.close();
        apart?.close();
      },
    };
  } catch (error) {
    clearInterval(forgetting);
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
