import {
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  DeleteUserPoolCommand,
  DescribeUserPoolClientCommand,
  DescribeUserPoolCommand,
  ListUserPoolClientsCommand,
  UpdateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, expect, inject, vi } from 'vitest';
import { makePool } from '../../dev/cognito/pool.ts';
import { clientSettings } from '../../src/cognito/app-client.ts';
import { runSetup } from '../../cli/setup/setup.ts';
import { parseConfig } from '../../src/config/config.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { listAuditEvents } from '../../src/ledger/registrations/read.ts';
import { startEntry } from '../support/program.ts';
import { temporalAddress, uniqueTaskQueue } from '../support/temporal.ts';
import { test } from '../support/base-test.ts';

const ADMIN = 'first.admin@example.com';
let ledger: DatabasePool;
let env: Record<string, string>;

test.beforeAll(async ({ pool, database }) => {
  // As a process of ours finds them, by the SDK's own chain; the sandbox takes any.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'sandbox');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'sandbox');
  ledger = openDatabase(database.url, 2);
  env = {
    TEMPORAL_ADDRESS: temporalAddress(),
    TEMPORAL_TASK_QUEUE: uniqueTaskQueue('setup'),
    DATABASE_URL: database.appUrl,
    AWS_REGION: pool.region,
    COGNITO_USER_POOL_ID: pool.userPoolId,
    COGNITO_ENDPOINT: pool.endpoint,
    ROLE_GRANTS: 'group:admin=*;group:auditor=viewer',
  };
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await ledger.close();
});

async function setup(
  check: boolean,
  more: Record<string, string> = {},
): Promise<{ missing: number; unsafe: number; lines: string[] }> {
  const lines: string[] = [];
  const found = await runSetup(parseConfig({ ...env, ...more }, 'setup'), {
    check,
    skipCognito: false,
    admin: ADMIN,
    print: (line) => lines.push(line),
  });
  return { ...found, lines };
}

const unsafeIn = ({ lines }: { lines: string[] }): string[] =>
  lines.filter((line) => line.startsWith('Unsafe: '));

async function administratorsRecorded(): Promise<number> {
  const filter = { event: 'administrator.created', limit: 10 };
  return (await listAuditEvents(ledger.db, filter)).items.length;
}

test('setup --check lists what is missing and changes nothing', async () => {
  const first = await setup(true);
  expect(first.lines.filter((line) => line.startsWith('Missing: '))).toHaveLength(first.missing);
  const text = first.lines.join('\n');
  for (const part of ['schedules', 'app client', 'role auditor', `administrator ${ADMIN}`]) {
    expect(text).toContain(part);
  }
  expect((await setup(true)).lines).toEqual(first.lines);
  expect(await administratorsRecorded()).toBe(0);
});

test('setup announces and makes each change, leaves other clients alone, and a second run changes nothing', async ({
  pool,
}) => {
  const theirs = { UserPoolId: pool.userPoolId, ClientId: pool.clientId };
  const describe = () => pool.client.send(new DescribeUserPoolClientCommand(theirs));
  const before = (await describe()).UserPoolClient;
  const made = await setup(false);
  expect(made.missing).toBeGreaterThan(3);
  expect(made.lines.filter((line) => line.startsWith('Creating: '))).toHaveLength(made.missing);
  expect((await describe()).UserPoolClient).toEqual(before);
  expect(await administratorsRecorded()).toBe(1);

  const [, ours] = /^Set COGNITO_CLIENT_ID=(.+)$/m.exec(made.lines.join('\n')) ?? [];
  const { UserPoolClient } = await pool.client.send(
    new DescribeUserPoolClientCommand({ UserPoolId: pool.userPoolId, ClientId: ours }),
  );
  expect(UserPoolClient).toMatchObject({
    AccessTokenValidity: 30,
    RefreshTokenValidity: 7,
    TokenValidityUnits: { AccessToken: 'minutes', RefreshToken: 'days' },
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    EnableTokenRevocation: true,
    PreventUserExistenceErrors: 'ENABLED',
    RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds: 0 },
    WriteAttributes: ['given_name', 'family_name', 'locale'],
  });
  const secret = UserPoolClient?.ClientSecret ?? '';
  expect(secret).not.toBe('');
  expect(made.lines.join('\n')).not.toContain(secret);
  expect(made.lines.join('\n')).toContain('Set COGNITO_CLIENT_SECRET to the output of: aws ');
  const client = { COGNITO_CLIENT_ID: ours ?? '', COGNITO_CLIENT_SECRET: secret };
  const checked = await setup(true, { ...client, DOORS: 'session' });
  expect(unsafeIn(checked)).toEqual([]);
  const forgotten = await setup(true, { COGNITO_CLIENT_ID: ours ?? '', DOORS: 'session' });
  expect(unsafeIn(forgotten)).toEqual([
    expect.stringContaining('COGNITO_CLIENT_SECRET is not set'),
  ]);
  const elsewhere = setup(true, { COGNITO_CLIENT_ID: 'elsewhere' });
  await expect(elsewhere).rejects.toThrow(/^COGNITO_CLIENT_ID: .* has no app client elsewhere$/);

  expect((await setup(true)).missing).toBe(0);
  expect((await setup(false)).missing).toBe(0);
  expect(await administratorsRecorded()).toBe(1);
});

