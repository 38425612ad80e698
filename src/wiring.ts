import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import type { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createBackgroundActivities } from '../activities/background/background-activities.ts';
import { cognitoClient, createCognito, type IdentityProvider } from './cognito/adapter.ts';
import { accountQuota, createQuotas, type Quotas } from '../activities/quota.ts';
import { createChangeActivities } from '../activities/changes/change-activities.ts';
import { createRegistrationActivities } from '../activities/registration/registration-activities.ts';
import { eventDestinationsOf, type Config, type SignInSettings } from './config/config.ts';
import { LOCKS, tryAdvisoryLock } from './db/advisory-lock.ts';
import { openDatabase, type DatabasePool } from './db/client.ts';
import { watchDatabase } from './db/database-state.ts';
import type { PasswordRecovery } from './domain/account.ts';
import type { Runs, UserRuns } from './domain/runs.ts';
import type { CompletedRegistration } from './domain/registration.ts';
import { createPasswordPolicy } from './domain/password-policy.ts';
import { administratorRoles } from './domain/administrators.ts';
import { NO_TELEMETRY, type Telemetry } from './domain/telemetry.ts';
import type { TraceRequest } from './domain/tracing.ts';
import { createHostCheck } from './config/local-hosts.ts';
import { limitCounts } from './db/schema.ts';
import { createAccounts, createDirectory } from './cognito/directory.ts';
import { createRoleCatalogue } from './cognito/role-catalogue.ts';
import { createPasswordRecovery } from './cognito/password-recovery.ts';
import { createSessions } from './cognito/sessions.ts';
import { createClientAddress } from './http/access/client-address.ts';
import { createLimits } from './http/access/limits.ts';
import { createTokenCutoffs } from './http/access/token-cutoffs.ts';
import { createTokenVerifier } from './http/access/tokens.ts';
import type { AppDeps } from './http/app-deps.ts';
import type { UpdateHub } from './http/receipts/row-updates.ts';
import type { Sessions } from './domain/session.ts';
import { Secret } from './secrets/secret.ts';
import { createSealing, type Sealing } from './secrets/sealing.ts';
import { ANSWERS_WITHIN_MS, readTemporalOverview } from './temporal/overview.ts';
import { createRuns } from './temporal/runs.ts';
import { createUserRuns } from './temporal/user-runs.ts';
import { BROKER } from '../activities/relay/broker-connection.ts';
import { openProfiles } from '../activities/relay/open-profiles.ts';
import { consumeProfileReplies } from '../activities/relay/profile-replies.ts';
import { destinationsOf } from '../activities/relay/destinations.ts';
import { readBacklog } from './ledger/backlog.ts';
import { createAvailability } from './telemetry/availability.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { withLossLog, withStatusLog } from './telemetry/status-log.ts';
import type { Tracing } from './telemetry/tracing.ts';
import { installRuntime } from '../worker/runtime.ts';
import { supervise, type Supervised } from '../worker/supervise.ts';
import {
  createBackgroundWorker,
  together,
  type RunnableWorker,
} from '../worker/background-worker.ts';
import { createWorker } from '../worker/worker.ts';

/** Connections to PostgreSQL that a process opens for the requests and runs of persons. */
const CONNECTIONS = 20;
/** For background work: a flood of it waits here, and delays no person's statement. */
const BACKGROUND_CONNECTIONS = 5;

/** The connections and services of a process, with or without a worker. */
export interface Parts {
  readonly pool: DatabasePool;
  readonly cognito: CognitoIdentityProviderClient;
  readonly provider: IdentityProvider;
  readonly sealing: Sealing;
  /** Of our app client. */
  readonly sessions: Sessions<Secret>;
  readonly recovery: PasswordRecovery<Secret>;
  readonly quotas: Quotas;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
  readonly temporal: Supervised;
  readonly metrics: Metrics;
  readonly trace: TraceRequest | null;
  readonly telemetry: Telemetry;
  /** Ends the worker, then the connections it uses. */
  close(): Promise<void>;
}

export interface PartsOptions {
  readonly hostsWorker: boolean;
  readonly changed: (registrationId: string, completed?: CompletedRegistration) => void;
  /** Where an exporter of traces is configured. */
  readonly tracing?: Tracing | null;
  readonly log: Logger;
}

/** Creates the parts of a process from its configuration. Opens no connection but the loop that
 * connects to Temporal. */
