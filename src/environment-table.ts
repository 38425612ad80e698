/** One row of docs/reference/configuration.md. */
export interface Variable {
  readonly name: string;
  /** What an unset variable means, as config reads it; absent where there is no plain value. */
  readonly value?: string;
  /** How the page shows the default. */
  readonly shown: string;
  readonly meaning: string;
}

const plain = (name: string, value: string, meaning: string): Variable => ({
  name,
  value,
  shown: value,
  meaning,
});

const told = (name: string, shown: string, meaning: string): Variable => ({ name, shown, meaning });

/** Every variable, its default and meaning: config takes its defaults from here. */
export const VARIABLES: readonly Variable[] = [
  plain('PORT', '3000', 'API; `npm start` looks for a free port when it is unset'),
  plain('HOST', '127.0.0.1', 'address the API, and with WORKER_PORT the worker, listens on'),
  {
    name: 'ENVIRONMENT',
    value: 'production',
    shown: '`local` under `npm start`, else `production`',
    meaning:
      '`local`, `staging`, `production`; `local` refuses a pool of AWS: it wants COGNITO_ENDPOINT, of an emulator',
  },
  told(
    'DOORS',
    'all under `npm start`, else none',
    'the doors that are open: users,step,signup,session,seeding',
  ),
  plain('REGISTRAR_HOME', '.registrar', 'embedded state'),
  told('TEMPORAL_ADDRESS', 'embedded', "as in Temporal's own environment configuration"),
  plain('TEMPORAL_NAMESPACE', 'default', 'the same'),
  told('TEMPORAL_API_KEY', '–', 'the same'),
  told('TEMPORAL_TLS…', '–', 'the same'),
  told('TEMPORAL_PROFILE', '–', 'the same: a profile of its configuration file'),
  plain('TEMPORAL_TASK_QUEUE', 'registrar', 'prefix of task queues and schedule ids'),
  told('TEMPORAL_UI_URL', '–', 'base of links into the UI'),
  told('DATABASE_URL', 'embedded', 'PostgreSQL 14 or newer'),
  told(
    'DATABASE_MIGRATION_URL',
    'DATABASE_URL',
    "the role that owns the schema, for `migrate`; the processes' own role needs the grants of docs/production.md and cannot change the audit trail",
  ),
  told('AWS_REGION', 'embedded', 'region of the pool'),
  told('COGNITO_USER_POOL_ID', 'embedded', 'the pool'),
  told('COGNITO_CLIENT_ID', 'embedded', 'our app client'),
  told('COGNITO_CLIENT_SECRET', '–', 'its secret, where it has one'),
  told('COGNITO_ENDPOINT', 'embedded', 'only for emulators'),
  told('COGNITO_ISSUER', "AWS's for the pool; `<endpoint>/<pool>`", 'what tokens must name'),
  told('COGNITO_JWKS_URL', "the pool's `/.well-known/jwks.json`", 'where its keys are'),
  told('COGNITO_ALLOWED_CLIENT_IDS', 'our client', 'whose tokens count'),
  plain(
    'COGNITO_CREATE_RPS',
    '40',
    "creations a second of the account's 50; 0 is unpaced. Public sign-up takes at most half of them while others wait",
  ),
  plain('COGNITO_UPDATE_RPS', '20', "updates a second of the account's 25; 0 is unpaced"),
  told('COGNITO_ATTRIBUTES', '–', 'names of pool attributes that a caller may set'),
  plain('IN_PROCESS_WORKER', 'true', 'the API process also hosts a worker'),
  told(
    'METRICS_PORT',
    "the API's own port when ENVIRONMENT=local, otherwise nowhere",
    'API: `/metrics` on HOST; metrics tell who exists, so keep the port inside your network',
  ),
  told('WORKER_PORT', 'none', 'worker: `/metrics`, `/health/live` and `/health/ready` on HOST'),
  told(
    'PASSWORD_SEALING_KEYS',
    'embedded: generated',
    '`id:base64(32 bytes)`, comma separated; the first seals, all open; needed where a door with passwords is open',
  ),
  plain('ROLE_GRANTS', 'group:admin=*', 'who may hand out what'),
  plain('RETRY_BUDGET_SECONDS', '120', 'how long a transient step is retried before it parks'),
  plain(
    'COMPENSATION_BUDGET_SECONDS',
    '5',
    'how long compensation is retried before `cleanup_required`',
  ),
  plain(
    'PROPAGATION_GRACE_SECONDS',
    '30',
    'how long "user not found" after creation counts as lag',
  ),
  plain('RESUME_INTERVAL_SECONDS', '300', 'schedule that resumes parked registrations'),
  plain('SWEEP_INTERVAL_SECONDS', '60', 'schedule that sweeps'),
  plain('SIGNUP_MODE', 'sync', 'what sign-up does without `Prefer`: `sync` or `async`'),
  told('EVENTS_AMQP_URL', 'off', 'RabbitMQ to publish to'),
  plain('EVENTS_AMQP_EXCHANGE', 'user_events', 'its exchange'),
  plain('EVENTS_AMQP_ROUTING_KEY', 'user.created', 'routing key of `user.created`'),
  told('EVENTS_WEBHOOK_URL', 'off', 'where events are posted to'),
  told('EVENTS_WEBHOOK_SECRET', 'off', 'what signs them; needed with the URL'),
  told('CORS_ORIGINS', 'none', 'exact origins that may call from a browser'),
  plain('TRUSTED_PROXIES', '0', 'how many proxies to believe'),
  plain('REGISTER_LIMIT_PER_MINUTE', '10', 'public sign-ups per address'),
  plain('LOG_LEVEL', 'info', 'trace, debug, info, warn, error, fatal or silent'),
];

/** The defaults that have a plain value. */
export const DEFAULTS: Readonly<Record<string, string>> = Object.fromEntries(
  VARIABLES.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
);
