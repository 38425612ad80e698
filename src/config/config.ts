import { loadClientConnectConfig } from '@temporalio/envconfig';
import { awsDomainOf, isAwsHost } from './aws-hosts.ts';
import { EnvironmentReader, quoted, type RawEnvironment } from './environment-reader.ts';
import { DEFAULTS } from './environment-table.ts';
import { parseProfile, type ProfileSettings } from './profile-settings.ts';
import { readWebhookSecret } from './webhook-secret.ts';
import { EVENT_DESTINATIONS, type EventDestination } from '../domain/outbox.ts';
import type { Grant } from '../domain/grants.ts';
import { PASSWORD_RULES, type PasswordRules } from '../domain/password-policy.ts';
import type { SealingKey } from '../secrets/sealing.ts';

/** The doors that the variable DOORS can open; the others are always open. */
const OPENABLE_DOORS = ['users', 'step', 'signup', 'session', 'seeding'] as const;
/** A public route family that can be opened. */
export type OpenDoor = (typeof OPENABLE_DOORS)[number];

/** How Temporal's client and worker connect. */
export type TemporalConnection = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];

/** The validated environment. Contains secrets: never log it. */
export interface Config {
  readonly environment: 'local' | 'staging' | 'production';
  /** Folder of the embedded state. */
  readonly home: string;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly http: {
    readonly port: number;
    readonly host: string;
    readonly doors: ReadonlySet<OpenDoor>;
    /** Whether the API serves `/console`. */
    readonly console: boolean;
    readonly corsOrigins: readonly string[];
    readonly trustedProxies: number;
    readonly registerLimitPerMinute: number;
    /** Where the API serves `/metrics`; null: on its own port when local, otherwise nowhere. */
    readonly metricsPort: number | null;
    readonly signupMode: 'sync' | 'async';
    readonly signupVerification: 'optional' | 'required';
    readonly passwordRules: PasswordRules;
    /** Base of links to this API, without a slash at its end. */
    readonly apiUrl: string | null;
  };
  readonly temporal: {
    /** `host:port` */
    readonly address: string;
    readonly namespace: string;
    readonly connection: TemporalConnection;
    readonly taskQueue: string;
    /** Without a slash at its end. */
    readonly uiUrl: string | null;
  };
  readonly database: { readonly url: string; readonly preparesStatements: boolean };
  readonly cognito: {
    readonly region: string;
    readonly userPoolId: string;
    /** Never null in a process that serves the API, unless others' clients are allowed. */
    readonly clientId: string | null;
    readonly clientSecret: string | null;
    /** Without a slash at its end. */
    readonly endpoint: string | null;
    /** Per second; 0 is unpaced. */
    readonly createRps: number;
    readonly updateRps: number;
    /** Half of what the mailer may send: the rest is for people whom administrators invite. null: no bound. */
    readonly publicMailsPerDay: number | null;
    readonly attributes: readonly string[];
  };
  readonly tokens: {
    readonly issuer: string;
    readonly jwksUrl: string;
    readonly clientIds: readonly string[];
  };
  readonly grants: readonly Grant[];
  readonly worker: {
    readonly inProcess: boolean;
    /** Of the worker process; null: it does not listen. */
    readonly port: number | null;
  };
  readonly sealingKeys: readonly SealingKey[];
  readonly retry: {
    readonly retryBudgetSeconds: number;
    readonly compensationBudgetSeconds: number;
    readonly propagationGraceSeconds: number;
  };
  readonly schedules: {
    readonly resumeIntervalSeconds: number;
    readonly sweepIntervalSeconds: number;
  };
  /** How long failed and cancelled registrations keep personal data; null: without end. */
  readonly personalDataRetentionDays: number | null;
  readonly events: {
    readonly amqp: {
      readonly url: string;
      readonly exchange: string;
      readonly routingKey: string;
    } | null;
    readonly webhook: { readonly url: string; readonly secret: string } | null;
  };
  readonly profile: ProfileSettings;
  /** Whether OpenTelemetry's standard variables name an exporter of traces. */
  readonly isTraced: boolean;
}

/** What it takes to sign in to the pool. */
export interface SignInSettings {
  readonly cognito: Config['cognito'];
  readonly passwordRules: PasswordRules;
}

/** The environment is invalid. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** One line per bad variable: `NAME: what is wrong`. No line quotes a secret. */
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}

/** The process that is starting. `setup` creates the app client, so it does not require one. */
export type ProcessKind = 'api' | 'worker' | 'setup';

