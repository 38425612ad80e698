import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { describe, expect, test } from 'vitest';
import {
  ConfigError,
  parseConfig,
  parseDatabaseUrl,
  parseMigrationUrl,
} from '../../../src/config/config.ts';
import { VARIABLES } from '../../../src/config/environment-table.ts';

const PRODUCTION = {
  TEMPORAL_ADDRESS: 'temporal.example.com:7233',
  DATABASE_URL: 'postgres://registrar:secret@db.example.com/registrar',
  AWS_REGION: 'eu-central-1',
  COGNITO_USER_POOL_ID: 'eu-central-1_AbCdEf123',
  COGNITO_CLIENT_ID: 'client-1',
};
const LOCAL = {
  ...PRODUCTION,
  ENVIRONMENT: 'local',
  COGNITO_ENDPOINT: 'http://127.0.0.1:9229/',
};
/** One of each partition of AWS. */
const REGIONS = [
  'eu-central-1',
  'us-gov-west-1',
  'cn-north-1',
  'eusc-de-east-1',
  'us-iso-east-1',
  'us-isob-east-1',
  'eu-isoe-west-1',
  'us-isof-south-1',
];
const KEY = `k1:${randomBytes(32).toString('base64')}`;

function linesOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
  return [];
}

/** Where the SDK would ask for Cognito. */
function endpointOf(region: string, dualStack: boolean): string {
  const { config } = new CognitoIdentityProviderClient({ region });
  const where = { Region: region, UseDualStack: dualStack, UseFIPS: dualStack };
  return config.endpointProvider(where).url.origin;
}

test('the configuration needs only the required variables, and has these defaults', () => {
  expect(parseConfig(PRODUCTION)).toMatchObject({
    environment: 'production',
    home: '.registrar',
    logLevel: 'info',
    http: {
      port: 3000,
      host: '127.0.0.1',
      doors: new Set(),
      corsOrigins: [],
      trustedProxies: 0,
      registerLimitPerMinute: 10,
      metricsPort: null,
      signupMode: 'sync',
      passwordRules: 'composition',
    },
    temporal: {
      address: 'temporal.example.com:7233',
      namespace: 'default',
      taskQueue: 'registrar',
      uiUrl: null,
    },
    cognito: { endpoint: null, createRps: 40, updateRps: 20, attributes: [] },
    tokens: {
      issuer: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123',
      jwksUrl:
        'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123/.well-known/jwks.json',
      clientIds: ['client-1'],
    },
    grants: [{ subject: { kind: 'group', name: 'admin' }, roles: '*' }],
    worker: { inProcess: true, port: null },
    sealingKeys: [],
    retry: { retryBudgetSeconds: 120, compensationBudgetSeconds: 5, propagationGraceSeconds: 30 },
    schedules: { resumeIntervalSeconds: 300, sweepIntervalSeconds: 60 },
    personalDataRetentionDays: 90,
    events: { amqp: null, webhook: null },
  });
});

test('every missing variable is reported in its own line', () => {
  expect(linesOf({})).toEqual([
    'COGNITO_USER_POOL_ID: missing',
    'AWS_REGION: missing',
    'TEMPORAL_ADDRESS: missing',
    'DATABASE_URL: missing',
    'COGNITO_CLIENT_ID: missing',
  ]);
  expect(() => parseDatabaseUrl({ DATABASE_URL: '' })).toThrow('DATABASE_URL: missing');
  expect(
    parseConfig({ ...PRODUCTION, COGNITO_CLIENT_ID: '' }, 'setup').cognito.clientId,
  ).toBeNull();
});

test('migrate connects by DATABASE_MIGRATION_URL, and by DATABASE_URL where that is not set', () => {
  const owner = 'postgres://owner:secret@db.example.com/registrar';
  const { DATABASE_URL } = PRODUCTION;
  expect(parseMigrationUrl({ DATABASE_URL })).toBe(DATABASE_URL);
  expect(parseMigrationUrl({ DATABASE_URL, DATABASE_MIGRATION_URL: owner })).toBe(owner);
  expect(parseMigrationUrl({ DATABASE_MIGRATION_URL: owner })).toBe(owner);
  expect(() => parseMigrationUrl({})).toThrow('DATABASE_URL: missing');
  expect(() => parseMigrationUrl({ DATABASE_URL, DATABASE_MIGRATION_URL: 'mysql://x' })).toThrow(
    'DATABASE_MIGRATION_URL: must be a URL',
  );
});

