import {
  CreateUserPoolClientCommand,
  DescribeUserPoolClientCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runSetup } from '../../setup/setup.ts';
import { parseConfig } from '../../src/config.ts';
import { openDatabase, type DatabasePool } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { listAuditEvents } from '../../src/ledger/read.ts';
import { createTestDatabase, type TestDatabase } from '../stack/database.ts';
import { createTestPool, type TestPool } from '../stack/cognito.ts';
import { temporalAddress, uniqueTaskQueue } from '../stack/temporal.ts';

const ADMIN = 'first.admin@example.com';
let pool: TestPool;
let database: TestDatabase;
let ledger: DatabasePool;
let env: Record<string, string>;

beforeAll(async () => {
  // As a process of ours finds them, by the SDK's own chain; the sandbox takes any.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'sandbox');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'sandbox');
  pool = await createTestPool();
  database = await createTestDatabase();
  await migrate(database.ownerUrl);
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
  await pool.remove();
  await database.drop();
});

async function setup(
  check: boolean,
  more: Record<string, string> = {},
): Promise<{ missing: number; lines: string[] }> {
  const lines: string[] = [];
  const missing = await runSetup(parseConfig({ ...env, ...more }, 'setup'), {
    check,
    skipCognito: false,
    admin: ADMIN,
    print: (line) => lines.push(line),
  });
  return { missing, lines };
}

async function administratorsRecorded(): Promise<number> {
  return (await listAuditEvents(ledger.db, { event: 'administrator.created', limit: 10 })).length;
}

test('a check lists what is missing and changes nothing', async () => {
  const first = await setup(true);
  expect(first.lines.filter((line) => line.startsWith('Missing: '))).toHaveLength(first.missing);
  const text = first.lines.join('\n');
  for (const part of ['schedules', 'app client', 'role auditor', `administrator ${ADMIN}`]) {
    expect(text).toContain(part);
  }
  expect((await setup(true)).lines).toEqual(first.lines);
  expect(await administratorsRecorded()).toBe(0);
});

test('setup makes it, says each change first, leaves other clients alone, and has nothing left to do', async () => {
  const theirs = { UserPoolId: pool.userPoolId, ClientId: pool.clientId };
  const describe = () => pool.client.send(new DescribeUserPoolClientCommand(theirs));
  const before = (await describe()).UserPoolClient;
  const made = await setup(false);
  expect(made.missing).toBeGreaterThan(3);
  expect(made.lines.filter((line) => line.startsWith('Making: '))).toHaveLength(made.missing);
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
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
    EnableTokenRevocation: true,
    PreventUserExistenceErrors: 'ENABLED',
    WriteAttributes: ['email', 'given_name', 'family_name', 'locale'],
  });
  const checked = await setup(true, { COGNITO_CLIENT_ID: ours ?? '', DOORS: 'session' });
  expect(checked.lines.filter((line) => line.startsWith('Unsafe: '))).toEqual([]);

  expect((await setup(true)).missing).toBe(0);
  expect((await setup(false)).missing).toBe(0);
  expect(await administratorsRecorded()).toBe(1);
});

test('a client that may write our mark is named as unsafe', async () => {
  await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'careless',
      WriteAttributes: ['email', 'custom:registration_id'],
    }),
  );
  const unsafe = (await setup(true)).lines.filter((line) => line.startsWith('Unsafe: '));
  expect(unsafe.join('\n')).toContain('careless');
  expect(unsafe).toHaveLength(1);
});

test('a client that the open doors cannot work with is named, and left as it is', async () => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'unfit',
      EnableTokenRevocation: false,
    }),
  );
  const client = { COGNITO_CLIENT_ID: UserPoolClient?.ClientId ?? '' };
  const about = ({ lines }: { lines: string[] }) => lines.filter((line) => line.includes('unfit'));
  const unsafe = about(await setup(false, { ...client, DOORS: 'session' }));
  expect(unsafe).toHaveLength(3);
  for (const part of ['ALLOW_USER_PASSWORD_AUTH', 'revocation', 'PreventUserExistenceErrors']) {
    expect(unsafe.join('\n')).toContain(part);
  }
  expect(about(await setup(false, { ...client, DOORS: 'users' }))).toEqual([]);
});
