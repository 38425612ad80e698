import { randomBytes } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readIfThere, writeFileSafely } from '../../../../dev/stack/files.ts';
import { type Registrar, type Running, startLocal } from '../../../../dev/local.ts';
import { holderOf } from '../../../../dev/stack/lock.ts';
import { anyFreePort } from '../../../../dev/stack/ports.ts';
import { migrate } from '../../../../src/db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

let home: string;
let database: TestDatabase;

const registrar: Registrar = {
  migrate,
  setUp: async () => {},
  serve: async () => ({ stop: async () => {} }),
};

/** Starts the embedded parts that `named` does not name, and stops them again. */
async function startAndStop(named: Record<string, string>): Promise<string> {
  let running: Running | undefined;
  const given = { PATH: process.env['PATH'], HOME: process.env['HOME'], REGISTRAR_HOME: home };
  const options = {
    env: { ...given, TEMPORAL_ADDRESS: inject('temporalAddress'), ...named },
    yes: true,
    faults: undefined,
    withProfileService: false,
    log: () => {},
    onStarted: (started: Running) => {
      running = started;
    },
    onFailed: () => {},
  };
  const summary = await startLocal(options, registrar);
  await running?.stop();
  return summary;
}

let firstSummary: string;
/** Where the sandbox alone is embedded. */
let sandboxOnly: Record<string, string>;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'registrar-damaged-'));
  await chmod(home, 0o755);
  database = await createTestDatabase();
  sandboxOnly = { DATABASE_URL: database.url };
  const parts = ['postgres', 'cognito'];
  const ports = await Promise.all(parts.map(async (part) => [part, await anyFreePort()]));
  await writeFile(join(home, 'ports.json'), JSON.stringify(Object.fromEntries(ports)));
  firstSummary = await startAndStop({});
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
  await database.drop();
});

/** The one line with which it does not start; nothing is held then. */
async function refusal(named: Record<string, string>): Promise<string> {
  const error: unknown = await startAndStop(named).catch((reason: unknown) => reason);
  const message = error instanceof Error ? error.message : String(error);
  expect(message.split('\n')).toEqual([expect.stringContaining('`npm run reset`')]);
  expect(await holderOf(home)).toBeUndefined();
  return message;
}

/** While `work` runs the file holds other bytes; its owner and mode stay. */
async function holding(file: string, bytes: Buffer, work: () => Promise<string>): Promise<string> {
  const whole = await readFile(file);
  await writeFile(file, bytes);
  try {
    const said = await work();
    expect((await readFile(file)).equals(bytes)).toBe(true);
    return said;
  } finally {
    await writeFile(file, whole);
  }
}

/** While `work` runs a folder stands where the file was, or a file where the folder was. */
async function replaced(
  path: string,
  by: 'file' | 'folder',
  work: () => Promise<string>,
): Promise<string> {
  const aside = `${path}-aside`;
  await rename(path, aside);
  await (by === 'folder' ? mkdir(path) : writeFile(path, ''));
  try {
    return await work();
  } finally {
    await rm(path, { recursive: true });
    await rename(aside, path);
  }
}

const FILES = [
  'ports.json',
  'sealing-key',
  'cognito/pool.json',
  'cognito/signing-key.pem',
  'cognito/pools/clients.json',
];

describe.each(FILES)('%s', (name) => {
  const file = (): string => join(home, name);
  const work = (): Promise<string> => refusal(sandboxOnly);

  test(`the stack refuses to start with ${name} empty, truncated or garbage`, async () => {
    const whole = await readFile(file());
    const half = whole.subarray(0, Math.floor(whole.length / 2));
    for (const bytes of [Buffer.alloc(0), half, randomBytes(3000)]) {
      expect(await holding(file(), bytes, work)).toContain(`${file()} cannot be used: it does not`);
    }
  });

  test(`the stack refuses to start with a folder in place of ${name}`, async () => {
    const said = await replaced(file(), 'folder', work);
    expect(said).toContain(`${file()} cannot be used: it is a folder`);
  });
});

