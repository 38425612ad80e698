import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AdminCreateUserCommand,
  AssociateSoftwareTokenCommand,
  CreateUserPoolClientCommand,
  SetUserMFAPreferenceCommand,
  VerifySoftwareTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect, vi } from 'vitest';
import { totpAt } from '../../dev/cognito/totp.ts';
import { runSetup } from '../../cli/setup/setup.ts';
import { clientSettings } from '../../src/cognito/app-client.ts';
import { parseConfig } from '../../src/config/config.ts';
import { test } from '../support/base-test.ts';
import type { TestPool } from '../support/cognito.ts';
import { cleanEnvironment, REPOSITORY } from '../support/program.ts';
import { openPseudoTerminal, type PseudoTerminal } from '../support/pseudo-terminal.ts';
import { temporalAddress, uniqueTaskQueue } from '../support/temporal.ts';

const TEMPORARY = 'Temp-Analytical-1';
const CHOSEN = 'My-0wn-passphrase';
const LOGIN = `'${process.execPath}' '${REPOSITORY}run.mjs' '${REPOSITORY}cli/login.ts'`;

/** Another folder than the clone, so that no `.env` and no running stack is read. */
let folder: string;
/** The deployment's settings for sign-in, without credentials of AWS. */
let env: Record<string, string>;

test.beforeAll(async ({ pool }) => {
  // For setup in this process; the command itself gets no credentials.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'sandbox');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'sandbox');
  folder = await mkdtemp(join(tmpdir(), 'registrar-login-'));
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      ...clientSettings({}),
      UserPoolId: pool.userPoolId,
      ClientName: 'with-secret',
      GenerateSecret: true,
    }),
  );
  env = {
    AWS_REGION: pool.region,
    COGNITO_ENDPOINT: pool.endpoint,
    COGNITO_USER_POOL_ID: pool.userPoolId,
    COGNITO_CLIENT_ID: UserPoolClient?.ClientId ?? '',
    COGNITO_CLIENT_SECRET: UserPoolClient?.ClientSecret ?? '',
  };
});
test.afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** At a terminal whose screen does not show stdout, as in `TOKEN=$(…)`. */
function login(email: string): PseudoTerminal & { token(): Promise<string> } {
  const terminal = openPseudoTerminal(`${LOGIN} --email ${email} > token`, { cwd: folder, env });
  return { ...terminal, token: async () => await readFile(join(folder, 'token'), 'utf8') };
}

async function piped(
  args: readonly string[],
  answers: readonly string[],
  more: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(
    process.execPath,
    [`${REPOSITORY}run.mjs`, `${REPOSITORY}cli/login.ts`, ...args],
    { cwd: folder, env: cleanEnvironment({ ...env, ...more }) },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(answers.map((answer) => `${answer}\n`).join(''));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

async function invite(pool: TestPool, email: string): Promise<void> {
  await pool.client.send(
    new AdminCreateUserCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      TemporaryPassword: TEMPORARY,
      MessageAction: 'SUPPRESS',
      UserAttributes: [
        { Name: 'email', Value: email },
        { Name: 'email_verified', Value: 'true' },
      ],
    }),
  );
}

function claimsOf(token: string): Record<string, unknown> {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
  return JSON.parse(payload) as Record<string, unknown>;
}

test('the first administrator gets from the mailed password to a token at a terminal', async ({
  pool,
  database,
}) => {
  const email = 'first.admin@example.com';
  await runSetup(
    parseConfig(
      {
        ...env,
        TEMPORAL_ADDRESS: temporalAddress(),
        TEMPORAL_TASK_QUEUE: uniqueTaskQueue('login'),
        DATABASE_URL: database.appUrl,
      },
      'setup',
    ),
    { check: false, skipCognito: false, admin: email, print: () => undefined },
  );
  const mailed = (await pool.mail()).find(({ to }) => to === email)?.code ?? '';
  const first = login(email);
  await first.reads(`Password of ${email}: `);
  first.types(`${mailed}\r`);
  await first.reads('Choose a password of your own. At least 8 characters');
  await first.reads('New password: ');
  first.types(`${CHOSEN}\r`);
  await first.reads('New password, again: ');
  first.types(`${CHOSEN}\r`);
  expect(await first.ends()).toBe(0);
  const token = (await first.token()).trimEnd();
  expect(claimsOf(token)).toMatchObject({ token_use: 'access', 'cognito:groups': ['admin'] });
  for (const secret of [mailed, CHOSEN, token]) expect(first.screen()).not.toContain(secret);

  const second = login(email);
  await second.reads(`Password of ${email}: `);
  second.types(`${CHOSEN}\r`);
  expect(await second.ends()).toBe(0);
  expect(claimsOf(await second.token())).toMatchObject({ 'cognito:groups': ['admin'] });
});

