import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { configWarnings } from '../../../src/config/warnings.ts';

/** Everything over TLS. */
const PRODUCTION = {
  TEMPORAL_ADDRESS: 'temporal.example.com:7233',
  TEMPORAL_TLS: 'true',
  DATABASE_URL: 'postgres://registrar:hunter2@db.example.com/registrar?sslmode=require',
  AWS_REGION: 'eu-central-1',
  COGNITO_USER_POOL_ID: 'eu-central-1_AbCdEf123',
  COGNITO_CLIENT_ID: 'client-1',
  PROFILE_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
};
const LOCAL = {
  ...PRODUCTION,
  ENVIRONMENT: 'local',
  COGNITO_ENDPOINT: 'http://127.0.0.1:9229',
  PASSWORD_SEALING_KEYS: `k1:${randomBytes(32).toString('base64')}`,
};

const warningsOf = (env: Record<string, string>): string[] => configWarnings(parseConfig(env));
const namesIn = (lines: readonly string[]): (string | undefined)[] =>
  lines.map((line) => /^([A-Z_]+): \S/.exec(line)?.[1]);

test('a deployment whose every connection has TLS has no warning', () => {
  expect(warningsOf(PRODUCTION)).toEqual([]);
});

test.each([
  ['COGNITO_ENDPOINT', 'http://cognito.example.com'],
  ['COGNITO_JWKS_URL', 'http://keys.example.com/jwks.json'],
  ['EVENTS_AMQP_URL', 'amqp://registrar:hunter2@rabbit.example.com'],
  ['PROFILE_URL', 'http://profiles.example.com'],
  ['DATABASE_URL', 'postgres://registrar:hunter2@db.example.com/registrar'],
  ['DATABASE_URL', 'postgres://registrar:hunter2@db.example.com/registrar?sslmode=disable'],
  ['DATABASE_URL', 'postgres://registrar:hunter2@db.example.com/registrar?sslmode=prefer'],
  ['DATABASE_URL', 'postgres://registrar:hunter2@localhost,db.example.com/registrar'],
  ['TEMPORAL_TLS', 'false'],
])('%s=%s has one warning, without its password', (name, value) => {
  const warnings = warningsOf({ ...PRODUCTION, [name]: value });
  expect(namesIn(warnings)).toEqual([name === 'TEMPORAL_TLS' ? 'TEMPORAL_ADDRESS' : name]);
  expect(warnings.join()).not.toContain('hunter2');
  expect(warningsOf({ ...LOCAL, [name]: value })).toEqual([]);
});

test.each([
  ['COGNITO_ENDPOINT', 'http://localhost:9229'],
  ['COGNITO_JWKS_URL', 'http://[::1]:9229/jwks.json'],
  ['EVENTS_AMQP_URL', 'amqp://127.0.0.2'],
  ['EVENTS_AMQP_URL', 'amqps://rabbit.example.com'],
  ['PROFILE_URL', 'http://127.0.0.1:3100/profiles'],
  ['PROFILE_URL', 'https://profiles.example.com'],
  ['DATABASE_URL', 'postgres://registrar@127.0.0.1:5432/registrar'],
  ['DATABASE_URL', 'postgres://%2Fvar%2Frun%2Fpostgresql/registrar'],
  ['DATABASE_URL', 'postgres://db.example.com/registrar?sslmode=verify-full'],
  ['DATABASE_URL', 'postgres://db.example.com/registrar?ssl=true'],
])('%s=%s stays on this machine or has TLS, and has no warning', (name, value) => {
  expect(warningsOf({ ...PRODUCTION, [name]: value })).toEqual([]);
});

test.each([
  ['a role that may grant every role', 'group:admin=*;group:manager=admin,viewer', 'every role'],
  [
    'a role that may grant more than the grantor',
    'group:manager=lead,viewer;group:lead=editor,viewer',
    'editor',
  ],
  ['a role that a scope may grant', 'group:admin=*;scope:registrar/write=admin', 'every role'],
  ['a role that a client may grant', 'group:admin=*;client:abc=viewer,admin', 'every role'],
])('%s: one warning that says who, which role and what', (_, ROLE_GRANTS, what) => {
  const warnings = warningsOf({ ...LOCAL, ROLE_GRANTS });
  expect(namesIn(warnings)).toEqual(['ROLE_GRANTS']);
  expect(warnings[0]).toContain(`whose members may grant ${what}, which `);
});

test.each([
  'group:admin=*',
  'group:admin=*;group:owner=*;group:admin=owner',
  'group:admin=*;group:manager=researcher,viewer;scope:registrar/write=viewer',
  'group:manager=lead,editor;group:manager=viewer;group:lead=editor,viewer',
  'group:manager=manager,viewer',
])('the grants %s give nobody more than they have, and have no warning', (ROLE_GRANTS) => {
  expect(warningsOf({ ...LOCAL, ROLE_GRANTS })).toEqual([]);
});

test('the seeding door on an address beyond this machine has a warning, and only there', () => {
  const open = { ...LOCAL, DOORS: 'seeding' };
  for (const HOST of ['0.0.0.0', '::', '192.168.1.5']) {
    expect(namesIn(warningsOf({ ...open, HOST }))).toEqual(['HOST']);
  }
  for (const HOST of ['127.0.0.1', '::1', 'localhost']) {
    expect(warningsOf({ ...open, HOST })).toEqual([]);
  }
  expect(warningsOf({ ...LOCAL, DOORS: 'users', HOST: '0.0.0.0' })).toEqual([]);
});

test('a production API whose open sign-up needs no proved address has a warning', () => {
  const signup = {
    ...PRODUCTION,
    DOORS: 'signup',
    PASSWORD_SEALING_KEYS: LOCAL.PASSWORD_SEALING_KEYS,
  };
  expect(namesIn(warningsOf(signup))).toEqual(['SIGNUP_VERIFICATION']);
  for (const more of [
    { SIGNUP_VERIFICATION: 'required' },
    { ENVIRONMENT: 'staging' },
    { DOORS: 'session' },
  ]) {
    expect(warningsOf({ ...signup, ...more })).toEqual([]);
  }
});
