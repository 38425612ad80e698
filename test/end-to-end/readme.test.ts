import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from '../support/program.ts';
import { type ShellBlock, shellBlocksOf } from '../support/shell-blocks.ts';
import type { Terminal } from '../support/terminal.ts';
import { type Json, Newcomer, type Started } from './newcomer.ts';

const README = await readFile(`${REPOSITORY}README.md`, 'utf8');
const blocks = shellBlocksOf(README);

/** Blocks that are not run here, with the reason. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'Start (2)': 'npm test would run this test inside itself; .ci/run runs it in a fresh clone',
  'Run it in production (1)':
    'needs Docker; test/unit/deploy/compose.test.ts and npm run rehearse cover it',
};

/** What README.md says that a block shows. Any other block must succeed without a problem. */
const SHOWS: Readonly<Record<string, (output: string) => void>> = {
  'Start (1)': (output) => {
    const [, summary = ''] = /^(Registrar runs\.\n[\s\S]*?)^```/m.exec(README) ?? [];
    const labels = [...summary.matchAll(/^ {2}(\S+(?: \S+)*?) {2,}/gm)].map(([, label]) => label);
    expect(labels.length).toBeGreaterThan(5);
    expect(output).toContain('\nRegistrar runs.\n');
    for (const label of labels) expect(output).toMatch(new RegExp(`^ {2}${label} `, 'm'));
  },
  'Register a user (1)': (output) => {
    const [, receipt = ''] = /^```json\n([\s\S]*?)^```/m.exec(README) ?? [];
    const { id, userId, steps, ...same } = JSON.parse(receipt) as Json & { steps: Json[] };
    const sameSteps = steps.map(({ name, status }) => expect.objectContaining({ name, status }));
    expect(receiptsIn(output)[0]).toMatchObject({ ...same, steps: sameSteps });
    const uuids = { id: expect.stringMatching(UUID), userId: expect.stringMatching(UUID) };
    expect({ id, userId }).toEqual(uuids);
    expect(receiptsIn(output)[0]).toMatchObject(uuids);
  },
  'Watch it fail and heal (2)': (output) => {
    const code = 'identity_provider_unavailable';
    const userId = expect.stringMatching(UUID) as unknown;
    const parked = { status: 'roles_pending', userId, failure: { code } };
    expect(receiptsIn(output)[0]).toMatchObject(parked);
  },
  'Watch it fail and heal (3)': (output) => {
    expect(output).toMatch(/^ {2}roles_pending identity_provider_unavailable .*: 1 since/m);
  },
  'Watch it fail and heal (4)': (output) => {
    const [retried, healed] = receiptsIn(output);
    expect(retried).toMatchObject({ email: 'parked@example.com' });
    expect(healed).toMatchObject({
      email: 'parked@example.com',
      status: 'completed',
      failure: null,
    });
  },
};
/** `npm run status` ends with 2 while a registration needs an operator. */
const EXIT_CODES: Readonly<Record<string, readonly number[]>> = {
  'Watch it fail and heal (3)': [2],
};

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/;
/** Each is one line, and curl prints no line break behind it. */
const receiptsIn = (output: string): Json[] =>
  output.split(/(?<=\})(?=\{"id")/).map((text) => JSON.parse(text) as Json);

let newcomer: Newcomer;
let started: Started | undefined;
let second: Terminal;
beforeAll(async () => {
  newcomer = await Newcomer.arrive();
  second = newcomer.openTerminal();
});
afterAll(async () => {
  await second.close();
  await newcomer.leave();
});

/** In the first terminal: Ctrl-C ends what runs there, then the block. */
async function start({ text }: ShellBlock): Promise<string> {
  if (started) {
    expect(await newcomer.end(started, (pid) => process.kill(-pid, 'SIGINT'))).toEqual([]);
  }
  // Without `npm ci`: the tests of other files use the same node_modules at this moment.
  started = await newcomer.startBy(text.replace(/^npm ci && /, ''));
  return started.npm.output();
}

describe('README.md, pasted in order', () => {
  const run = blocks.filter(({ name }) => NOT_RUN[name] === undefined);
  test.each(run.map((block) => [block.name, block] as const))(
    '%s succeeds and shows what README.md says',
    async (name, block) => {
      if (/\bnpm start\b/.test(block.text)) {
        const output = await start(block);
        SHOWS[name]?.(output);
        return;
      }
      // The port of the document may be taken here; `npm start` printed the one that it took.
      const text = block.text.replaceAll('http://127.0.0.1:3000', started?.api ?? '');
      const { output, failed } = await second.paste(text);
      expect({ failed, output }).toMatchObject({ failed: EXIT_CODES[name] ?? [] });
      expect(output).not.toContain('"type":"/problems/');
      SHOWS[name]?.(output);
    },
    150_000,
  );

  test('each block that is named here is in README.md', () => {
    const known = new Set(blocks.map(({ name }) => name));
    const named = [NOT_RUN, SHOWS, EXIT_CODES].flatMap((list) => Object.keys(list));
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
