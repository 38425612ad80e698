import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { REPOSITORY } from '../support/program.ts';
import type { Terminal } from '../support/terminal.ts';
import { type Json, Newcomer, type Started } from './newcomer.ts';
import { type Expectation, jsonIn, testBlocks, UUID } from './pasted-blocks.ts';

const README = await readFile(`${REPOSITORY}README.md`, 'utf8');
const aUuid = expect.stringMatching(UUID) as unknown;

const EXPECTATIONS: Readonly<Record<string, Expectation>> = {
  'Start (1)': {
    shows(output) {
      const [, summary = ''] = /^(Registrar is running\.\n[\s\S]*?)^```/m.exec(README) ?? [];
      const labels = [...summary.matchAll(/^ {2}(\S+(?: \S+)*?) {2,}/gm)].map(([, label]) => label);
      expect(labels.length).toBeGreaterThan(5);
      expect(output).toContain('\nRegistrar is running.\n');
      for (const label of labels) expect(output).toMatch(new RegExp(`^ {2}${label} `, 'm'));
    },
  },
  'Start (2)': {
    notRun: 'npm test would run this test inside itself; .ci/run runs both in a fresh clone',
  },
  'Register a user (1)': {
    shows(output) {
      const [, example = ''] = /^```json\n([\s\S]*?)^```/m.exec(README) ?? [];
      const documented = JSON.parse(example) as Json & { steps: Json[] };
      const steps = documented.steps.map(({ name, status }) =>
        expect.objectContaining({ name, status }),
      );
      const [receipt] = jsonIn(output);
      expect(receipt).toMatchObject({ ...documented, id: aUuid, userId: aUuid, steps });
    },
  },
  'Change or delete a user (1)': {
    shows(output) {
      const done = { status: 'completed', userId: aUuid, failure: null };
      expect(jsonIn(output)).toMatchObject([
        { ...done, kind: 'roles', roles: ['manager'] },
        { ...done, kind: 'disable' },
        { ...done, kind: 'delete' },
      ]);
    },
  },
  'Watch it fail and heal (2)': {
    shows(output) {
      const failure = { code: 'identity_provider_unavailable' };
      const [receipt] = jsonIn(output);
      expect(receipt).toMatchObject({ status: 'roles_pending', userId: aUuid, failure });
    },
  },
  'Watch it fail and heal (3)': {
    exitCodes: [2],
    shows(output) {
      expect(output).toMatch(/^ {2}roles_pending identity_provider_unavailable .*: 1 since/m);
    },
  },
  'Watch it fail and heal (4)': {
    shows(output) {
      const [retried, healed] = jsonIn(output);
      const email = 'parked@example.com';
      expect(retried).toMatchObject({ email });
      expect(healed).toMatchObject({ email, status: 'completed', failure: null });
    },
  },
  'Run it in production (1)': {
    notRun: 'needs Docker; test/unit/deploy/compose.test.ts and `npm run rehearse` cover the file',
  },
};

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

/** In the first terminal: Ctrl-C ends what runs there, then `npm start` runs until it is ready. */
async function start(block: string): Promise<string> {
  if (started) {
    expect(await newcomer.end(started, (pid) => process.kill(-pid, 'SIGINT'))).toEqual([]);
  }
  // Without `npm ci`: the tests of other files use the same node_modules at this moment.
  started = await newcomer.startBy(block.replace(/^npm ci && /, ''));
  return started.npm.output();
}

testBlocks('README.md', README, EXPECTATIONS, async ({ text }) => {
  if (/\bnpm start\b/.test(text)) return { output: await start(text), failed: [] };
  // The port of the document may be taken here; `npm start` printed the one that it took.
  return await second.paste(text.replaceAll('http://127.0.0.1:3000', started?.api ?? ''));
});