export function wireProcess(config: Config, options: PartsOptions): Parts {
  const { log, changed } = options;
  const sdk = installRuntime(log);
  const stopping = new AbortController();
  const { url, preparesStatements } = config.database;
  const pool = openDatabase(url, CONNECTIONS, preparesStatements);
  const backgroundPool = openDatabase(
    url,
    BACKGROUND_CONNECTIONS,
    preparesStatements,
    'registrar-background',
  );
  const metrics = createMetrics({
    readBacklog: () => readBacklog(pool.db),
    temporal: () => {
      const { temporal: there, worker } = temporal.state();
      return { up: there === 'ok', polls: options.hostsWorker && worker === 'ok' };
    },
    others: () => sdk.text(),
  });
  const telemetry = withLossLog(withStatusLog(metrics.telemetry, log), log);
  const database = watchDatabase(pool.db, log);
  const { cognito, provider } = wireCognito(config, telemetry);
  const broker = createAvailability(log, BROKER);
  const profiles = openProfiles(config, log, telemetry, broker);
  const sealing = createSealing(config.sealingKeys);
  const taskQueue = config.temporal.taskQueue;
  let client: () => Client | null = () => null;
  const runs = createRuns({ client: () => client(), taskQueue, eager: options.hostsWorker, log });
  const userRuns = createUserRuns({ client: () => client(), taskQueue, log });
  const { clientId, clientSecret } = config.cognito;
  const appClient = { clientId: clientId ?? '', clientSecret };
  const recovery = createPasswordRecovery(cognito, appClient, log);
  const sessions = createSessions(cognito, appClient, log);
  const deps = {
    ...config.retry,
    ...config.schedules,
    provider,
    profiles,
    sealing,
    runs,
    userRuns,
    administratorRoles: administratorRoles(config.grants),
    log,
    telemetry,
    changed,
    publicMailsPerDay: config.cognito.publicMailsPerDay,
    apiUrl: config.http.apiUrl,
    personalDataRetentionDays: config.personalDataRetentionDays,
    sessions: clientId === null ? null : sessions,
  };
  const person = { ...deps, db: pool.db, quotas: createQuotas(pool.db, config.cognito) };
  const { db } = backgroundPool;
  const background = { ...deps, db, quotas: createQuotas(db, config.cognito, 'background') };
  const backgroundActivities = createBackgroundActivities({
    ...background,
    stopping: stopping.signal,
    lock: () => tryAdvisoryLock(url, LOCKS.relay),
    destinations: destinationsOf(config, log, broker),
    recovery,
  });
  const { namespace } = config.temporal;
  const plugins = options.tracing?.plugins ?? [];
  const makeWorker = async (connection: NativeConnection): Promise<RunnableWorker> => {
    const of = { connection, namespace, taskQueue, plugins };
    const activities = {
      ...createRegistrationActivities(person),
      ...createChangeActivities(person),
    };
    return together(
      await createWorker({ ...of, activities }),
      await createBackgroundWorker({
        ...of,
        activities: {
          ...createRegistrationActivities(background),
          ...createChangeActivities(background),
          ...backgroundActivities,
        },
      }),
    );
  };
  const temporal = supervise({
    connect: config.temporal.connection,
    namespace,
    createWorker: options.hostsWorker ? makeWorker : null,
    plugins,
    log,
  });
  client = () => temporal.client();
  const consuming = new AbortController();
  const { profile: settings } = config;
  const consumed =
    options.hostsWorker && profiles && settings?.form === 'amqp'
      ? consumeProfileReplies({ ...background, settings, profiles, broker }, consuming.signal)
      : null;
  return {
    pool,
    cognito,
    provider,
    sealing,
    sessions,
    recovery,
    quotas: person.quotas,
    runs,
    userRuns,
    temporal,
    metrics,
    trace: options.tracing?.trace ?? null,
    telemetry,
    async close() {
      stopping.abort();
      database.stop();
      await temporal.stop();
      // Steps that end may still wait for a reply.
      consuming.abort();
      await consumed;
      cognito.destroy();
      await Promise.all([profiles?.close(), pool.close(), backgroundPool.close()]);
      await options.tracing?.stop();
    },
  };
}

/** What an operator's command needs: the ledger and Cognito, without Temporal. */
export interface CommandParts {
  readonly db: DatabasePool['db'];
  readonly provider: IdentityProvider;
  close(): Promise<void>;
}

