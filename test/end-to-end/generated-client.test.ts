import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Deployment } from '../support/deployment.ts';
import { REPOSITORY, run } from '../support/program.ts';
import { CUSTOMER, IMPORT, MISTAKES } from './client-programs.ts';
import { test } from '../support/deployment-test.ts';

/** A customer's project: strict, and no more of ours than the document. */
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    target: 'es2024',
    module: 'nodenext',
    types: ['node'],
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
  },
};

let folder: string;
let url: string;
test.beforeAll(async ({ deployment }) => {
  const api = await deployment.api();
  await api.says(/"worker is polling"/);
  url = api.url;
  folder = await mkdtemp(join(tmpdir(), 'registrar-client-'));
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  await write('package.json', JSON.stringify({ type: 'module' }));
  await write('tsconfig.json', JSON.stringify(TSCONFIG));
  const document = await (await fetch(`${url}/openapi.json`)).text();
  await write('openapi.json', document);
  const made = await node(
    deployment,
    'node_modules/oazapfts/dist/cli.js',
    'openapi.json',
    'client.ts',
  );
  expect(made).toEqual({ code: 0, output: '' });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text);
}

async function node(deployment: Deployment, ...args: string[]) {
  const env = { REGISTRAR_URL: url, REGISTRAR_TOKEN: deployment.token };
  return await run({ command: process.execPath, args, cwd: folder, env });
}

async function compile(deployment: Deployment) {
  return await node(deployment, join(REPOSITORY, 'node_modules/typescript/bin/tsc'), '-p', '.');
}

test('a client generated from the document compiles and behaves as its types say', async ({
  deployment,
}) => {
  await write('customer.ts', CUSTOMER);
  expect(await compile(deployment)).toEqual({ code: 0, output: '' });
  const { code, output } = await node(deployment, 'customer.ts');
  expect(output.trim().split('\n')).toEqual([
    'registered completed',
    'repeated the same',
    'other body idempotency_key_reused',
    'other key email_taken names the first',
    'misspelt #/email invalid_email',
    'listed 1 of 1',
    'retried not_parked',
  ]);
  expect(code).toBe(0);
});

test('a call that the document does not describe does not compile', async ({ deployment }) => {
  const names = Object.keys(MISTAKES).map((_, index) => `mistake-${index}.ts`);
  for (const [index, text] of Object.values(MISTAKES).entries()) {
    await write(names[index] ?? '', `${IMPORT}\n${text}\n`);
  }
  const { code, output } = await compile(deployment);
  expect(code).not.toBe(0);
  const errors = output.split('\n').filter((line) => / error TS\d+/.test(line));
  const caught = Object.keys(MISTAKES).map((what, index) => {
    const found = errors.filter((line) => line.startsWith(`${names[index]}(2,`));
    return `${what}: ${found.length > 0 ? 'caught' : 'compiles'}`;
  });
  expect(caught).toEqual(Object.keys(MISTAKES).map((what) => `${what}: caught`));
  expect(errors.filter((line) => !/^mistake-\d+\.ts\(2,/.test(line))).toEqual([]);
});