/** Parses the whole environment. Throws `ConfigError` with one line per bad variable. */
export function parseConfig(env: RawEnvironment, process: ProcessKind = 'api'): Config {
  const read = new EnvironmentReader(env, DEFAULTS);
  const environment = read.choice('ENVIRONMENT', ['production', 'staging', 'local']);
  const doors = parseDoors(read, environment === 'local');
  const cognito = parseCognito(read);
  const hasConsole = parseConsole(read, environment === 'local', process);
  if (environment === 'local') refuseAws(read, cognito);
  const events = parseEvents(read, environment === 'local');
  const config: Config = {
    environment,
    home: read.required('REGISTRAR_HOME'),
    logLevel: read.choice('LOG_LEVEL', [
      ...(['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent'] as const),
    ]),
    http: {
      port: read.integer('PORT', 0, 65_535),
      host: read.required('HOST'),
      doors,
      console: hasConsole,
      corsOrigins: parseOrigins(read),
      trustedProxies: read.integer('TRUSTED_PROXIES', 0, 32),
      registerLimitPerMinute: read.integer('REGISTER_LIMIT_PER_MINUTE', 1, 1_000_000),
      metricsPort: parseMetricsPort(read),
      signupMode: read.choice('SIGNUP_MODE', ['sync', 'async']),
      signupVerification: read.choice('SIGNUP_VERIFICATION', ['optional', 'required']),
      passwordRules: read.choice('PASSWORD_RULES', PASSWORD_RULES),
      apiUrl: read.url('API_URL', ['http:', 'https:']),
    },
    temporal: parseTemporal(read, env),
    database: {
      url: databaseUrl(read),
      preparesStatements: read.choice('DATABASE_PREPARED_STATEMENTS', ['true', 'false']) === 'true',
    },
    cognito,
    tokens: parseTokens(read, cognito, process, doors),
    grants: parseGrants(read),
    worker: {
      inProcess: read.choice('IN_PROCESS_WORKER', ['true', 'false']) === 'true',
      port: optionalPort(read, 'WORKER_PORT'),
    },
    sealingKeys: parseSealingKeys(read, doors),
    retry: {
      retryBudgetSeconds: read.integer('RETRY_BUDGET_SECONDS', 1, 86_400),
      compensationBudgetSeconds: read.integer('COMPENSATION_BUDGET_SECONDS', 1, 86_400),
      propagationGraceSeconds: read.integer('PROPAGATION_GRACE_SECONDS', 0, 3_600),
    },
    schedules: {
      resumeIntervalSeconds: read.integer('RESUME_INTERVAL_SECONDS', 1, 86_400),
      sweepIntervalSeconds: read.integer('SWEEP_INTERVAL_SECONDS', 1, 86_400),
    },
    personalDataRetentionDays: parseRetention(read),
    events,
    profile: parseProfile(read, events.amqp?.url ?? null),
    isTraced: isTraced(read, env),
  };
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return config;
}

// OpenTelemetry's SDK reads these variables, and more, by itself.
function isTraced(read: EnvironmentReader, env: RawEnvironment): boolean {
  const exporter = read.optional('OTEL_TRACES_EXPORTER');
  const isOff = read.optional('OTEL_SDK_DISABLED')?.toLowerCase() === 'true';
  if (isOff || exporter === 'none') return false;
  if (read.optional('OTEL_EXPORTER_OTLP_ENDPOINT') !== null) return true;
  const isExporter = (name: string) => name.startsWith('OTEL_EXPORTER_') && Boolean(env[name]);
  return exporter !== null || Object.keys(env).some(isExporter);
}

/** The destinations of events that are configured. */
export function eventDestinationsOf({ events }: Pick<Config, 'events'>): EventDestination[] {
  return EVENT_DESTINATIONS.filter((name) => events[name] !== null);
}

/** The database, for commands that need nothing else. Throws `ConfigError`. */
export function parseDatabaseUrl(env: RawEnvironment): string {
  const read = new EnvironmentReader(env, DEFAULTS);
  const url = databaseUrl(read);
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return url;
}

/** The database as the role that owns the schema, for `migrate`. Throws `ConfigError`. */
export function parseMigrationUrl(env: RawEnvironment): string {
  const read = new EnvironmentReader(env, DEFAULTS);
  const own = read.optional('DATABASE_MIGRATION_URL') !== null;
  const url = databaseUrl(read, own ? 'DATABASE_MIGRATION_URL' : 'DATABASE_URL');
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return url;
}

