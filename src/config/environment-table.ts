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
  plain('PORT', '3000', 'port of the API; `npm start` takes a free one when it is unset'),
  plain('HOST', '127.0.0.1', 'address that the API listens on, and the worker with WORKER_PORT'),
  {
    name: 'ENVIRONMENT',
    value: 'production',
    shown: '`local` under `npm start`, else `production`',
    meaning:
      '`local`, `staging` or `production`; `local` refuses a pool of AWS and needs COGNITO_ENDPOINT, the URL of an emulator',
  },
  told(
    'DOORS',
    'all under `npm start`, else none',
    'open doors, separated by commas: `users`, `step`, `signup`, `session`, `seeding`',
  ),
  told(
    'CONSOLE',
    '`true` when ENVIRONMENT=local, else `false`',
    '`true`: the API serves `/console`, a web page for operators; needs PASSWORD_SEALING_KEYS and COGNITO_CLIENT_ID, without which the default is `false`',
  ),
  plain('REGISTRAR_HOME', '.registrar', 'folder for the state of `npm start`'),
  told(
    'TEMPORAL_ADDRESS',
    'embedded',
    "host and port of Temporal; Temporal's own environment configuration reads this and the next four",
  ),
  plain('TEMPORAL_NAMESPACE', 'default', 'namespace in Temporal'),
  told('TEMPORAL_API_KEY', '–', 'API key, for Temporal Cloud'),
  told('TEMPORAL_TLS…', '–', 'TLS settings of the connection'),
  told('TEMPORAL_PROFILE', '–', "profile of Temporal's configuration file"),
  plain('TEMPORAL_TASK_QUEUE', 'registrar', 'name of the task queue and prefix of schedule ids'),
  told('TEMPORAL_UI_URL', '–', 'base URL of the links to the Temporal UI in receipts'),
  told('API_URL', '–', 'base URL of the links to receipts in the Temporal UI'),
  told('DATABASE_URL', 'embedded', 'connection string of PostgreSQL 14 or newer'),
  told(
    'DATABASE_MIGRATION_URL',
    'DATABASE_URL',
    'connection of the role that owns the schema, for `migrate`; the role of DATABASE_URL needs only the grants of docs/production.md and cannot change the audit trail',
  ),
  plain(
    'DATABASE_PREPARED_STATEMENTS',
    'true',
    'whether frequent statements stay prepared on a connection; `false` behind a pooler in transaction mode that does not support them',
  ),
  told('AWS_REGION', 'embedded', 'AWS region of the pool'),
  told('COGNITO_USER_POOL_ID', 'embedded', 'id of the user pool'),
  told('COGNITO_CLIENT_ID', 'embedded', "id of Registrar's app client"),
  told('COGNITO_CLIENT_SECRET', '–', 'secret of the app client, if it has one'),
  told('COGNITO_ENDPOINT', 'embedded', 'URL of an emulator of Cognito; unset for AWS'),
  told(
    'COGNITO_ISSUER',
    "AWS's for the pool, or `<endpoint>/<pool>`",
    'issuer that access tokens must have',
  ),
  told(
    'COGNITO_JWKS_URL',
    "the pool's `/.well-known/jwks.json`",
    'URL of the keys that sign tokens',
  ),
  told(
    'COGNITO_ALLOWED_CLIENT_IDS',
    'COGNITO_CLIENT_ID',
    'ids of the app clients whose tokens are accepted',
  ),
  plain(
    'COGNITO_CREATE_RPS',
    '40',
    "users created per second, of the account's quota of 50; 0 means no pacing. Public sign-up takes at most half while others wait",
  ),
  plain(
    'COGNITO_UPDATE_RPS',
    '20',
    "updates per second, of the account's quota of 25; 0 means no pacing",
  ),
  plain(
    'MAIL_PER_DAY',
    '50',
    "mails that the pool's mailer may send a day, counted from 09:00 UTC; 50 is the limit of Cognito's own mailer, 0 means no limit. Mails that people ask for without a token take at most half",
  ),
  told(
    'COGNITO_ATTRIBUTES',
    '–',
    'attributes of the pool that a caller may set, separated by commas',
  ),
  plain('IN_PROCESS_WORKER', 'true', 'whether the API process also hosts a worker'),
  told(
    'METRICS_PORT',
    "the API's own port when ENVIRONMENT=local, otherwise none",
    'port of the API for `/metrics`; metrics show which addresses exist, so keep it inside your network',
  ),
  told(
    'WORKER_PORT',
    'none',
    'port of the worker for `/metrics`, `/health/live` and `/health/ready`',
  ),
  told(
    'PASSWORD_SEALING_KEYS',
    'embedded: generated',
    'keys as `id:base64(32 bytes)`, separated by commas; the first encrypts, all decrypt; required with CONSOLE and when a door that accepts passwords is open',
  ),
  plain(
    'ROLE_GRANTS',
    'group:admin=*',
    'which groups, scopes and app clients may assign which roles, for example `group:admin=*;group:manager=viewer`; workers need it too, since they never take the last holder of `*` away',
  ),
  plain(
    'RETRY_BUDGET_SECONDS',
    '120',
    'how long a step with transient failures is retried before the registration or change parks',
  ),
  plain(
    'COMPENSATION_BUDGET_SECONDS',
    '5',
    'how long compensation is retried before `cleanup_required`',
  ),
  plain(
    'PROPAGATION_GRACE_SECONDS',
    '30',
    'how long an earlier write to Cognito may still take effect or stay invisible',
  ),
  plain(
    'RESUME_INTERVAL_SECONDS',
    '300',
    'interval of the schedule that resumes parked registrations and changes',
  ),
  plain(
    'SWEEP_INTERVAL_SECONDS',
    '60',
    'interval of the schedule that repairs open registrations and changes',
  ),
  plain(
    'PERSONAL_DATA_RETENTION_DAYS',
    '90',
    'days after which failed and cancelled registrations lose e-mail address, username and names; 0 keeps them',
  ),
  plain('SIGNUP_MODE', 'sync', 'how sign-up answers without a `Prefer` header: `sync` or `async`'),
  plain(
    'SIGNUP_VERIFICATION',
    'optional',
    '`required`: a person who signed up gets no token before the e-mail address is proved with a mailed code, and sign-up does not tell whether an address is taken',
  ),
  plain(
    'PASSWORD_RULES',
    'composition',
    'what a person must choose as a password: `composition` (8 characters, with an uppercase letter, a lowercase letter and a digit) or `length` (15 characters); both refuse common passwords and those with the e-mail, username or name',
  ),
  told('EVENTS_AMQP_URL', 'off', 'URL of the RabbitMQ that gets the events'),
  plain('EVENTS_AMQP_EXCHANGE', 'user_events', 'exchange for the events'),
  plain('EVENTS_AMQP_ROUTING_KEY', 'user.created', 'routing key of `user.created`'),
  told('EVENTS_WEBHOOK_URL', 'off', 'URL that gets the events as webhooks'),
  told('EVENTS_WEBHOOK_SECRET', 'off', 'secret that signs the webhooks; required with the URL'),
  told(
    'PROFILE_URL',
    'off',
    'URL of the profile service: every registration then creates a profile there and is complete only with it',
  ),
  told(
    'PROFILE_SECRET',
    'off',
    'secret that signs the requests to the profile service, in the form of EVENTS_WEBHOOK_SECRET; required with PROFILE_URL and with PROFILE_AMQP',
  ),
  plain(
    'PROFILE_AMQP',
    'false',
    '`true`: the profile service is asked over RabbitMQ at EVENTS_AMQP_URL; not with PROFILE_URL',
  ),
  plain('PROFILE_REQUEST_EXCHANGE', 'user_events', 'exchange for the requests of PROFILE_AMQP'),
  plain('PROFILE_REQUEST_KEY', 'user.sync', 'routing key of the requests'),
  plain('PROFILE_REPLY_EXCHANGE', 'auth_events', 'exchange that the answers come from'),
  plain('PROFILE_REPLY_KEY', 'user.created', 'routing key of the answers'),
  plain(
    'PROFILE_REPLY_QUEUE',
    'auth_user_creation_queue',
    'queue for the answers; those that match nothing go to the queue with `.dead` after its name',
  ),
  told(
    'CORS_ORIGINS',
    'none',
    'exact origins that may call the API from a browser, separated by commas',
  ),
  plain('TRUSTED_PROXIES', '0', 'number of proxies in front of the API'),
  plain(
    'REGISTER_LIMIT_PER_MINUTE',
    '10',
    'public sign-ups per minute, per client address and per e-mail address',
  ),
  told(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    '–',
    'where OpenTelemetry sends traces; its SDK is loaded for this and for any other `OTEL_EXPORTER_…`, and reads all its standard variables',
  ),
  told('OTEL_TRACES_EXPORTER', '–', 'the exporter of traces; `none` sends none'),
  told('OTEL_SDK_DISABLED', '–', '`true`: no traces, whatever else is set'),
  plain('LOG_LEVEL', 'info', '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`'),
];

/** The defaults that have a plain value. */
export const DEFAULTS: Readonly<Record<string, string>> = Object.fromEntries(
  VARIABLES.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
);
