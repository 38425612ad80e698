import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AdminCreateUserCommand } from '@aws-sdk/client-cognito-identity-provider';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { sandboxClient } from '../../dev/cognito/client.ts';
import type { Mail } from '../../dev/cognito/pool-record.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { eventually } from '../support/eventually.ts';
import { REPOSITORY } from '../support/program.ts';
import { AWS_CLI, PSQL } from '../support/programs.ts';
import type { ShellBlock } from '../support/shell-blocks.ts';
import type { Terminal } from '../support/terminal.ts';
import { call, type Json, Newcomer, type Started } from './newcomer.ts';
import { type Expectation, jsonIn, testBlocks } from './pasted-blocks.ts';

const read = (path: string) => readFile(`${REPOSITORY}${path}`, 'utf8');
const PASSWORD = 'Correct-Horse-1';
const NEW_PASSWORD = 'Correct-Horse-2';
const EMAIL = 'ada@example.com';
const INVITED = 'invited-admin@example.com';

const role = 'AdminAddUserToGroup';
const parks = { operation: role, match: { email: 'parked@*' }, fault: { kind: 'server' } };
const fails = (email: string) => ({
  operation: role,
  match: { email },
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
});
const NO_CLEANUP = [
  fails('cleanup@*'),
  { operation: 'AdminDeleteUser', match: { email: 'cleanup@*' }, fault: { kind: 'server' } },
];

let newcomer: Newcomer;
let started: Started;
let terminal: Terminal;
let bearer: string;
const ids: Record<string, string> = {};

const setFaults = async (rules: readonly object[]): Promise<void> => {
  expect(await newcomer.npm('run', 'faults', '--', JSON.stringify(rules))).toMatchObject({
    code: 0,
  });
};
const receipt = async (id = ''): Promise<Json> =>
  (await call(`${started.api}/registrations/${id}`, bearer)).body;
const untilStatus = (id: string | undefined, status: string): Promise<void> =>
  eventually(async () => (await receipt(id))['status'] === status);
const setVariable = (name: string, value: string): Promise<unknown> =>
  terminal.paste(`export ${name}='${value}'`);

async function register(email: string, more: object = {}): Promise<void> {
  const body = { email, roles: ['viewer'], ...more };
  const answer = await call(`${started.api}/registrations`, bearer, body);
  expect(answer).toMatchObject({ status: 202 });
  ids[email] = String(answer.body['id']);
}

/** Asynchronous sign-up for an address that is taken. */
async function signUpAgain(email: string): Promise<void> {
  const names = { username: 'ada', first_name: 'Ada', last_name: 'Lovelace' };
  const answer = await fetch(`${started.api}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ email, password: PASSWORD, ...names }),
  });
  expect(answer.status).toBe(202);
}

/** A user whose mark names no registration, as after a restore of the database. */
async function createOrphan(): Promise<void> {
  const { endpoint, UserPoolId } = await newcomer.sandbox();
  const pool = sandboxClient(endpoint);
  const mark = { Name: 'custom:registration_id', Value: randomUUID() };
  const email = 'orphan@example.com';
  const UserAttributes = [{ Name: 'email', Value: email }, mark];
  const user = { Username: email, UserAttributes, MessageAction: 'SUPPRESS' } as const;
  await pool.send(new AdminCreateUserCommand({ UserPoolId, ...user }));
  pool.destroy();
}

beforeAll(async () => {
  newcomer = await Newcomer.arrive();
  const env = {
    EVENTS_WEBHOOK_URL: `http://127.0.0.1:${await anyFreePort()}/`,
    EVENTS_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    RETRY_BUDGET_SECONDS: '1',
    COMPENSATION_BUDGET_SECONDS: '1',
    PROPAGATION_GRACE_SECONDS: '1',
    SWEEP_INTERVAL_SECONDS: '5',
    RESUME_INTERVAL_SECONDS: '3600',
  };
  started = await newcomer.start([], env);
  terminal = newcomer.openTerminal(env);
  bearer = await newcomer.token();
  await setFaults([parks, fails('fails@*'), ...NO_CLEANUP]);
  for (const name of ['parked', 'cleanup', 'fails']) await register(`${name}@example.com`);
  await register(EMAIL, { roles: ['admin'] });
  await register('on-call@example.com', { roles: ['admin'], password: PASSWORD });
  await register(INVITED, { roles: ['admin'] });
  await untilStatus(ids[EMAIL], 'completed');
  await signUpAgain(EMAIL);
  await createOrphan();
  await untilStatus(ids['fails@example.com'], 'failed');
  await untilStatus(ids['parked@example.com'], 'roles_pending');
  await untilStatus(ids['cleanup@example.com'], 'cleanup_required');
}, 240_000);
afterAll(async () => {
  await terminal.close();
  await newcomer.leave();
});

