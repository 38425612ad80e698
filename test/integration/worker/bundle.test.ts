import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTracing } from '../../../src/telemetry/tracing.ts';
import { cachedOrBundled } from '../../../worker/bundle.ts';
import { REPOSITORY, startScript } from '../../support/program.ts';

let folder: string;
let cache: string;
let text: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'registrar-bundle-'));
  cache = join(folder, 'made', 'bundle.json');
  const { code } = await cachedOrBundled(cache);
  expect(code).toContain('registerUser');
  text = await readFile(cache, 'utf8');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a process takes the bundle that an earlier one has kept', async () => {
  const kept = { ...JSON.parse(text), code: 'kept' };
  await writeFile(cache, JSON.stringify(kept));
  expect(await cachedOrBundled(cache)).toEqual({ code: 'kept', sourceMap: kept.sourceMap });
});

test.each([
  ['of other sources', () => JSON.stringify({ ...JSON.parse(text), key: 'other', code: 'old' })],
  ['cut off', () => text.slice(0, 1000)],
  ['without code', () => JSON.stringify({ key: JSON.parse(text).key })],
])('a kept bundle that is %s is replaced', async (_, damaged) => {
  await writeFile(cache, damaged());
  const { code } = await cachedOrBundled(cache);
  expect(code).toBe(JSON.parse(text).code);
  expect(await readFile(cache, 'utf8')).toBe(text);
});

test('a folder that takes no file only costs the bundling', async () => {
  await writeFile(join(folder, 'file'), '');
  const { code } = await cachedOrBundled(join(folder, 'file', 'bundle.json'));
  expect(code).toContain('registerUser');
});

test('npm run build keeps both bundles: the plain one, and the one of a process that traces', async () => {
  const kept = `${REPOSITORY}node_modules/.cache/registrar/`;
  for (const name of ['workflow-bundle', 'workflow-bundle-traced']) {
    await rm(`${kept}${name}.json`, { force: true });
  }
  const build = startScript('build', {});
  expect(await build.exit).toMatchObject({ code: 0 });
  expect(await readFile(`${kept}workflow-bundle.json`, 'utf8')).toBe(text);
  const tracing = await startTracing();
  const own = join(folder, 'traced.json');
  const { code } = await cachedOrBundled(own, tracing.plugins);
  await tracing.stop();
  expect(code).not.toBe(JSON.parse(text).code);
  expect(await readFile(`${kept}workflow-bundle-traced.json`, 'utf8')).toBe(
    await readFile(own, 'utf8'),
  );
});