test('the stack refuses to start with a damaged or missing pool file', async () => {
  const folder = join(home, 'cognito', 'pools');
  const name = (await readdir(folder)).find((one) => one.startsWith('local_')) ?? '';
  const file = join(folder, name);
  const work = (): Promise<string> => refusal(sandboxOnly);
  expect(await holding(file, randomBytes(3000), work)).toContain(
    `${file} cannot be used: it does not contain valid JSON`,
  );
  expect(await replaced(file, 'folder', work)).toContain(
    `${folder} cannot be used: pool ${name.replace('.json', '')} does not exist`,
  );
});

test('the stack refuses to start with an unreadable or wrong PostgreSQL password', async () => {
  const file = join(home, 'postgres-password');
  for (const bytes of [Buffer.alloc(0), randomBytes(100), Buffer.from('x'.repeat(24))]) {
    expect(await holding(file, bytes, () => refusal({}))).toContain(`${file} cannot be used: `);
  }
});

test.each([
  ['PG_VERSION', 0, 'is not a valid data directory'],
  ['global/pg_control', 0, 'could not read file "global/pg_control"'],
  ['global/pg_control', 8192, 'database files are incompatible with server'],
  ['postgresql.conf', 3000, 'contains errors'],
])(
  'the stack refuses to start when PostgreSQL’s %s has %i bytes of garbage',
  async (name, size, says) => {
    const data = join(home, 'postgres', 'data');
    const said = await holding(join(data, name), randomBytes(size), () => refusal({}));
    expect(said).toContain(`PostgreSQL did not start on ${data}: `);
    expect(said).toContain(says);
  },
);

test('the stack reports a damaged system table of PostgreSQL', async () => {
  const data = join(home, 'postgres', 'data');
  // pg_class of our database, which nobody can do without.
  const databases = (await readdir(join(data, 'base'))).map(Number);
  const file = join(data, 'base', String(Math.max(...databases)), '1259');
  const bytes = await readFile(file);
  randomBytes(8192).copy(bytes);
  expect(await holding(file, bytes, () => refusal({}))).toContain(join(home, 'postgres'));
});

test('the stack refuses a PostgreSQL folder that others may enter, and keeps it', async () => {
  const data = join(home, 'postgres', 'data');
  await chmod(data, 0o777);
  const said = await refusal({});
  await chmod(data, 0o700);
  expect(said).toContain(`PostgreSQL did not start on ${data}: data directory`);
});

test.each(['lock', 'stack.json', 'registrar.log', 'postgres.log', 'temporal.db'])(
  'the stack refuses to start with a folder called %s',
  async (name) => {
    const path = join(home, name);
    await rm(path, { force: true });
    await mkdir(path);
    expect(await refusal(sandboxOnly)).toContain(`${path} cannot be used: it is a folder`);
    await rm(path, { recursive: true });
  },
);

test.each(['postgres', 'cognito'])(
  'the stack refuses to start with a file called %s',
  async (name) => {
    const path = join(home, name);
    const said = await replaced(path, 'file', () => refusal(sandboxOnly));
    expect(said).toContain(`${path} cannot be used: it is not a folder`);
  },
);

test('the stack reports a file that it may not read', async () => {
  const file = join(home, 'sealing-key');
  await chmod(file, 0);
  // Nothing is forbidden to root: be somebody else for the moment.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.('nobody');
  try {
    await expect(readIfThere(file)).rejects.toThrow(`${file} cannot be used: permission denied`);
  } finally {
    if (isRoot) process.seteuid?.(0);
    await chmod(file, 0o600);
  }
});

test.runIf(process.platform === 'linux')(
  'the stack reports a disk that cannot be written',
  async () => {
    const file = join(home, 'ports.json');
    const before = await readFile(file, 'utf8');
    await symlink('/dev/full', `${file}.draft`);
    expect(await refusal(sandboxOnly)).toContain(`the disk of ${file} is full: `);
    expect(await readFile(file, 'utf8')).toBe(before);
    await writeFileSafely(file, before);
  },
);

test('the state is unchanged after every refused start', async () => {
  const pool = /userPoolId":"(\w+)/.exec(await readFile(join(home, 'cognito/pool.json'), 'utf8'));
  expect(pool?.[1]).toMatch(/^local_/);
  const told = (summary: string) => summary.split('\n').filter((line) => /embedded/.test(line));
  expect(told(await startAndStop({}))).toEqual(told(firstSummary));
});
