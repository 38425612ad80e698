import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { Config } from '../../../../src/config/config.ts';
import { type Registrar, type Running, startLocal } from '../../../../dev/local.ts';
import { PortTaken } from '../../../../src/config/port-taken.ts';
import { holderOf, takeLock } from '../../../../dev/stack/lock.ts';
import { migrate } from '../../../../src/db/migrate.ts';
import { createTestDatabase } from '../../../support/database.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'registrar-local-'));
  await chmod(home, 0o755);
});
afterEach(() => rm(home, { recursive: true, force: true }));

interface Started {
  readonly config: Config;
  readonly running: Running;
  readonly summary: string;
  /** The URLs by which it migrated. */
  readonly migrated: readonly string[];
}

async function start(
  env: Record<string, string>,
  yes = false,
  taken: number[] = [0],
): Promise<Started> {
  let config: Config | undefined;
  let running: Running | undefined;
  const migrated: string[] = [];
  const registrar: Registrar = {
    migrate: async (url) => void migrated.push(url),
    setUp: async () => {},
    serve: async (given) => {
      config = given;
      if (taken.length < 1) {
        taken.push(given.http.port);
        throw new PortTaken('taken in between');
      }
      return { stop: async () => {} };
    },
  };
  const summary = await startLocal(
    {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], REGISTRAR_HOME: home, ...env },
      yes,
      faults: undefined,
      withProfileService: false,
      log: () => {},
      onStarted: (started) => {
        running = started;
      },
      onFailed: () => {},
    },
    registrar,
  );
  if (config === undefined || running === undefined) throw new Error('not started');
  return { config, running, summary, migrated };
}

const script = (name: string) => new URL(`../../../../dev/${name}.ts`, import.meta.url).pathname;

async function run(name: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [script(name), ...args], {
    env: { ...process.env, REGISTRAR_HOME: home },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output: output.trim() };
}

test('the stack takes the next port when one is taken between check and bind', async () => {
  const taken: number[] = [];
  const { config, running } = await start(
    { TEMPORAL_ADDRESS: inject('temporalAddress') },
    false,
    taken,
  );
  expect(taken).toHaveLength(1);
  expect(config.http.port).toBeGreaterThan(taken[0] ?? Infinity);
  await running.stop();
});

test('the stack names a configured port that is taken and stops everything', async () => {
  const named = { TEMPORAL_ADDRESS: inject('temporalAddress'), PORT: '3999' };
  await expect(start(named, false, [])).rejects.toThrow('taken in between');
  expect(await holderOf(home)).toBeUndefined();
});

test('the embedded stack keeps its state over a restart, issues a token, and reset removes it', async () => {
  const named = {
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    // Of another server: what is embedded is migrated by its own role.
    DATABASE_MIGRATION_URL: 'postgres://owner@192.0.2.1/theirs',
  };
  const first = await start(named);
  const sql = postgres(first.config.database.url, { max: 1, onnotice: () => {} });
  await sql`create table kept as select 1 as one`;
  await sql.end();
  expect(first.migrated).toEqual([first.config.database.url]);
  expect(first.config).toMatchObject({
    environment: 'local',
    http: { doors: new Set(['users', 'step', 'signup', 'session', 'seeding']) },
    cognito: { region: 'local' },
  });
  expect(first.config.sealingKeys).toHaveLength(1);
  expect((await stat(join(home, 'sealing-key'))).mode & 0o777).toBe(0o600);
  expect(first.summary).toMatch(/Temporal +yours/);
  expect(first.summary).toMatch(/PostgreSQL +embedded, postgres:\/\/registrar@127/);
  expect(first.summary).toMatch(
    /^curl -sS -X POST http:\/\/127\.0\.0\.1:\d+\/registrations -H 'authorization: Bearer [\w.-]+'/m,
  );

  await expect(start(named)).rejects.toThrow(`${home} is in use by process ${process.pid}`);
  const token = await run('token', '--role', 'viewer', '--email', 'v@example.com');
  expect(token.code).toBe(0);
  const claims: unknown = JSON.parse(
    Buffer.from(token.output.split('.')[1] ?? '', 'base64url').toString(),
  );
  expect(claims).toMatchObject({ 'cognito:groups': ['viewer'], iss: first.config.tokens.issuer });
  const { endpoint } = first.config.cognito;
  const loaded = async (): Promise<unknown> => (await fetch(`${endpoint}/_sandbox/faults`)).json();
  const plan = 'dev/faults/park-and-resume.json';
  const said = { code: 0, output: `${endpoint}: rules loaded: 1` };
  expect(await run('faults', plan)).toEqual(said);
  expect(await loaded()).toEqual(JSON.parse(await readFile(plan, 'utf8')));
  const bad = await run('faults', '[{"operation":"NoSuchCall","fault":{"kind":"server"}}]');
  expect(bad).toEqual({ code: 1, output: 'faults: the plan: rule 1: operation is wrong' });
  expect(await run('faults', '/no/such/plan.json')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/^faults: \/no\/such\/plan\.json: ENOENT[^\n]*$/) as string,
  });
  expect(await loaded()).toHaveLength(1);
  expect((await run('faults', '[]')).output).toBe(`${endpoint}: all faults removed`);
  expect(await loaded()).toEqual([]);
  expect((await run('reset')).output).toContain('is in use by process');
  await first.running.stop();
  expect(await run('faults', '[]')).toEqual({
    code: 1,
    output: 'faults: nothing is running: run `npm start` first',
  });
  expect(await run('token')).toEqual({
    code: 1,
    output: 'token: nothing is running: run `npm start` first',
  });

  const second = await start(named);
  expect(second.config.cognito).toEqual(first.config.cognito);
  expect(second.config.sealingKeys).toEqual(first.config.sealingKeys);
  const again = postgres(second.config.database.url, { max: 1 });
  expect([...(await again`select one from kept`)]).toEqual([{ one: 1 }]);
  await again.end();
  await second.running.stop();

  await writeFile(join(home, 'not-ours'), '');
  expect((await run('reset')).code).toBe(0);
  expect(await readdir(home)).toEqual(['not-ours']);
}, 120_000);

