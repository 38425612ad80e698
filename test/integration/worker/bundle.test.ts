import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachedOrBundled } from '../../../worker/bundle.ts';

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