const BAD: readonly (readonly [string, string, string])[] = [
  ['PORT', '70000', 'from 0 to 65535'],
  ['PORT', '3000x', 'a whole number'],
  ['WORKER_PORT', '65536', 'from 0 to 65535'],
  ['METRICS_PORT', '65536', 'from 0 to 65535'],
  ['METRICS_PORT', '3000', 'must differ from PORT'],
  ['ENVIRONMENT', 'dev', 'one of production, staging, local'],
  ['DOORS', 'users,front', '"front" is not one of users, step'],
  ['DATABASE_URL', 'mysql://x', 'postgres:'],
  ['DATABASE_URL', 'postgres://registrar:100%@db.example.com/x', 'written as %25'],
  ['DATABASE_URL', 'postgres://registrar:%ff@db.example.com/x', 'written as %25'],
  ['TEMPORAL_ADDRESS', 'http://x:1', 'host:port'],
  ['TEMPORAL_ADDRESS', 'x:99999', 'host:port'],
  ['TEMPORAL_PROFILE', 'nope', "Profile 'nope' not found"],
  ['TEMPORAL_PROFILE', '__proto__', "Profile '__proto__' not found"],
  ['TEMPORAL_UI_URL', 'ui', 'a URL'],
  ['COGNITO_USER_POOL_ID', 'pool', 'not a valid user pool id'],
  ['COGNITO_USER_POOL_ID', 'eu-central-1_Ab-Cd', 'not a valid user pool id'],
  ['COGNITO_USER_POOL_ID', `eu-central-1_${'a'.repeat(43)}`, 'not a valid user pool id'],
  ['COGNITO_ENDPOINT', 'localhost', 'a URL'],
  ['COGNITO_ISSUER', 'ftp://x', 'a URL'],
  ['COGNITO_CREATE_RPS', '-1', 'a whole number'],
  ['COGNITO_ATTRIBUTES', 'locale,custom:registration_id', 'cannot be set by a caller'],
  ['COGNITO_ATTRIBUTES', 'email', 'cannot be set by a caller'],
  ['COGNITO_ATTRIBUTES', 'a b', 'not a valid attribute name'],
  ['IN_PROCESS_WORKER', 'yes', 'one of true, false'],
  ['PASSWORD_SEALING_KEYS', 'k1:short', 'exactly 32 bytes'],
  ['PASSWORD_SEALING_KEYS', `${KEY},${KEY}`, 'two keys have the id k1'],
  ['ROLE_GRANTS', 'admin=*', 'the form group|scope|client'],
  ['ROLE_GRANTS', 'group:x=', 'the form group|scope|client'],
  ['ROLE_GRANTS', 'group:x=a,,b', 'the form group|scope|client'],
  ['RETRY_BUDGET_SECONDS', '0', 'from 1'],
  ['RETRY_BUDGET_SECONDS', '1.5', 'a whole number'],
  ['SIGNUP_MODE', 'later', 'one of sync, async'],
  ['SIGNUP_VERIFICATION', 'always', 'one of optional, required'],
  ['PASSWORD_RULES', 'strict', 'one of composition, length'],
  ['EVENTS_AMQP_URL', 'http://x', 'amqp:'],
  ['CORS_ORIGINS', 'https://a.example/', 'is not an origin'],
  ['LOG_LEVEL', 'loud', 'one of'],
];

test.each(BAD)('%s=%s is refused by name', (name, value, problem) => {
  const lines = linesOf({ ...PRODUCTION, [name]: value });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(`${name}: `);
  expect(lines[0]).toContain(problem);
});

test.each(['eu-central-1_AbCdEf123', `eu-central-1_${'a'.repeat(42)}`, 'a_b_C9'])(
  'the pool id %s fits the pattern of AWS and is taken',
  (COGNITO_USER_POOL_ID) => {
    const { cognito } = parseConfig({ ...PRODUCTION, COGNITO_USER_POOL_ID });
    expect(cognito.userPoolId).toBe(COGNITO_USER_POOL_ID);
  },
);