/** All that `npm run verify-replay` needs. Throws `ConfigError`. */
export function parseTemporalSettings(env: RawEnvironment): Config['temporal'] {
  const read = new EnvironmentReader(env, DEFAULTS);
  const temporal = parseTemporal(read, env);
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return temporal;
}

/** What this deployment may take of Cognito's quotas, for `npm run status`. Throws `ConfigError`. */
export function parseQuotaSettings(
  env: RawEnvironment,
): Pick<Config['cognito'], 'createRps' | 'updateRps'> {
  const read = new EnvironmentReader(env, DEFAULTS);
  const quotas = quotaSettings(read);
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return quotas;
}

/** All that `npm run login` needs. Throws `ConfigError`. */
export function parseSignInSettings(env: RawEnvironment): SignInSettings {
  const read = new EnvironmentReader(env, DEFAULTS);
  const cognito = parseCognito(read);
  if (cognito.clientId === null) read.refuse('COGNITO_CLIENT_ID', 'missing');
  const passwordRules = read.choice('PASSWORD_RULES', PASSWORD_RULES);
  if (read.lines.length > 0) throw new ConfigError(read.lines);
  return { cognito, passwordRules };
}

function databaseUrl(read: EnvironmentReader, name = 'DATABASE_URL'): string {
  read.required(name);
  const url = read.url(name, ['postgres:', 'postgresql:']) ?? '';
  const { host = '', username = '', password = '' } = URL.parse(url) ?? {};
  try {
    // The driver decodes too, and would end the process without naming the variable.
    decodeURIComponent(host + username + password);
  } catch {
    read.refuse(name, 'a % in the user or password must be written as %25');
  }
  return url;
}

function optionalPort(read: EnvironmentReader, name: string): number | null {
  return read.optional(name) === null ? null : read.integer(name, 0, 65_535);
}

function parseRetention(read: EnvironmentReader): number | null {
  const days = read.integer('PERSONAL_DATA_RETENTION_DAYS', 0, 36_500);
  return days === 0 ? null : days;
}

function parseMetricsPort(read: EnvironmentReader): number | null {
  const port = optionalPort(read, 'METRICS_PORT');
  // 0 is any free port.
  if (port !== null && port !== 0 && port === read.integer('PORT', 0, 65_535)) {
    read.refuse('METRICS_PORT', 'must differ from PORT');
  }
  return port;
}

function parseDoors(read: EnvironmentReader, isLocal: boolean): ReadonlySet<OpenDoor> {
  const open = new Set<OpenDoor>();
  for (const name of read.list('DOORS')) {
    const door = OPENABLE_DOORS.find((known) => known === name);
    if (door === undefined) {
      read.refuse('DOORS', `${quoted(name)} is not one of ${OPENABLE_DOORS.join(', ')}`);
      // Seeding requires no token, so it stays closed unless ENVIRONMENT=local.
    } else if (door !== 'seeding' || isLocal) open.add(door);
  }
  return open;
}

/** Whether this process serves `/console`. Where ENVIRONMENT=local turns it on, and not CONSOLE itself, it
 * stays off without what it needs. */
function parseConsole(read: EnvironmentReader, isLocal: boolean, process: ProcessKind): boolean {
  const isSet = read.optional('CONSOLE') !== null;
  const isWanted = isSet ? read.choice('CONSOLE', ['false', 'true']) === 'true' : isLocal;
  if (!isWanted || process !== 'api') return false;
  const missing = ['PASSWORD_SEALING_KEYS', 'COGNITO_CLIENT_ID'].filter(
    (name) => read.optional(name) === null,
  );
  if (isSet) for (const name of missing) read.refuse(name, 'missing, but CONSOLE needs it');
  const client = read.optional('COGNITO_CLIENT_ID');
  const allowed = read.list('COGNITO_ALLOWED_CLIENT_IDS');
  const isAllowed = client !== null && (allowed.length === 0 || allowed.includes(client));
  if (isSet && client !== null && !isAllowed) {
    read.refuse(
      'COGNITO_ALLOWED_CLIENT_IDS',
      'must contain COGNITO_CLIENT_ID, with which people sign in to the console',
    );
  }
  return missing.length === 0 && isAllowed;
}

