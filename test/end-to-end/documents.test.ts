import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Mail } from '../../dev/cognito/mailbox.ts';
import { REPOSITORY } from '../support/program.ts';
import type { ShellBlock } from '../support/shell-blocks.ts';
import { type Expectation, jsonIn, testBlocks } from './pasted-blocks.ts';
import { PASSWORD, PEOPLE, Reader } from './reader.ts';

const read = (path: string) => readFile(`${REPOSITORY}${path}`, 'utf8');
const NEW_PASSWORD = 'Correct-Horse-2';

let reader: Reader;
beforeAll(async () => {
  reader = await Reader.arrive();
}, 240_000);
afterAll(() => reader.leave());

const paste = ({ text }: ShellBlock, typed: string | undefined) => reader.paste(text, typed);
const shows = (...answers: object[]) => ({
  shows: (output: string) => expect(jsonIn(output)).toMatchObject(answers),
});

/** The symptoms have deployments of their own: see the folder runbook. */
const RUNBOOK: Readonly<Record<string, Expectation>> = {
  'Triage (1)': { shows: (output) => expect(output).toMatch(/^needs a person:\n {2}nothing$/m) },
  'Triage (2)': { shows: (output) => expect(output).toContain(` completed ${PEOPLE.ada} `) },
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
      const settings = await reader.newcomer.settings();
      for (const name of CLIENT) await reader.setVariable(name, settings[name]);
    },
    // As the page says, the reader changes the address.
    shows: () => reader.setVariable('EMAIL', PEOPLE.onCall),
  },
  'A token in production (2)': { first: () => Promise.resolve(PASSWORD), shows: signsIn },
  'The first sign-in (1)': {
    async first() {
      const { endpoint } = await reader.newcomer.sandbox();
      const { items } = (await (await fetch(`${endpoint}/_sandbox/mail`)).json()) as {
        items: Mail[];
      };
      const mail = items.findLast(({ to }) => to === PEOPLE.invited);
      await reader.setVariable('EMAIL', PEOPLE.invited);
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
  const { output } = await reader.paste('curl -sS -H "authorization: Bearer $TOKEN" "$API/roles"');
  expect(jsonIn(output)).toMatchObject([{ items: expect.any(Array) as unknown }]);
}

const runbook = await read('docs/runbook.md');
testBlocks('docs/runbook.md', runbook, RUNBOOK, paste, ['Get a token', 'Triage']);
testBlocks('docs/integrating.md', await read('docs/integrating.md'), INTEGRATING, paste);
const plans = await read('docs/reference/fault-plans.md');
testBlocks('docs/reference/fault-plans.md', plans, FAULT_PLANS, paste);
testBlocks('docs/reference/tokens.md', await read('docs/reference/tokens.md'), TOKENS, paste);
// The last, because the clock stays ahead.
const sandbox = await read('docs/reference/sandbox.md');
testBlocks('docs/reference/sandbox.md', sandbox, SANDBOX, paste);