test('no configuration error quotes a key or a password', () => {
  const lines = linesOf({
    ...PRODUCTION,
    PASSWORD_SEALING_KEYS: 'k1:hunter2',
    DATABASE_URL: 'hunter2://x:hunter2@y',
  });
  expect(lines).toHaveLength(2);
  expect(lines.join()).not.toContain('hunter2');
});

test('ENVIRONMENT=local refuses a pool at AWS', () => {
  expect(linesOf({ ...PRODUCTION, ENVIRONMENT: 'local' })).toEqual([
    expect.stringContaining('COGNITO_ENDPOINT: missing'),
  ]);
  for (const COGNITO_ENDPOINT of [
    'https://cognito-idp.eu-central-1.amazonaws.com',
    'https://COGNITO-IDP.eu-central-1.AmazonAWS.com./',
    'https://cognito-idp-fips.us-east-1.amazonaws.com:443/',
    'https://cognito-idp.cn-north-1.amazonaws.com.cn',
    'https://cognito-idp.eu-central-1.api.aws',
    'https://vpce-0a1b.cognito-idp.eu-central-1.vpce.amazonaws.com',
    'https://cognito-idp.eusc-de-east-1.AMAZONAWS.eu',
    'https://cognito-idp.us-iso-east-1.c2s.ic.gov./',
    'https://cognito-idp.us-isob-east-1.sc2s.sgov.gov..',
    'https://login.auth.eu-central-1.amazoncognito.com',
    ...REGIONS.flatMap((region) => [endpointOf(region, false), endpointOf(region, true)]),
  ]) {
    expect(linesOf({ ...LOCAL, COGNITO_ENDPOINT })).toEqual([
      expect.stringContaining('COGNITO_ENDPOINT: is a host of AWS'),
    ]);
    expect(linesOf({ ...PRODUCTION, COGNITO_ENDPOINT })).toEqual([]);
  }
  for (const COGNITO_ENDPOINT of ['http://amazonaws.com.example', 'http://notamazonaws.com']) {
    expect(linesOf({ ...LOCAL, COGNITO_ENDPOINT })).toEqual([]);
  }
  expect(parseConfig(LOCAL).tokens).toMatchObject({
    issuer: 'http://127.0.0.1:9229/eu-central-1_AbCdEf123',
    jwksUrl: 'http://127.0.0.1:9229/eu-central-1_AbCdEf123/.well-known/jwks.json',
  });
});

test('tokens of every partition of AWS are issued where the SDK finds its service', () => {
  for (const AWS_REGION of REGIONS) {
    const { issuer } = parseConfig({ ...PRODUCTION, AWS_REGION }).tokens;
    expect(issuer).toBe(`${endpointOf(AWS_REGION, false)}/eu-central-1_AbCdEf123`);
  }
});

test('doors with passwords need a key; seeding opens only where it is local', () => {
  const DOORS = 'users,step,signup,session,seeding';
  expect(linesOf({ ...LOCAL, DOORS })).toEqual([
    'PASSWORD_SEALING_KEYS: missing, but a door that accepts passwords is open',
  ]);
  expect(linesOf({ ...LOCAL, DOORS: 'users,session' })).toEqual([]);
  const PASSWORD_SEALING_KEYS = `${KEY},old:${randomBytes(32).toString('base64')}`;
  const open = parseConfig({ ...LOCAL, DOORS, PASSWORD_SEALING_KEYS });
  expect([...open.http.doors]).toEqual(DOORS.split(','));
  expect(open.sealingKeys.map(({ id, key }) => [id, key.length])).toEqual([
    ['k1', 32],
    ['old', 32],
  ]);
  const production = parseConfig({ ...PRODUCTION, DOORS, PASSWORD_SEALING_KEYS });
  expect(production.http.doors.has('seeding')).toBe(false);
});

