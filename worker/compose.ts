import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import type { Client } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createBackgroundActivities } from '../activities/background-activities.ts';
import { cognitoClient, createCognito, type IdentityProvider } from '../activities/cognito.ts';
import { createQuotas } from '../activities/quota.ts';
import { createRegistrationActivities } from '../activities/registration-activities.ts';
import type { Config } from '../src/config.ts';
import { LOCKS, tryAdvisoryLock } from '../src/db/advisory-lock.ts';
import { openDatabase, type DatabasePool } from '../src/db/client.ts';
import type { Runs } from '../src/domain/runs.ts';
import type { Telemetry } from '../src/domain/telemetry.ts';
import { emailHash } from '../src/email-hash.ts';
import { createSealing, type Sealing } from '../src/secrets/sealing.ts';
import { createRuns } from '../src/temporal/runs.ts';
import { openDestinations } from './destinations.ts';
import { readBacklog } from '../src/ledger/backlog.ts';
import { createMetrics, type Metrics } from '../src/metrics/metrics.ts';
import { installRuntime } from './runtime.ts';
import { supervise, type Supervised } from './supervise.ts';
import { createWorker } from './worker.ts';

/** What both processes are made of. */
export interface Parts {
  readonly pool: DatabasePool;
  readonly cognito: CognitoIdentityProviderClient;
  readonly provider: IdentityProvider;
  readonly sealing: Sealing;
  readonly runs: Runs;
  readonly temporal: Supervised;
  readonly metrics: Metrics;
  /** Ends the worker, then the connections it uses. */
  close(): Promise<void>;
}

export interface PartsOptions {
  readonly hostsWorker: boolean;
  readonly changed: (registrationId: string) => void;
  readonly log: Logger;
}

/** Wires database, Cognito and Temporal; opens nothing but the loop that connects to Temporal. */
export function composeParts(config: Config, options: PartsOptions): Parts {
  const { log, changed } = options;
  const sdk = installRuntime(log);
  const stopping = new AbortController();
  const pool = openDatabase(config.database.url, 20);
  const metrics = createMetrics({
    readBacklog: () => readBacklog(pool.db),
    temporal: () => {
      const { temporal: there, worker } = temporal.state();
      return { up: there === 'ok', polls: options.hostsWorker && worker === 'ok' };
    },
    others: () => sdk.text(),
  });
  const telemetry = withLog(metrics.telemetry, log);
  const cognito = cognitoClient(config.cognito, telemetry.called);
  const provider = createCognito(cognito, config.cognito.userPoolId);
  const sealing = createSealing(config.sealingKeys);
  const taskQueue = config.temporal.taskQueue;
  let client: () => Client | null = () => null;
  const runs = createRuns({ client: () => client(), taskQueue, eager: options.hostsWorker, log });
  const quotas = createQuotas(pool.db, config.cognito);
  const deps = {
    ...config.retry,
    db: pool.db,
    provider,
    sealing,
    quotas,
    runs,
    log,
    telemetry,
    changed,
  };
  const activities = {
    ...createRegistrationActivities({ ...deps, ...config.schedules }),
    ...createBackgroundActivities({
      ...deps,
      stopping: stopping.signal,
      lock: () => tryAdvisoryLock(config.database.url, LOCKS.relay),
      destinations: () => openDestinations(config, log),
    }),
  };
  const { namespace } = config.temporal;
  const makeWorker = (connection: NativeConnection): Promise<Worker> =>
    createWorker({ connection, namespace, taskQueue, activities });
  const temporal = supervise({
    connect: config.temporal.connection,
    namespace,
    createWorker: options.hostsWorker ? makeWorker : null,
    log,
  });
  client = () => temporal.client();
  return {
    pool,
    cognito,
    provider,
    sealing,
    runs,
    temporal,
    metrics,
    async close() {
      stopping.abort();
      await temporal.stop();
      cognito.destroy();
      await pool.close();
    },
  };
}

/** A line for each move, beside its count. */
function withLog(telemetry: Telemetry, log: Logger): Telemetry {
  return {
    ...telemetry,
    statusChanged(row) {
      telemetry.statusChanged(row);
      const { id: registrationId, status, door, failure } = row;
      const fields = { registrationId, door, code: failure?.code, emailHash: emailHash(row.email) };
      log.info(fields, `registration ${status}`);
    },
  };
}