export function wireCommand(config: Config, options: { connections: number }): CommandParts {
  const { url, preparesStatements } = config.database;
  const pool = openDatabase(url, options.connections, preparesStatements);
  const { cognito, provider } = wireCognito(config, NO_TELEMETRY);
  return {
    db: pool.db,
    provider,
    async close() {
      cognito.destroy();
      await pool.close();
    },
  };
}

/** What signing in at a terminal needs: Cognito alone, without credentials of AWS. */
export function wireSignIn(
  { cognito: settings, passwordRules }: SignInSettings,
  common: ReadonlySet<string>,
) {
  const client = cognitoClient(settings);
  let lastError: string | null = null;
  const { clientId, clientSecret } = settings;
  const log = { warn: (fields: { error?: string }) => void (lastError = fields.error ?? null) };
  return {
    sessions: createSessions(client, { clientId: clientId ?? '', clientSecret }, log),
    passwordPolicy: createPasswordPolicy(passwordRules, common),
    /** The name of the last error of Cognito that is not about the person. */
    lastError: () => lastError,
    close: () => client.destroy(),
  };
}

function wireCognito(
  config: Config,
  telemetry: Telemetry,
): { cognito: CognitoIdentityProviderClient; provider: IdentityProvider } {
  const cognito = cognitoClient(config.cognito, telemetry.called);
  return { cognito, provider: createCognito(cognito, config.cognito.userPoolId) };
}

/** What the handlers of the API get. */
export function wireApi(
  config: Config,
  parts: Parts,
  {
    log,
    updates,
    commonPasswords,
    afterwards,
    closing,
  }: {
    readonly log: Logger;
    readonly updates: UpdateHub;
    /** Each in its caseless form. */
    readonly commonPasswords: ReadonlySet<string>;
    readonly afterwards: AppDeps['afterwards'];
    readonly closing: AbortSignal;
  },
): AppDeps {
  const { http, cognito } = config;
  const { uiUrl, namespace, taskQueue } = config.temporal;
  const isLocal = config.environment === 'local';
  const quotaOf = accountQuota(parts.quotas);
  const accounts = createAccounts(parts.provider, (signal) => quotaOf(signal)('update'));
  const { db } = parts.pool;
  return {
    db,
    runs: parts.runs,
    userRuns: parts.userRuns,
    roles: createRoleCatalogue(parts.provider),
    directory: createDirectory(parts.provider, (signal) => quotaOf(signal)('read')),
    sessions: parts.sessions,
    recovery: parts.recovery,
    accounts,
    updates,
    changeStatusChanged(change) {
      parts.telemetry.changeStatusChanged(change);
      updates.changed(change.id);
    },
    verifyToken: createTokenVerifier(config.tokens),
    cutoffs: createTokenCutoffs({ db, accounts, sessions: parts.sessions, log }),
    grants: config.grants,
    clientAddress: createClientAddress(http.trustedProxies, log),
    limits: createLimits({ db, table: limitCounts }, http.registerLimitPerMinute),
    doors: http.doors,
    temporal: {
      state: () => parts.temporal.state(),
      overview: () =>
        readTemporalOverview(parts.temporal.client(), {
          namespace,
          taskQueue,
          withinMs: ANSWERS_WITHIN_MS,
        }),
      uiUrl,
      namespace,
    },
    signupMode: http.signupMode,
    signupVerification: http.signupVerification,
    publicMailsPerDay: cognito.publicMailsPerDay,
    personalDataRetentionDays: config.personalDataRetentionDays,
    afterwards,
    passwordPolicy: createPasswordPolicy(http.passwordRules, commonPasswords),
    propagationGraceSeconds: config.retry.propagationGraceSeconds,
    wantsProfile: config.profile !== null,
    quotas: cognito,
    eventDestinations: eventDestinationsOf(config),
    attributes: cognito.attributes,
    secret: (text) => new Secret(text),
    sealing: config.sealingKeys.length > 0 ? parts.sealing : null,
    console: http.console ? { sealing: parts.sealing } : null,
    corsOrigins: http.corsOrigins,
    local: isLocal
      ? {
          acceptsHost: createHostCheck(http.host),
          mailbox: `${cognito.endpoint ?? ''}/_sandbox/mail?pool=${cognito.userPoolId}`,
        }
      : null,
    logger: log,
    trace: parts.trace,
    metrics: parts.metrics,
    servesMetrics: isLocal && http.metricsPort === null,
    closing,
  };
}