test('CONSOLE is on where ENVIRONMENT=local, and needs keys and a client where it is set', () => {
  const withKey = { PASSWORD_SEALING_KEYS: KEY };
  const isOn = (env: Record<string, string | undefined>) => parseConfig(env).http.console;
  expect(isOn({ ...LOCAL, ...withKey })).toBe(true);
  expect(isOn({ ...LOCAL, ...withKey, CONSOLE: 'false' })).toBe(false);
  expect(isOn(LOCAL)).toBe(false);
  expect(isOn({ ...PRODUCTION, ...withKey })).toBe(false);
  expect(isOn({ ...PRODUCTION, ...withKey, CONSOLE: 'true' })).toBe(true);
  expect(linesOf({ ...PRODUCTION, CONSOLE: 'true' })).toEqual([
    'PASSWORD_SEALING_KEYS: missing, but CONSOLE needs it',
  ]);
  const others = { ...PRODUCTION, ...withKey, COGNITO_ALLOWED_CLIENT_IDS: 'other' };
  expect(linesOf({ ...others, CONSOLE: 'true' })).toEqual([
    expect.stringMatching(/^COGNITO_ALLOWED_CLIENT_IDS: must contain COGNITO_CLIENT_ID/),
  ]);
  const noClient = { COGNITO_CLIENT_ID: undefined };
  expect(linesOf({ ...others, ...noClient, CONSOLE: 'true' })).toEqual([
    'COGNITO_CLIENT_ID: missing, but CONSOLE needs it',
  ]);
  expect(linesOf({ ...PRODUCTION, CONSOLE: 'yes' })).toEqual([
    'CONSOLE: must be one of false, true, not "yes"',
  ]);
  // A worker serves no page.
  expect(parseConfig({ ...PRODUCTION, CONSOLE: 'true' }, 'worker').http.console).toBe(false);
});

test('ROLE_GRANTS accepts groups, scopes and clients', () => {
  const ROLE_GRANTS =
    'group:admin=*;group:manager=researcher, viewer;scope:registrar/write=viewer;client:abc=viewer';
  expect(parseConfig({ ...PRODUCTION, ROLE_GRANTS }).grants).toEqual([
    { subject: { kind: 'group', name: 'admin' }, roles: '*' },
    { subject: { kind: 'group', name: 'manager' }, roles: ['researcher', 'viewer'] },
    { subject: { kind: 'scope', name: 'registrar/write' }, roles: ['viewer'] },
    { subject: { kind: 'client', name: 'abc' }, roles: ['viewer'] },
  ]);
});

test("Temporal's own variables reach its connection", () => {
  const { temporal } = parseConfig({
    ...PRODUCTION,
    TEMPORAL_NAMESPACE: 'ours',
    TEMPORAL_API_KEY: 'key',
  });
  expect(temporal).toMatchObject({
    namespace: 'ours',
    connection: { address: 'temporal.example.com:7233', apiKey: 'key', tls: true },
  });
});

