import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import { eventually } from '../support/eventually.ts';
import { REPOSITORY } from '../support/program.ts';
import { PSQL } from '../support/programs.ts';
import type { ShellBlock } from '../support/shell-blocks.ts';
import { type Expectation, jsonIn, testBlocks } from './pasted-blocks.ts';
import { NO_CLEANUP, PASSWORD, PEOPLE, Symptoms } from './symptoms.ts';

const read = (path: string) => readFile(`${REPOSITORY}${path}`, 'utf8');
const NEW_PASSWORD = 'Correct-Horse-2';

let symptoms: Symptoms;
beforeAll(async () => {
  symptoms = await Symptoms.arise();
}, 240_000);
afterAll(() => symptoms.end());

const paste = ({ text }: ShellBlock, typed: string | undefined) => symptoms.paste(text, typed);
const shows = (...answers: object[]) => ({
  shows: (output: string) => expect(jsonIn(output)).toMatchObject(answers),
});
const readable = (status: string, code: string) =>
  shows({ status, failure: { code }, steps: expect.any(Array) as unknown });
const READY = shows({ status: 'ok' });
const unavailable = 'identity_provider_unavailable';

const RUNBOOK: Readonly<Record<string, Expectation>> = {
  'Triage (1)': {
    exitCodes: [2],
    shows(output) {
      expect(output).toMatch(/^ {2}roles_pending .*: 1 since/m);
      expect(output).toMatch(/^ {2}cleanup_required .*: 1 since/m);
    },
  },
  'Triage (2)': shows({ email: PEOPLE.ada, status: 'completed' }),
  'Triage (3)': { shows: (output) => expect(output).toMatch(/^[\da-f]{16}\n$/) },
  'Users report no access (1)': readable('roles_pending', unavailable),
  'Users report no access (2)': {
    first: () => symptoms.setFaults(NO_CLEANUP),
    shows: () => symptoms.untilStatus('parked', 'completed'),
  },
  'Address already taken (1)': {
    shows(output) {
      const registrationId = symptoms.idOf('ada');
      const pool = { exists: true, registeredByUs: true };
      const held = { email: PEOPLE.ada, free: false, reason: 'registered', registrationId, pool };
      expect(jsonIn(output)).toMatchObject([held]);
    },
  },
  'Cleanup required (1)': shows({
    status: 'cleanup_required',
    failure: { code: 'registration_failed' },
    compensationFailures: [{ step: 'deleteUser', code: unavailable }],
  }),
  'Cleanup required (2)': {
    first: () => symptoms.setFaults([]),
    shows: () => symptoms.untilStatus('cleanup', 'failed'),
  },
  'A change is parked (1)': {
    first: () => symptoms.parkChange(),
    ...shows({ kind: 'sign_out', status: 'parked', failure: { code: unavailable } }),
  },
  'A change is parked (2)': {
    first: () => symptoms.setFaults([]),
    shows: () => symptoms.untilChanges('completed', 2),
  },
  'A change does not end (1)': {
    first: () => symptoms.parkChange(),
    ...shows({ kind: 'enable', status: 'accepted' }, { status: 'ok' }),
  },
  'A change does not end (2)': {
    first: () => symptoms.setFaults([]),
    shows: (output) => expect(output).toContain('"eventsAppended":'),
  },
  'The last administrator (1)': {
    shows: (output) =>
      expect(jsonIn(output)).toMatchObject([{ items: [{ email: PEOPLE.ada, roles: ['admin'] }] }]),
  },
  'Signed up but no account (1)': {
    first: () => symptoms.signUpAgain(),
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
      const failure = expect.objectContaining({ code: 'registration_failed' }) as unknown;
      const failed = expect.objectContaining({ status: 'failed', failure }) as unknown;
      const items = expect.arrayContaining([failed]) as unknown;
      expect(jsonIn(output)).toMatchObject([{ items }]);
    },
  },
  'Registrations wait for the quota (1)':
    PSQL.path === null
      ? { notRun: 'this machine has no psql' }
      : {
          async first() {
            await symptoms.setVariable(
              'DATABASE_URL',
              (await symptoms.newcomer.settings())['DATABASE_URL'],
            );
          },
          async shows(output) {
            expect(output).toMatch(/quota \| signup \| count \| longest/);
            // With it set, the commands below would use what the environment names.
            await symptoms.paste('unset DATABASE_URL');
          },
        },
  'Profile service away (1)': shows({ items: [], total: 0 }),
  'Events are late (1)': {
    shows: (output) => expect(jsonIn(output)).toMatchObject([{ destination: 'webhook' }]),
  },
  'Events are late (2)': {
    shows: (output) =>
      expect(jsonIn(output).map(({ destination }) => destination)).toEqual([
        'webhook',
        'cognito-mail',
        'cognito-recovery',
        'cognito-sign-out',
      ]),
  },
  'Events are late (3)': shows({ destination: 'webhook' }),
  'Invitations are late (1)': {
    async first() {
      await symptoms.setVariable('ID', symptoms.idOf('ada'));
    },
    shows: (output) =>
      expect(jsonIn(output)).toMatchObject([{ id: symptoms.idOf('ada'), email: PEOPLE.ada }]),
  },
  'Ledger and pool differ (1)': {
    exitCodes: [2],
    // Beside the lines of its log.
    shows: (output) =>
      expect(jsonIn(output)).toEqual(
        expect.arrayContaining([expect.objectContaining({ orphan: 1 })]),
      ),
  },
  'The audit trail may have been changed (1)': {
    async first() {
      const log = join(symptoms.newcomer.home, 'registrar.log');
      await eventually(async () => (await readFile(log, 'utf8')).includes('"audit checkpoint"'));
      await symptoms.setVariable('LOG', log);
    },
    shows: (output) => expect(output).toContain('The audit trail is intact'),
  },
  'The API answers 5xx (1)': READY,
};