// The ports of the documents may be taken here; `npm start` printed the ones that it took.
const paste = async ({ text }: ShellBlock, typed: string | undefined) => {
  const { endpoint } = await newcomer.sandbox();
  const here = text
    .replaceAll('http://127.0.0.1:3000', started.api)
    .replaceAll('http://127.0.0.1:9229', endpoint);
  return await terminal.paste(here, typed);
};
const shows = (...answers: object[]) => ({
  shows: (output: string) => expect(jsonIn(output)).toMatchObject(answers),
});
const readable = (status: string, code: string) =>
  shows({ status, failure: { code }, steps: expect.any(Array) as unknown });
const READY = shows({ status: 'ready' });
const unavailable = 'identity_provider_unavailable';

const RUNBOOK: Readonly<Record<string, Expectation>> = {
  'Triage (1)': {
    exitCodes: [2],
    shows(output) {
      expect(output).toMatch(/^ {2}roles_pending .*: 1 since/m);
      expect(output).toMatch(/^ {2}cleanup_required .*: 1 since/m);
    },
  },
  'Triage (2)': shows({ email: EMAIL, status: 'completed' }),
  'Triage (3)': { shows: (output) => expect(output).toMatch(/^[\da-f]{16}\n$/) },
  'Users report no access (1)': readable('roles_pending', unavailable),
  'Users report no access (2)': {
    first: () => setFaults(NO_CLEANUP),
    shows: () => untilStatus(ids['parked@example.com'], 'completed'),
  },
  'Address already taken (1)': {
    shows(output) {
      const completed = expect.objectContaining({ id: ids[EMAIL], status: 'completed' }) as unknown;
      const items = expect.arrayContaining([completed]) as unknown;
      expect(jsonIn(output)).toMatchObject([{ items }]);
    },
  },
  'Cleanup required (1)': shows({
    status: 'cleanup_required',
    failure: { code: 'registration_failed' },
    compensationFailures: [{ step: 'deleteUser', code: unavailable }],
  }),
  'Cleanup required (2)': {
    first: () => setFaults([]),
    shows: () => untilStatus(ids['cleanup@example.com'], 'failed'),
  },
  'Signed up but no account (1)': {
    shows(output) {
      const failure = expect.objectContaining({ code: 'email_taken' }) as unknown;
      const failed = expect.objectContaining({ status: 'failed', failure }) as unknown;
      const items = expect.arrayContaining([failed]) as unknown;
      expect(jsonIn(output)).toMatchObject([{ items }]);
    },
  },
  'Accepted but not starting (1)': READY,
  'Accepted but not starting (2)': {
    shows: (output) => expect(output).toContain('"eventsAppended":'),
  },
  'Registrations fail (1)': {
    shows(output) {
      const failed = { status: 'failed', failure: { code: 'registration_failed' } };
      const items = expect.arrayContaining([expect.objectContaining(failed)]) as unknown;
      expect(jsonIn(output)).toMatchObject([{ items }]);
    },
  },
  'Registrations wait for the quota (1)':
    PSQL.path === null
      ? { notRun: 'this machine has no psql' }
      : {
          async first() {
            await setVariable('DATABASE_URL', (await newcomer.settings())['DATABASE_URL'] ?? '');
          },
          async shows(output) {
            expect(output).toMatch(/quota \| signup \| count \| longest/);
            // With it set, the commands below would use what the environment names.
            await terminal.paste('unset DATABASE_URL');
          },
        },
  'Events are late (1)': {
    shows: (output) => expect(jsonIn(output)).toMatchObject([{ destination: 'webhook' }]),
  },
  'Events are late (2)': {
    shows: (output) =>
      expect(jsonIn(output).map(({ destination }) => destination)).toEqual([
        'webhook',
        'cognito-mail',
      ]),
  },
  'Events are late (3)': shows({ destination: 'webhook' }),
  'Invitations are late (1)': {
    async first() {
      await setVariable('ID', ids[EMAIL] ?? '');
    },
    shows: (output) => expect(jsonIn(output)).toMatchObject([{ id: ids[EMAIL], email: EMAIL }]),
  },
  'Ledger and pool differ (1)': { exitCodes: [2], ...shows({ orphan: 1 }) },
  'The audit trail may have been changed (1)': {
    async first() {
      const log = join(newcomer.home, 'registrar.log');
      await eventually(async () => (await readFile(log, 'utf8')).includes('"audit checkpoint"'));
      await setVariable('LOG', log);
    },
    shows: (output) => expect(output).toContain('The audit trail is intact'),
  },
  'The API answers 5xx (1)': READY,
};

