import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../../src/config/config.ts';
import { VARIABLES } from '../../../src/config/environment-table.ts';

const PRODUCTION = {
  TEMPORAL_ADDRESS: 'temporal.example.com:7233',
  DATABASE_URL: 'postgres://db.example.com/registrar',
  AWS_REGION: 'eu-central-1',
  COGNITO_USER_POOL_ID: 'eu-central-1_AbCdEf123',
  COGNITO_CLIENT_ID: 'client-1',
  PASSWORD_SEALING_KEYS: `k0:${Buffer.alloc(32).toString('base64')}`,
  EVENTS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(24).toString('base64')}`,
  PROFILE_SECRET: `whsec_${Buffer.alloc(24).toString('base64')}`,
};
const LOCAL = { ...PRODUCTION, ENVIRONMENT: 'local', COGNITO_ENDPOINT: 'http://127.0.0.1:9229' };

/** What Temporal's own configuration reads, besides what the table names. */
const TEMPORAL = [
  'TEMPORAL_TLS',
  'TEMPORAL_TLS_SERVER_NAME',
  'TEMPORAL_TLS_CLIENT_CERT_DATA',
  'TEMPORAL_TLS_CLIENT_KEY_DATA',
  'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION',
];
const NAMES = [
  ...VARIABLES.map(({ name }) => name).filter((name) => /^[A-Z_]+$/.test(name)),
  ...TEMPORAL,
];
/** A value that is fine by itself can make another one needed. */
const NEEDED_BY: Readonly<Record<string, string>> = {
  ENVIRONMENT: 'COGNITO_ENDPOINT',
  PROFILE_AMQP: 'EVENTS_AMQP_URL',
};
const SECRETS = [
  'DATABASE_URL',
  'COGNITO_CLIENT_SECRET',
  'PASSWORD_SEALING_KEYS',
  'EVENTS_AMQP_URL',
  'EVENTS_WEBHOOK_URL',
  'EVENTS_WEBHOOK_SECRET',
  'PROFILE_URL',
  'PROFILE_SECRET',
  'TEMPORAL_API_KEY',
  'TEMPORAL_TLS_CLIENT_KEY_DATA',
];

const PIECES =
  'users,signup,local,https://,postgres://,a.example,:7233,custom:,group:,=*,;,=, ,\n,/,0,42,-1,1e3,whsec_,true';
/** Text in the neighbourhood of what some variable takes. */
const value = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom(',', ...PIECES.split(',')), { maxLength: 6 })
    .map((parts) => parts.join('')),
);

function linesOf(env: Record<string, string>): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.lines;
  }
}

describe('whatever the environment says', () => {
  test.each(NAMES)('%s: it is taken, or refused in one line of its own', (name) => {
    const theirs = name.startsWith('TEMPORAL_') ? ['TEMPORAL_TLS…', 'TEMPORAL_ADDRESS'] : [];
    const blamed = new Set([name, NEEDED_BY[name], ...theirs]);
    fc.assert(
      fc.property(value, fc.constantFrom(PRODUCTION, LOCAL), (text, base) => {
        const lines = linesOf({ ...base, [name]: text });
        expect(lines.length).toBeLessThanOrEqual(1);
        for (const line of lines) {
          expect(line).toMatch(/^[A-Z_]+…?: [^\n\r]+$/);
          expect(blamed).toContain(line.split(':', 1)[0]);
          expect(line.length).toBeLessThan(400);
        }
      }),
    );
  });

  test.each(SECRETS)('no line quotes what %s holds', (name) => {
    const secret = 'Hunter2Hunter2';
    fc.assert(
      fc.property(value, value, fc.constantFrom(PRODUCTION, LOCAL), (before, after, base) => {
        const lines = linesOf({ ...base, [name]: `${before}${secret}${after}` });
        expect(lines.join('\n')).not.toContain(secret);
      }),
    );
  });

  test('many bad variables at once are many lines, each once', () => {
    const many = fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 10 });
    fc.assert(
      fc.property(many, (env) => {
        const names = linesOf({ ...PRODUCTION, ...env }).map((line) => line.split(':', 1)[0]);
        expect(new Set(names).size).toBe(names.length);
      }),
    );
  });
});

describe('lists in the environment', () => {
  const blank = fc.constantFrom('', ' ', '  ');
  const role = fc.stringMatching(/^[^\s,;*=\0]{1,20}$/u);
  const grant = fc.record({
    subject: fc.record({
      kind: fc.constantFrom('group' as const, 'scope' as const, 'client' as const),
      name: fc.stringMatching(/^[^\s=;\0]{1,20}$/u),
    }),
    roles: fc.oneof(
      fc.constant('*' as const),
      fc.uniqueArray(role, { minLength: 1, maxLength: 4 }),
    ),
  });

  test('ROLE_GRANTS says what was written, blanks or not', () => {
    fc.assert(
      fc.property(fc.array(grant, { minLength: 1, maxLength: 5 }), blank, (grants, space) => {
        const written = grants.map(({ subject: { kind, name }, roles }) => {
          const list = roles === '*' ? '*' : roles.join(`${space},${space}`);
          return `${space}${kind}:${name}=${list}${space}`;
        });
        const env = { ...PRODUCTION, ROLE_GRANTS: written.join(';') };
        expect(parseConfig(env).grants).toEqual(grants);
      }),
    );
  });

  const key = fc.record({
    id: fc.stringMatching(/^[\w.-]{1,32}$/),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });

  test('PASSWORD_SEALING_KEYS are the keys that were written, in their order', () => {
    const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 4, selector: ({ id }) => id });
    fc.assert(
      fc.property(keys, blank, (wanted, space) => {
        const written = wanted.map((one) => `${one.id}:${Buffer.from(one.key).toString('base64')}`);
        const env = { ...PRODUCTION, PASSWORD_SEALING_KEYS: written.join(`${space},${space}`) };
        expect(parseConfig(env).sealingKeys).toEqual(wanted);
      }),
    );
  });

  test('a key of any other length is none', () => {
    const bytes = fc
      .uint8Array({ minLength: 26, maxLength: 38, size: 'max' })
      .filter(({ length }) => length !== 32);
    fc.assert(
      fc.property(bytes, (short) => {
        const PASSWORD_SEALING_KEYS = `k1:${Buffer.from(short).toString('base64')}`;
        expect(linesOf({ ...PRODUCTION, PASSWORD_SEALING_KEYS })).toEqual([
          'PASSWORD_SEALING_KEYS: key 1 does not have the form id:base64 of exactly 32 bytes',
        ]);
      }),
    );
  });
});