const CLIENT = [
  'AWS_REGION',
  'COGNITO_ENDPOINT',
  'COGNITO_USER_POOL_ID',
  'COGNITO_CLIENT_ID',
  'COGNITO_CLIENT_SECRET',
];
const TOKENS: Readonly<Record<string, Expectation>> = {
  'A token in production (1)': {
    async first() {
      const settings = await symptoms.newcomer.settings();
      for (const name of CLIENT) await symptoms.setVariable(name, settings[name]);
    },
    // As the page says, the reader changes the address.
    shows: () => symptoms.setVariable('EMAIL', PEOPLE.onCall),
  },
  'A token in production (2)': { first: () => Promise.resolve(PASSWORD), shows: signsIn },
  'The first sign-in (1)': {
    async first() {
      const { endpoint } = await symptoms.newcomer.sandbox();
      const { items } = (await (await fetch(`${endpoint}/_sandbox/mail`)).json()) as {
        items: Mail[];
      };
      const mail = items.findLast(({ to }) => to === PEOPLE.invited);
      await symptoms.setVariable('EMAIL', PEOPLE.invited);
      return [mail?.code, NEW_PASSWORD, NEW_PASSWORD].join('\n');
    },
    shows: signsIn,
  },
};

const INTEGRATING: Readonly<Record<string, Expectation>> = {
  'Register a user (1)': shows({ status: 'completed', email: 'grace@example.com' }),
};
const FAULT_PLANS: Readonly<Record<string, Expectation>> = {
  'Fault plans (1)': {
    shows(output) {
      expect(output.match(/rules loaded: 1$/gm)).toHaveLength(2);
      expect(output).toContain('all faults removed');
    },
  },
  'Fault plans (2)': {
    shows: (output) => expect(jsonIn(output)).toEqual([{ pending: 0 }]),
  },
};
const SANDBOX: Readonly<Record<string, Expectation>> = {
  'Mailbox (1)': {
    shows(output) {
      const [all, hers] = jsonIn(output);
      const sent = expect.objectContaining({ to: PEOPLE.ada }) as unknown;
      expect(all).toMatchObject({ items: expect.arrayContaining([sent]) as unknown });
      expect(hers).toMatchObject({ items: expect.arrayContaining([sent]) as unknown });
    },
  },
  'Clock (1)': shows({ pools: 1 }),
};

/** The token of the terminal is one that the API accepts from an administrator. */
async function signsIn(): Promise<void> {
  const { output } = await symptoms.paste(
    'curl -sS -H "authorization: Bearer $TOKEN" "$API/roles"',
  );
  expect(jsonIn(output)).toMatchObject([{ items: expect.any(Array) as unknown }]);
}

testBlocks('docs/runbook.md', await read('docs/runbook.md'), RUNBOOK, paste);
testBlocks('docs/integrating.md', await read('docs/integrating.md'), INTEGRATING, paste);
const plans = await read('docs/reference/fault-plans.md');
testBlocks('docs/reference/fault-plans.md', plans, FAULT_PLANS, paste);
testBlocks('docs/reference/tokens.md', await read('docs/reference/tokens.md'), TOKENS, paste);
// The last, because the clock stays ahead.
const sandbox = await read('docs/reference/sandbox.md');
testBlocks('docs/reference/sandbox.md', sandbox, SANDBOX, paste);