const TOKENS: Readonly<Record<string, Expectation>> = {
  'A token in production (1)': {
    async first() {
      // By arguments: an AWS CLI before 2.13 reads no endpoint from its environment.
      await terminal.paste(
        `aws() { command aws --endpoint-url '${(await newcomer.sandbox()).endpoint}' "$@"; }`,
      );
      const settings = await newcomer.settings();
      for (const name of ['AWS_REGION', 'COGNITO_CLIENT_ID', 'COGNITO_CLIENT_SECRET']) {
        await setVariable(name, settings[name] ?? '');
      }
    },
    async shows() {
      await setVariable('API', started.api);
      await setVariable('EMAIL', 'on-call@example.com');
    },
  },
  'A token in production (2)': { first: () => Promise.resolve(PASSWORD) },
  'A token in production (3)': { shows: signsIn },
  'The first sign-in (1)': {
    async first() {
      const { endpoint } = await newcomer.sandbox();
      const { items } = (await (await fetch(`${endpoint}/_sandbox/mail`)).json()) as {
        items: Mail[];
      };
      const mail = items.findLast(({ to }) => to === INVITED);
      await setVariable('EMAIL', INVITED);
      await setVariable('PASSWORD', mail?.code ?? '');
      const { output } = await terminal.paste('sign_in --query ChallengeName --output text');
      expect(output).toBe('NEW_PASSWORD_REQUIRED\n');
      return NEW_PASSWORD;
    },
  },
  'The first sign-in (2)': { shows: signsIn },
};

const INTEGRATING: Readonly<Record<string, Expectation>> = {
  'Register a user (1)': shows({ status: 'completed', email: 'grace@example.com' }),
};
const FAULT_PLANS: Readonly<Record<string, Expectation>> = {
  'Fault plans (1)': {
    shows(output) {
      expect(output.match(/rules loaded: 1$/gm)).toHaveLength(2);
      expect(output).toContain('all faults ended');
    },
  },
  'Fault plans (2)': {
    shows(output) {
      const [mail, late] = jsonIn(output);
      const sent = expect.arrayContaining([expect.objectContaining({ to: EMAIL })]) as unknown;
      expect(mail).toMatchObject({ items: sent });
      expect(late).toEqual({ pending: 0 });
    },
  },
};

/** The token of the terminal is one that the API accepts from an administrator. */
async function signsIn(): Promise<void> {
  const { output } = await terminal.paste(
    'curl -sS -H "authorization: Bearer $TOKEN" "$API/roles"',
  );
  expect(jsonIn(output)).toMatchObject([{ items: expect.any(Array) as unknown }]);
}

testBlocks('docs/runbook.md', await read('docs/runbook.md'), RUNBOOK, paste);
testBlocks('docs/integrating.md', await read('docs/integrating.md'), INTEGRATING, paste);
const plans = await read('docs/reference/fault-plans.md');
testBlocks('docs/reference/fault-plans.md', plans, FAULT_PLANS, paste);
const tokens = await read('docs/reference/tokens.md');
describe.skipIf(AWS_CLI.path === null)('with the AWS CLI', () => {
  testBlocks('docs/reference/tokens.md', tokens, TOKENS, paste);
});