test('an external database is migrated only with consent', async () => {
  const database = await createTestDatabase();
  const named = {
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    DATABASE_URL: database.appUrl,
    DATABASE_MIGRATION_URL: database.ownerUrl,
  };
  await expect(start(named)).rejects.toThrow(/database of yours .* pass --yes/);
  expect(await holderOf(home)).toBeUndefined();
  const { running, summary, config, migrated } = await start(named, true);
  expect(migrated).toEqual([database.ownerUrl]);
  expect(config.database.url).toBe(database.appUrl);
  expect(summary).toMatch(/PostgreSQL +yours/);
  expect(summary).not.toContain(new URL(database.appUrl).password);
  await running.stop();

  // Migrated by us before: nothing to ask while nothing would change.
  await migrate(database.ownerUrl);
  await (await start(named)).running.stop();
  const sql = postgres(database.url, { max: 1 });
  await sql`delete from drizzle.__drizzle_migrations where id = (
    select max(id) from drizzle.__drizzle_migrations)`;
  await sql.end();
  await expect(start(named)).rejects.toThrow(/database of yours .* pass --yes/);
  await database.drop();
}, 60_000);

test('the stack refuses a wrong environment before it starts anything', async () => {
  await expect(
    start({
      COGNITO_USER_POOL_ID: 'eu-central-1_Abc',
      AWS_REGION: 'eu-central-1',
      COGNITO_CLIENT_ID: 'x',
    }),
  ).rejects.toThrow('COGNITO_ENDPOINT: missing');
  await expect(start({ DATABASE_MIGRATION_URL: 'mysql://x' })).rejects.toThrow(
    'DATABASE_MIGRATION_URL: must be a URL',
  );
  // Of nobody: it is set aside for documents.
  await expect(start({ HOST: '192.0.2.1' })).rejects.toThrow(/^HOST: .* 192\.0\.2\.1:0 .*EADDRNOT/);
  expect(await readdir(home)).toEqual([]);
});

test('the stack releases its lock, and takes over the lock of a killed run', async () => {
  const lock = await takeLock(home);
  await expect(takeLock(home)).rejects.toThrow(`in use by process ${process.pid}`);
  await lock.release();
  // The id of a living process, but of another program: the machine was started anew.
  const stale = { pid: process.pid, since: 'another start', command: 'node' };
  await writeFile(join(home, 'lock'), JSON.stringify(stale));
  const taken = await Promise.allSettled(Array.from({ length: 10 }, () => takeLock(home)));
  expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await writeFile(join(home, 'lock'), 'half a lo');
  await takeLock(home);
  expect(JSON.parse(await readFile(join(home, 'lock'), 'utf8'))).toMatchObject({
    pid: process.pid,
  });
});