function parseTemporal(read: EnvironmentReader, env: RawEnvironment): Config['temporal'] {
  const set = Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]);
  let connection: TemporalConnection = {};
  let namespace: string | undefined;
  try {
    // envconfig 1.24 looks profiles up in a plain object: with `__proto__` it would write the address and
    // the API key into Object.prototype.
    const profile = env['TEMPORAL_PROFILE'] ?? '';
    if (profile in Object.prototype) throw new Error(`Profile '${profile}' not found`);
    const loaded = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(set) });
    connection = loaded.connectionOptions;
    namespace = loaded.namespace;
    if (!connection.address) read.refuse('TEMPORAL_ADDRESS', 'missing');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const name = env['TEMPORAL_PROFILE'] ? 'TEMPORAL_PROFILE' : 'TEMPORAL_TLS…';
    const line = reason.split(/[\n\r]/, 1)[0]?.slice(0, 200);
    read.refuse(name, `the configuration of Temporal cannot be loaded: ${line}`);
  }
  const address = connection.address ?? '';
  const port = Number(/^(?:[^\s:/]+|\[[0-9a-f:.]+\]):(\d{1,5})$/i.exec(address)?.[1] ?? '7233');
  if (address !== '' && (/[\s/]/.test(address) || port < 1 || port > 65_535)) {
    read.refuse('TEMPORAL_ADDRESS', `must be host:port, not ${quoted(address)}`);
  }
  return {
    address,
    connection,
    namespace: namespace ?? DEFAULTS['TEMPORAL_NAMESPACE'] ?? 'default',
    taskQueue: read.required('TEMPORAL_TASK_QUEUE'),
    uiUrl: read.url('TEMPORAL_UI_URL', ['http:', 'https:']),
  };
}

// Attributes that Registrar itself sets, or that identify a user.
const RESERVED = ['custom:registration_id', 'email', 'email_verified', 'sub', 'preferred_username'];
const OWN_FIELDS = ['given_name', 'family_name', 'phone_number_verified', 'identities'];

/** AWS's own pattern, and its length. */
const POOL_ID = /^(?=.{1,55}$)[\w-]+_[0-9a-zA-Z]+$/;

function parseCognito(read: EnvironmentReader): Config['cognito'] {
  const attributes = read.list('COGNITO_ATTRIBUTES');
  for (const name of attributes) {
    if ([...RESERVED, ...OWN_FIELDS].includes(name)) {
      read.refuse('COGNITO_ATTRIBUTES', `${name} cannot be set by a caller`);
    } else if (!/^(custom:)?[\w-]{1,32}$/.test(name)) {
      read.refuse('COGNITO_ATTRIBUTES', `${quoted(name)} is not a valid attribute name`);
    }
  }
  const mailPerDay = read.integer('MAIL_PER_DAY', 0, 100_000_000);
  const userPoolId = read.required('COGNITO_USER_POOL_ID');
  if (userPoolId !== '' && !POOL_ID.test(userPoolId)) {
    read.refuse('COGNITO_USER_POOL_ID', 'is not a valid user pool id');
  }
  return {
    region: read.required('AWS_REGION'),
    userPoolId,
    clientId: read.optional('COGNITO_CLIENT_ID'),
    clientSecret: read.optional('COGNITO_CLIENT_SECRET'),
    endpoint: read.url('COGNITO_ENDPOINT', ['http:', 'https:']),
    ...quotaSettings(read),
    publicMailsPerDay: mailPerDay === 0 ? null : Math.floor(mailPerDay / 2),
    attributes: [...new Set(attributes)],
  };
}

function quotaSettings(read: EnvironmentReader) {
  return {
    createRps: read.integer('COGNITO_CREATE_RPS', 0, 10_000),
    updateRps: read.integer('COGNITO_UPDATE_RPS', 0, 10_000),
  };
}

/** Doors without a token must never use a pool on AWS, by endpoint or by default. */
function refuseAws(read: EnvironmentReader, { userPoolId, endpoint }: Config['cognito']): void {
  const why =
    'ENVIRONMENT=local opens doors that require no token, so it must not use a pool on AWS';
  const host = URL.parse(endpoint ?? '')?.hostname ?? '';
  if (isAwsHost(host)) read.refuse('COGNITO_ENDPOINT', `is a host of AWS: ${why}`);
  else if (userPoolId !== '' && endpoint === null) {
    read.refuse('COGNITO_ENDPOINT', `missing: ${why}`);
  }
}