test('the generated table and the configuration name the same variables', async () => {
  const sources = ['config.ts', 'profile-settings.ts'].map((file) =>
    readFile(new URL(`../../../src/config/${file}`, import.meta.url), 'utf8'),
  );
  const source = (await Promise.all(sources)).join('\n');
  const pattern =
    /(?:read\.\w+\(\s*|(?:optionalPort|readWebhookSecret)\(read, |env\[|name = )'([A-Z][A-Z_]+)'/g;
  const named = new Set([...source.matchAll(pattern)].map((match) => match[1]));
  // Read by @temporalio/envconfig, not by us.
  const theirs = /^TEMPORAL_(NAMESPACE|API_KEY|TLS…)$/;
  const listed = VARIABLES.map(({ name }) => name).filter((name) => !theirs.test(name));
  expect([...named].toSorted()).toEqual(listed.toSorted());
});

describe('the profile service', () => {
  const PROFILE_SECRET = `whsec_${randomBytes(24).toString('base64')}`;
  const EVENTS_AMQP_URL = 'amqps://broker.example.com';
  const http = {
    ...PRODUCTION,
    PROFILE_URL: 'https://profiles.example.com/people/',
    PROFILE_SECRET,
  };
  const amqp = { ...PRODUCTION, PROFILE_AMQP: 'true', EVENTS_AMQP_URL, PROFILE_SECRET };

  test('is off by default', () => {
    expect(parseConfig(PRODUCTION).profile).toBeNull();
    expect(parseConfig({ ...PRODUCTION, PROFILE_SECRET }).profile).toBeNull();
  });

  test('is asked over HTTP at PROFILE_URL', () => {
    const url = 'https://profiles.example.com/people';
    expect(parseConfig(http).profile).toEqual({ form: 'http', url, secret: PROFILE_SECRET });
  });

  test('is asked over RabbitMQ with PROFILE_AMQP, by default where the events go', () => {
    expect(parseConfig(amqp).profile).toEqual({
      form: 'amqp',
      url: EVENTS_AMQP_URL,
      secret: PROFILE_SECRET,
      requestExchange: 'user_events',
      requestKey: 'user.sync',
      replyExchange: 'auth_events',
      replyKey: 'user.created',
      replyQueue: 'auth_user_creation_queue',
    });
  });

  test.each([
    {
      env: { ...http, PROFILE_AMQP: 'true', EVENTS_AMQP_URL },
      lines: ['PROFILE_URL: must not be set when PROFILE_AMQP=true'],
    },
    {
      env: { ...amqp, EVENTS_AMQP_URL: '' },
      lines: ['EVENTS_AMQP_URL: missing: PROFILE_AMQP=true uses it'],
    },
    { env: { ...http, PROFILE_SECRET: '' }, lines: ['PROFILE_SECRET: missing'] },
    { env: { ...amqp, PROFILE_SECRET: '' }, lines: ['PROFILE_SECRET: missing'] },
    {
      env: { ...amqp, PROFILE_SECRET: 'hunter2' },
      lines: ['PROFILE_SECRET: must be whsec_ followed by the base64 of 24 to 64 bytes'],
    },
    {
      env: { ...http, PROFILE_URL: 'ftp://profiles.example.com' },
      lines: ['PROFILE_URL: must be a URL that begins with http:// or https://'],
    },
    {
      env: { ...http, PROFILE_URL: 'https://profiles.example.com/?tenant=1' },
      lines: ['PROFILE_URL: must not contain a query or a fragment'],
    },
    {
      env: { ...http, PROFILE_URL: 'https://me:hunter2@profiles.example.com' },
      lines: [
        'PROFILE_URL: must not contain a user or password: requests are signed with PROFILE_SECRET',
      ],
    },
    {
      env: { ...amqp, PROFILE_AMQP: 'yes' },
      lines: ['PROFILE_AMQP: must be one of false, true, not "yes"'],
    },
  ])('ends the process with $lines.0', ({ env, lines }) => {
    expect(linesOf(env)).toEqual(lines);
  });
});

test('a webhook keeps its address as written and needs a secret that can sign', () => {
  const EVENTS_WEBHOOK_URL = 'https://hooks.example.com/in/';
  const EVENTS_WEBHOOK_SECRET = `whsec_${randomBytes(24).toString('base64')}`;
  const env = { ...PRODUCTION, EVENTS_WEBHOOK_URL, EVENTS_WEBHOOK_SECRET };
  expect(parseConfig(env).events.webhook).toEqual({
    url: EVENTS_WEBHOOK_URL,
    secret: EVENTS_WEBHOOK_SECRET,
  });
  expect(linesOf({ ...env, EVENTS_WEBHOOK_SECRET: '' })).toEqual([
    'EVENTS_WEBHOOK_SECRET: missing',
  ]);
  const short = randomBytes(23).toString('base64');
  for (const secret of [EVENTS_WEBHOOK_SECRET.slice(6), `whsec_${short}`, 'whsec_!', 'whsec_']) {
    expect(linesOf({ ...env, EVENTS_WEBHOOK_SECRET: secret })).toEqual([
      'EVENTS_WEBHOOK_SECRET: must be whsec_ followed by the base64 of 24 to 64 bytes',
    ]);
  }
  const plain = { EVENTS_WEBHOOK_URL: 'http://hooks.example.com/' };
  expect(linesOf({ ...env, ...plain })).toEqual([expect.stringContaining('must use https')]);
  expect(linesOf({ ...env, ...LOCAL, ...plain })).toEqual([]);
  const withPassword = { EVENTS_WEBHOOK_URL: 'https://me:hunter2@hooks.example.com/' };
  expect(linesOf({ ...env, ...withPassword })).toEqual([
    expect.stringMatching(/^EVENTS_WEBHOOK_URL: (?!.*hunter2)/),
  ]);
});