test('setup names every client that may write the registration mark or the e-mail as unsafe', async ({
  pool,
}) => {
  const make = (ClientName: string, more: object = {}) =>
    pool.client.send(
      new CreateUserPoolClientCommand({ UserPoolId: pool.userPoolId, ClientName, ...more }),
    );
  await make('careless', { WriteAttributes: ['email', 'custom:registration_id'] });
  await make('unrestricted');
  await make('careful', { WriteAttributes: ['given_name'] });
  const { lines, unsafe } = await setup(true);
  const named = unsafeIn({ lines });
  expect(named).toEqual([
    expect.stringMatching(/careless .* may write custom:registration_id/),
    expect.stringMatching(/careless .* may write email/),
    expect.stringMatching(/unrestricted .* may write email/),
  ]);
  expect(unsafe).toBe(named.length);
});

test('setup names a client that the open doors cannot use, and does not change it', async ({
  pool,
}) => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'unfit',
      EnableTokenRevocation: false,
      WriteAttributes: ['given_name'],
    }),
  );
  const client = { COGNITO_CLIENT_ID: UserPoolClient?.ClientId ?? '' };
  const about = ({ lines }: { lines: string[] }) => lines.filter((line) => line.includes('unfit'));
  const always = ['has no secret', 'does not rotate refresh tokens'];
  const atDoors = ['ALLOW_USER_PASSWORD_AUTH', 'revocation', 'PreventUserExistenceErrors'];
  expect(about(await setup(false, { ...client, DOORS: 'session' }))).toEqual(
    [...always, ...atDoors].map((part) => expect.stringContaining(part)),
  );
  expect(about(await setup(false, { ...client, DOORS: 'users' }))).toEqual(
    always.map((part) => expect.stringContaining(part)),
  );
});

test('setup mends an app client that an older setup created, and edits no other', async ({
  pool,
}) => {
  const made = await makePool(pool.client, 'older-client');
  const UserPoolId = made.userPoolId;
  const older = {
    UserPoolId,
    GenerateSecret: true,
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    AccessTokenValidity: 10,
    IdTokenValidity: 2,
    TokenValidityUnits: { AccessToken: 'minutes', IdToken: 'hours' },
    CallbackURLs: ['https://app.example.com/'],
    WriteAttributes: ['email', 'given_name', 'nickname', 'custom:registration_id'],
  } as const;
  const make = async (ClientName: string) => {
    const settings = { ...older, ExplicitAuthFlows: [...older.ExplicitAuthFlows] };
    const lists = {
      CallbackURLs: [...older.CallbackURLs],
      WriteAttributes: [...older.WriteAttributes],
    };
    const { UserPoolClient } = await pool.client.send(
      new CreateUserPoolClientCommand({ ...settings, ...lists, ClientName }),
    );
    return UserPoolClient?.ClientId ?? '';
  };
  const own = await make('registrar');
  const theirs = await make('registrar-web');
  const describe = async (ClientId: string) =>
    (await pool.client.send(new DescribeUserPoolClientCommand({ UserPoolId, ClientId })))
      .UserPoolClient;
  const [ownBefore, theirsBefore] = [await describe(own), await describe(theirs)];
  const named = { COGNITO_USER_POOL_ID: UserPoolId };

  const checked = await setup(true, named);
  const aboutOwn = (line: string) => line.includes(`(${own})`);
  expect(unsafeIn(checked).filter(aboutOwn)).toEqual([
    expect.stringContaining('may write custom:registration_id'),
    expect.stringContaining('may write email'),
    expect.stringContaining('does not rotate refresh tokens'),
  ]);
  const change =
    `Cognito: in app client registrar (${own}), which setup created: ` +
    'allow the sign-in flow ALLOW_USER_PASSWORD_AUTH only, instead of ALLOW_USER_PASSWORD_AUTH, ALLOW_REFRESH_TOKEN_AUTH; ' +
    'rotate refresh tokens, without a grace period; ' +
    'IdTokenValidity 30 minutes instead of 2 hours; ' +
    'RefreshTokenValidity 7 days instead of 30 days; ' +
    'enable token revocation; ' +
    'set PreventUserExistenceErrors to ENABLED; ' +
    'let users write given_name, nickname only, instead of email, given_name, nickname, custom:registration_id';
  expect(checked.lines).toContain(`Missing: ${change}`);
  expect(await describe(own)).toEqual(ownBefore);

  const mended = await setup(false, named);
  expect(mended.lines).toContain(`Changing: ${change}`);
  expect(unsafeIn(mended).filter(aboutOwn)).toEqual([]);
  expect(await describe(own)).toEqual({
    ...ownBefore,
    LastModifiedDate: expect.any(Date) as unknown,
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds: 0 },
    IdTokenValidity: 30,
    RefreshTokenValidity: 7,
    TokenValidityUnits: { AccessToken: 'minutes', IdToken: 'minutes', RefreshToken: 'days' },
    EnableTokenRevocation: true,
    PreventUserExistenceErrors: 'ENABLED',
    WriteAttributes: ['given_name', 'nickname'],
  });
  expect(await describe(theirs)).toEqual(theirsBefore);
  const again = await setup(true, { ...named, COGNITO_CLIENT_ID: own });
  expect(again.lines.filter((line) => /^(Missing|Changing)/.test(line))).toEqual([]);
  await pool.client.send(new DeleteUserPoolCommand({ UserPoolId }));
});

