import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import type { Client } from '@temporalio/client';
import { Runtime, DefaultLogger, type NativeConnection, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createBackgroundActivities } from '../activities/background-activities.ts';
import { cognitoClient, createCognito, type IdentityProvider } from '../activities/cognito.ts';
import { createRegistrationActivities } from '../activities/registration-activities.ts';
import type { Config } from '../src/config.ts';
import { tryAdvisoryLock } from '../src/db/advisory-lock.ts';
import { openDatabase, type DatabasePool } from '../src/db/client.ts';
import type { Runs } from '../src/domain/runs.ts';
import { createSealing, type Sealing } from '../src/secrets/sealing.ts';
import { createRuns } from '../src/temporal/runs.ts';
import { openDestinations } from './destinations.ts';
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
  /** Ends the worker, then the connections it uses. */
  close(): Promise<void>;
}

export interface PartsOptions {
  readonly hostsWorker: boolean;
  readonly changed: (registrationId: string) => void;
  readonly log: Logger;
}

/** Any constant but the migration's: who holds it is the deployment's relay. */
const RELAY_LOCK = 7_267_473;

let runtimeInstalled = false;

/** Wires database, Cognito and Temporal; opens nothing but the loop that connects to Temporal. */
export function composeParts(config: Config, options: PartsOptions): Parts {
  const { log, changed } = options;
  installRuntime(log);
  const stopping = new AbortController();
  const pool = openDatabase(config.database.url, 20);
  const cognito = cognitoClient(config.cognito);
  const provider = createCognito(cognito, config.cognito.userPoolId);
  const sealing = createSealing(config.sealingKeys);
  const taskQueue = config.temporal.taskQueue;
  let client: () => Client | null = () => null;
  const runs = createRuns({ client: () => client(), taskQueue, eager: options.hostsWorker, log });
  const deps = { ...config.retry, db: pool.db, provider, sealing, runs, log, changed };
  const activities = {
    ...createRegistrationActivities({ ...deps, ...config.schedules }),
    ...createBackgroundActivities({
      ...deps,
      stopping: stopping.signal,
      lock: () => tryAdvisoryLock(config.database.url, RELAY_LOCK),
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
    async close() {
      stopping.abort();
      await temporal.stop();
      cognito.destroy();
      await pool.close();
    },
  };
}

// Once in a process, before any worker; without shutdown signals of its own, since the order of the
// drain is ours.
function installRuntime(log: Logger): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      const fields = { temporal: String(meta?.['sdkComponent']) };
      if (level === 'ERROR') log.error(fields, message);
      else log.warn(fields, message);
    }),
  });
}