test('at a terminal a new password can be corrected, and Ctrl-C changes nothing', async ({
  pool,
}) => {
  const email = 'corrects@example.com';
  await invite(pool, email);
  const terminal = login(email);
  const choose = async (chosen: string, again: string): Promise<void> => {
    await terminal.reads('New password: ');
    terminal.types(`${chosen}\r`);
    await terminal.reads('New password, again: ');
    terminal.types(`${again}\r`);
  };
  await terminal.reads('Password of');
  terminal.types(`${TEMPORARY}\r`);
  await choose('Password1', 'Password1');
  await terminal.reads('Password is too common.');
  await choose(CHOSEN, `${CHOSEN}2`);
  await terminal.reads('Passwords do not match.');
  await terminal.reads('New password: ');
  terminal.types('\u0003');
  expect(await terminal.ends()).toBe(1);
  expect(terminal.screen()).toContain('The input ended before every question was answered.');
  expect(await terminal.token()).toBe('');

  const third = login(email);
  await third.reads('Password of');
  third.types(`${TEMPORARY}\r`);
  for (const chosen of ['Corrects-1', 'Qwerty123', 'short']) {
    await third.reads('New password: ');
    third.types(`${chosen}\r`);
    await third.reads('New password, again: ');
    third.types(`${chosen}\r`);
  }
  expect(await third.ends()).toBe(1);
  expect(third.screen()).toContain('Password must not contain your e-mail, username or name.');
  expect(third.screen()).toContain('Nothing was changed. Sign in again.');
});

test('from a pipe login reads one answer per line and prints the token alone to stdout', async ({
  pool,
}) => {
  const email = 'piped@example.com';
  await invite(pool, email);
  const named = ['--email', ' Piped@Example.com '];
  const common = await piped(named, [TEMPORARY, 'Password1', 'Password1']);
  expect(common).toMatchObject({ code: 1, stdout: '' });
  expect(common.stderr).toContain('Password is too common.\nNothing was changed.');
  const unfinished = await piped(named, [TEMPORARY, CHOSEN]);
  expect(unfinished).toMatchObject({ code: 1, stdout: '' });
  expect(unfinished.stderr).toContain('The input ended before every question was answered.');
  const chosen = await piped(named, [TEMPORARY, CHOSEN, CHOSEN]);
  expect(chosen).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ey\S+\n$/) as unknown });
  expect(chosen.stderr).not.toMatch(new RegExp(`${TEMPORARY}|${CHOSEN}|ey`));
  const next = await piped(named, [CHOSEN]);
  expect(next).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ey\S+\n$/) as unknown });
});

test('with PASSWORD_RULES=length login asks for 15 characters', async ({ pool }) => {
  await invite(pool, 'long@example.com');
  const answers = [TEMPORARY, 'Short-1', 'Short-1'];
  const rules = { PASSWORD_RULES: 'length' };
  const refused = await piped(['--email', 'long@example.com'], answers, rules);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('Password must be at least 15 characters long.');
});

test('login asks for the code of an authenticator, and a wrong one can be corrected', async ({
  pool,
}) => {
  const email = 'second.factor@example.com';
  await invite(pool, email);
  const first = await piped(['--email', email], [TEMPORARY, CHOSEN, CHOSEN]);
  const AccessToken = first.stdout.trimEnd();
  const { SecretCode = '' } = await pool.client.send(
    new AssociateSoftwareTokenCommand({ AccessToken }),
  );
  const code = () => totpAt(SecretCode, Date.now());
  await pool.client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode: code() }));
  const SoftwareTokenMfaSettings = { Enabled: true, PreferredMfa: true };
  await pool.client.send(
    new SetUserMFAPreferenceCommand({ AccessToken, SoftwareTokenMfaSettings }),
  );

  const terminal = login(email);
  await terminal.reads('Password of');
  terminal.types(`${CHOSEN}\r`);
  await terminal.reads('Code of your authenticator app: ');
  terminal.types('000000\r');
  await terminal.reads('Wrong code.');
  await terminal.reads('Code of your authenticator app: ');
  terminal.types(`${code()}\r`);
  expect(await terminal.ends()).toBe(0);
  expect(claimsOf(await terminal.token())).toMatchObject({ token_use: 'access' });
  const wrong = await piped(['--email', email], [CHOSEN, '000000', code()]);
  expect(wrong).toMatchObject({ code: 1, stdout: '' });
});

test.for([
  [
    'a wrong password',
    ['--email', 'nobody@example.com'],
    {},
    'Wrong e-mail or password, or the user is disabled.',
  ],
  ['no e-mail', [], {}, '--email must be an e-mail address. usage: npm run'],
  ['a password as an argument', ['--password', 'x'], {}, "Unknown option '--password'"],
  [
    'no app client',
    ['--email', 'nobody@example.com'],
    { COGNITO_CLIENT_ID: '' },
    'COGNITO_CLIENT_ID: missing',
  ],
  [
    'a wrong client secret',
    ['--email', 'nobody@example.com'],
    { COGNITO_CLIENT_SECRET: 'wrong' },
    'Cognito does not answer, or refuses the app client: NotAuthorizedException',
  ],
  [
    'no Cognito',
    ['--email', 'nobody@example.com'],
    { COGNITO_ENDPOINT: 'http://127.0.0.1:1' },
    'Cognito does not answer, or refuses the app client: ECONNREFUSED',
  ],
] as const)('login says in one line what is wrong: %s', async ([_what, args, more, line]) => {
  const { code, stdout, stderr } = await piped(args, ['x'], more);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(
    stderr.split('\n').filter((text) => text !== '' && !text.startsWith('Password of')),
  ).toEqual([expect.stringContaining(line)]);
});