test('setup names each unsafe setting of a pool in its own line and changes nothing', async ({
  pool,
}) => {
  const { UserPool } = await pool.client.send(
    new CreateUserPoolCommand({
      PoolName: 'open',
      UsernameAttributes: ['email'],
      UsernameConfiguration: { CaseSensitive: false },
      Policies: { PasswordPolicy: { MinimumLength: 6 } },
      AccountRecoverySetting: { RecoveryMechanisms: [{ Name: 'admin_only', Priority: 1 }] },
      Schema: [{ Name: 'email', Required: true, Mutable: true }],
    }),
  );
  const UserPoolId = UserPool?.Id ?? '';
  const describe = async () =>
    (await pool.client.send(new DescribeUserPoolCommand({ UserPoolId }))).UserPool;
  const before = await describe();
  const checked = await setup(true, { COGNITO_USER_POOL_ID: UserPoolId });
  const said = checked.lines.filter((line) => /^(Unsafe|Advice): /.test(line));
  expect(said).toEqual([
    expect.stringMatching(/^Unsafe: pool \S+ allows self sign-up/),
    expect.stringMatching(/^Unsafe: pool \S+ accepts passwords of 6 characters/),
    expect.stringMatching(
      /^Unsafe: pool \S+ requires the attribute email, so AWS lets every app client write it/,
    ),
    expect.stringMatching(/^Advice: pool \S+ does not use the verified e-mail address/),
    expect.stringMatching(/^Advice: pool \S+ has MFA turned off/),
    expect.stringMatching(/^Advice: pool \S+ has no deletion protection/),
  ]);
  expect(said.filter((line) => line.includes('\n'))).toEqual([]);
  expect(checked.unsafe).toBe(3);
  expect(await describe()).toEqual(before);

  // AWS may refuse a list without what the pool requires.
  await setup(false, { COGNITO_USER_POOL_ID: UserPoolId });
  const { UserPoolClients = [] } = await pool.client.send(
    new ListUserPoolClientsCommand({ UserPoolId }),
  );
  const ClientId = UserPoolClients[0]?.ClientId ?? '';
  const { UserPoolClient } = await pool.client.send(
    new DescribeUserPoolClientCommand({ UserPoolId, ClientId }),
  );
  expect(UserPoolClient?.WriteAttributes).toEqual(['given_name', 'family_name', 'locale', 'email']);
  await pool.client.send(new DeleteUserPoolCommand({ UserPoolId }));
});

test.for([
  ['unsafe settings', { AdminCreateUserConfig: { AllowAdminCreateUserOnly: false } }, 1],
  ['advice alone', {}, 0],
] as const)(
  'the setup command on a pool with %s exits with code %s',
  async ([, settings, code], { pool }) => {
    const made = await makePool(pool.client, `exit-${code}`);
    const UserPoolId = made.userPoolId;
    const safe = { AdminCreateUserConfig: { AllowAdminCreateUserOnly: true } };
    const Policies = { PasswordPolicy: { MinimumLength: 8 } };
    await pool.client.send(
      new UpdateUserPoolCommand({ UserPoolId, Policies, ...safe, ...settings }),
    );
    const client = await pool.client.send(
      new CreateUserPoolClientCommand({
        ...clientSettings({}),
        UserPoolId,
        ClientName: 'registrar',
        GenerateSecret: true,
      }),
    );
    const named = {
      ...env,
      COGNITO_USER_POOL_ID: UserPoolId,
      COGNITO_CLIENT_ID: client.UserPoolClient?.ClientId ?? '',
      ROLE_GRANTS: 'group:admin=*',
      AWS_ACCESS_KEY_ID: 'sandbox',
      AWS_SECRET_ACCESS_KEY: 'sandbox',
      TEMPORAL_TASK_QUEUE: uniqueTaskQueue('check'),
    };
    const run = async (...args: string[]) => {
      const program = startEntry('cli/setup/main.ts', inject('testHome'), named, args);
      return { exit: (await program.exit).code, output: program.output() };
    };
    expect(await run()).toMatchObject({ exit: 0 });
    const checked = await run('--check');
    expect(checked).toEqual({
      exit: code,
      output: expect.stringContaining('Advice: ') as unknown,
    });
    expect(checked.output).not.toContain('Missing: ');
    await pool.client.send(new DeleteUserPoolCommand({ UserPoolId }));
  },
);