function parseTokens(
  read: EnvironmentReader,
  { endpoint, region, userPoolId, clientId }: Config['cognito'],
  process: ProcessKind,
  doors: ReadonlySet<OpenDoor>,
): Config['tokens'] {
  const allowed = read.list('COGNITO_ALLOWED_CLIENT_IDS');
  const needsClient = allowed.length === 0 || doors.has('signup') || doors.has('session');
  if (process === 'api' && clientId === null && needsClient) {
    read.refuse('COGNITO_CLIENT_ID', 'missing');
  }
  const aws = `https://cognito-idp.${region}.${awsDomainOf(region)}`;
  const pool = `${endpoint ?? aws}/${userPoolId}`;
  return {
    // Compared exactly with the issuer in tokens, so a trailing slash is kept.
    issuer:
      (read.url('COGNITO_ISSUER', ['http:', 'https:']) && read.optional('COGNITO_ISSUER')) || pool,
    jwksUrl: read.url('COGNITO_JWKS_URL', ['http:', 'https:']) ?? `${pool}/.well-known/jwks.json`,
    clientIds: allowed.length > 0 ? allowed : clientId === null ? [] : [clientId],
  };
}

function parseGrants(read: EnvironmentReader): Grant[] {
  const grants: Grant[] = [];
  for (const entry of (read.optional('ROLE_GRANTS') ?? '').split(';')) {
    if (entry.trim() === '') continue;
    const match = /^(group|scope|client):([^=;\s]+)=(\*|[^;*]+)$/.exec(entry.trim());
    const [, kind, name, list = ''] = match ?? [];
    const roles = list.split(',').map((role) => role.trim());
    if (name === undefined || roles.some((role) => role === '' || /\s/.test(role))) {
      read.refuse(
        'ROLE_GRANTS',
        `${quoted(entry.trim())} does not have the form group|scope|client:<name>=*|<roles>`,
      );
    } else if (kind === 'group' || kind === 'scope' || kind === 'client') {
      grants.push({ subject: { kind, name }, roles: list === '*' ? '*' : [...new Set(roles)] });
    }
  }
  return grants;
}

function parseSealingKeys(read: EnvironmentReader, doors: ReadonlySet<OpenDoor>): SealingKey[] {
  const name = 'PASSWORD_SEALING_KEYS';
  const keys: SealingKey[] = [];
  for (const [index, entry] of read.list(name).entries()) {
    const match = /^([\w.-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(entry);
    const [, id, text] = match ?? [];
    if (id === undefined || text === undefined) {
      read.refuse(name, `key ${index + 1} does not have the form id:base64 of exactly 32 bytes`);
    } else if (keys.some((key) => key.id === id)) {
      read.refuse(name, `two keys have the id ${id}`);
    } else keys.push({ id, key: new Uint8Array(Buffer.from(text, 'base64')) });
  }
  // The session door checks a password at once; these two doors store it until the user exists.
  if (keys.length === 0 && (doors.has('signup') || doors.has('seeding'))) {
    read.refuse(name, 'missing, but a door that accepts passwords is open');
  }
  return keys;
}

function parseOrigins(read: EnvironmentReader): string[] {
  const origins = read.list('CORS_ORIGINS');
  for (const origin of origins) {
    const url = URL.parse(origin);
    if (url === null || !/^https?:$/.test(url.protocol) || url.origin !== origin) {
      read.refuse(
        'CORS_ORIGINS',
        `${quoted(origin)} is not an origin such as https://app.example.com`,
      );
    }
  }
  return origins;
}

function parseEvents(read: EnvironmentReader, isLocal: boolean): Config['events'] {
  const amqpUrl = read.url('EVENTS_AMQP_URL', ['amqp:', 'amqps:']);
  const exchange = read.required('EVENTS_AMQP_EXCHANGE');
  const routingKey = read.required('EVENTS_AMQP_ROUTING_KEY');
  return {
    amqp: amqpUrl === null ? null : { url: amqpUrl, exchange, routingKey },
    webhook: parseWebhook(read, isLocal),
  };
}

function parseWebhook(read: EnvironmentReader, isLocal: boolean): Config['events']['webhook'] {
  const name = 'EVENTS_WEBHOOK_URL';
  const parsed = read.url(name, ['http:', 'https:']);
  if (parsed === null) return null;
  const { username, password, protocol } = URL.parse(parsed) ?? {};
  if (username || password)
    read.refuse(name, 'must not contain a user or password: webhooks are signed instead');
  // Events contain personal data, and outside `local` a receiver has a public address.
  if (protocol === 'http:' && !isLocal) {
    read.refuse(name, 'must use https; http is allowed only when ENVIRONMENT=local');
  }
  // As configured: a trailing slash is kept.
  const url = read.optional(name) ?? '';
  return { url, secret: readWebhookSecret(read, 'EVENTS_WEBHOOK_SECRET') };
}
