import { randomUUID } from 'node:crypto';
import type { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { serve } from '@hono/node-server';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createCognito } from '../../src/cognito/adapter.ts';
import type { RegistrationActivities } from '../../activities/contract.ts';
import { createAccounts, createDirectory } from '../../src/cognito/directory.ts';
import { createPasswordRecovery } from '../../src/cognito/password-recovery.ts';
import { createQuotas } from '../../activities/quota.ts';
import { createRegistrationActivities } from '../../activities/registration/registration-activities.ts';
import { createRoleCatalogue } from '../../src/cognito/role-catalogue.ts';
import { createSessions } from '../../src/cognito/sessions.ts';
import { createPasswordPolicy } from '../../src/domain/password-policy.ts';
import { createLimits } from '../../src/http/access/limits.ts';
import { createApp } from '../../src/http/app.ts';
import { RegistrationChanges } from '../../src/http/registrations/registration-changes.ts';
import { openDatabase } from '../../src/db/client.ts';
import { createSealing } from '../../src/secrets/sealing.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { limitCounts } from '../../src/db/schema.ts';
import { createRuns } from '../../src/temporal/runs.ts';
import { readBacklog } from '../../src/ledger/backlog.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { createWorker } from '../../worker/worker.ts';

export const PATHS = ['fast', 'ordinary'] as const;

export interface BenchParts {
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly client: CognitoIdentityProviderClient;
  readonly userPoolId: string;
}

export interface Bench {
  readonly url: string;
  close(): Promise<void>;
}

const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (fields: object, message: string) => {
    process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  },
};

/** Otherwise the account's quota is what would be measured. */
const UNPACED = { createRps: 0, updateRps: 0 };

const RETRY = {
  retryBudgetSeconds: 120,
  compensationBudgetSeconds: 5,
  propagationGraceSeconds: 30,
  resumeIntervalSeconds: 300,
};

const sdk = installRuntime(log);

/** API and worker in this process, as `npm run api` has them; `ordinary` has no fast path. */
export async function openBench(parts: BenchParts, path: (typeof PATHS)[number]): Promise<Bench> {
  const connection = await NativeConnection.connect({ address: parts.temporalAddress });
  const temporal = new Client({ connection });
  const pool = openDatabase(parts.databaseUrl, 20);
  const { db } = pool;
  const metrics = createMetrics({
    readBacklog: () => readBacklog(db),
    temporal: () => ({ up: true, polls: true }),
    others: () => sdk.text(),
  });
  const provider = createCognito(parts.client, parts.userPoolId);
  const taskQueue = `bench-${randomUUID()}`;
  const runs = createRuns({ client: () => temporal, taskQueue, eager: true, log });
  const changes = new RegistrationChanges();
  const real = createRegistrationActivities({
    sessions: null,
    publicMailsPerDay: null,
    ...RETRY,
    db,
    provider,
    sealing: createSealing([]),
    quotas: createQuotas(db, UNPACED),
    log,
    telemetry: metrics.telemetry,
    changed: (id, completed) => changes.changed(id, completed),
  });
  const activities: RegistrationActivities =
    path === 'fast'
      ? real
      : {
          ...real,
          registerAtOnce: async (ref) => ({
            run: await real.beginRegistration(ref),
            stopped: null,
          }),
        };
  const worker = await createWorker({ connection, namespace: 'default', taskQueue, activities });
  const running = worker.run();
  const closing = new AbortController();
  const app = createApp({
    db,
    runs,
    changes,
    logger: log,
    metrics,
    closing: closing.signal,
    roles: createRoleCatalogue(provider),
    directory: createDirectory(provider),
    clientAddress: () => 'bench',
    // No public door is open.
    limits: createLimits({ db, table: limitCounts }, 1),
    sessions: createSessions(parts.client, { clientId: '', clientSecret: null }, log),
    recovery: createPasswordRecovery(parts.client, { clientId: '', clientSecret: null }, log),
    accounts: createAccounts(createCognito(parts.client, ''), async () => undefined),
    verifyToken: async () => ({
      userId: 'bench',
      clientId: 'bench',
      groups: ['admin'],
      scopes: [],
      expiresAt: new Date(Date.now() + 86_400_000),
    }),
    grants: [{ subject: { kind: 'group', name: 'admin' }, roles: '*' }],
    doors: new Set(),
    temporal: {
      state: () => ({ temporal: 'ok', worker: 'ok' }),
      uiUrl: null,
      namespace: 'default',
    },
    signupMode: 'sync',
    signupVerification: 'optional',
    publicMailsPerDay: null,
    afterwards: (work) => void work(),
    passwordPolicy: createPasswordPolicy('composition', new Set()),
    propagationGraceSeconds: RETRY.propagationGraceSeconds,
    attributes: [],
    secret: (text) => new Secret(text),
    sealing: null,
    corsOrigins: [],
    servesMetrics: false,
    local: null,
  });
  const { server, port } = await new Promise<{ server: ReturnType<typeof serve>; port: number }>(
    (resolve) => {
      const made = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, (address) =>
        resolve({ server: made, port: address.port }),
      );
    },
  );
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
      worker.shutdown();
      await running;
      await pool.close();
      await connection.close();
    },
  };
}
