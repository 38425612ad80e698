import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { readSource, sourcesOf, importsOf } from '../architecture/source.ts';
import { REPOSITORY } from '../../support/program.ts';
import { copyOf, type Instruction, readStages, stagesIn } from './dockerfile.ts';

const stages = await readStages();
const ignore = (await readFile(`${REPOSITORY}.dockerignore`, 'utf8')).trim().split('\n');

const of = (stage: string, name: string): Instruction[] =>
  (stages.get(stage) ?? []).filter((instruction) => instruction.name === name);
const copied = (stage: string): string[] => of(stage, 'COPY').flatMap((copy) => copyOf(copy).from);

describe.each(['production', 'sandbox'])('the image %s', (stage) => {
  test('each image copies existing files that .dockerignore lets through', () => {
    expect(ignore[0]).toBe('*');
    const paths = copied(stage);
    expect(paths.length).toBeGreaterThan(3);
    expect(paths.filter((path) => !existsSync(`${REPOSITORY}${path}`))).toEqual([]);
    const roots = paths.filter((path) => path !== '.').map((path) => path.split('/')[0]);
    expect(roots.filter((root) => !ignore.includes(`!${root}`))).toEqual([]);
  });

  test('runs as an unprivileged user by number, and its program without a shell', () => {
    expect(of(stage, 'USER').at(-1)?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const command = JSON.parse(of(stage, 'CMD').at(-1)?.text ?? '') as string[];
    expect(command.slice(0, 2)).toEqual(['node', 'run.mjs']);
    expect(existsSync(`${REPOSITORY}${command[2]}`)).toBe(true);
  });

  test('each image has the TLS authorities of the system, which verify Temporal Cloud', () => {
    const [first] = of(stage, 'RUN').map(({ text }) => text);
    expect(first).toMatch(/apt-get install -y .*\bca-certificates\b/);
  });

  test('each image has the Node version that the tests run on', async () => {
    const { version } = JSON.parse((await readSource('dev/node/package.json')).text) as {
      version: string;
    };
    const images = of(stage, 'FROM').map(({ text }) => text.replace(/@sha256:[\da-f]{64}$/, ''));
    expect(images).toEqual([`node:${version}-bookworm-slim`]);
  });
});

test('production installs no development dependency, and holds every folder it imports', async () => {
  const npm = of('production', 'RUN').filter(({ text }) => text.startsWith('npm '));
  expect(npm.map(({ text }) => text)).toEqual(['npm ci --omit=dev']);
  const there = copied('production').filter((path) => !path.includes('.') && path !== 'LICENSE');
  const files = await sourcesOf(...there);
  const targets = files.flatMap((file) => importsOf(file).map(({ target }) => target));
  const ours = targets.filter((target) => /^[a-z]+\/.*\.ts$/.test(target));
  expect(ours.length).toBeGreaterThan(100);
  expect(ours.filter((target) => !there.includes(target.split('/')[0] ?? ''))).toEqual([]);
});

test('production can run the scripts that are for it', async () => {
  const { scripts } = JSON.parse((await readSource('package.json')).text) as {
    scripts: Record<string, string>;
  };
  const names = ['api', 'worker', 'migrate', 'setup', 'sweep', 'compare-pool', 'redeliver'];
  const run = [...names, 'verify-audit', 'verify-replay'].map((name) => scripts[name] ?? '');
  const entries = run.map(
    (script) => /^(?:exec )?node run\.mjs (?:--\S+ )?(\S+)/.exec(script)?.[1],
  );
  const folders = entries.map((entry) => entry?.split('/')[0] ?? '');
  expect(folders.filter((folder) => !copied('production').includes(folder))).toEqual([]);
});

test('no secret and no state gets into an image', () => {
  const open = ignore.slice(1).map((line) => line.slice(1));
  expect(
    open.filter((path) => /^(?:\.env|\.git|\.registrar|node_modules|test)/.test(path)),
  ).toEqual([]);
});

test('a stage begins with what it is built on', () => {
  const text = 'FROM a:1 AS b\nRUN x \\\n  y\nFROM b AS c\n# no\nCOPY d e f\n';
  expect(stagesIn(text).get('c')).toEqual([
    { name: 'FROM', text: 'a:1' },
    { name: 'RUN', text: 'x    y' },
    { name: 'COPY', text: 'd e f' },
  ]);
});
