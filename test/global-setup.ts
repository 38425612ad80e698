import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { holderOf } from '../dev/stack/lock.ts';
import { startStack } from '../dev/stack/stack.ts';
import { documentedRoles } from './support/documented-roles.ts';
import { missingPrograms } from './support/programs.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A user of the test server that may create databases; its path is `postgres`. */
    readonly adminDatabaseUrl: string;
    /** `host:port` of Temporal's gRPC; namespace `default`. */
    readonly temporalAddress: string;
    readonly cognitoEndpoint: string;
    readonly cognitoRegion: string;
    /** A folder for what a test starts by itself; it goes with the run, also one that was killed. */
    readonly testHome: string;
  }
}

// Only what may choose the Temporal program: a DATABASE_URL or a pool of the developer's
// shell must never meet a test.
const KEPT = ['PATH', 'HOME', 'TEMPORAL_ADDRESS', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];

const PREFIX = 'registrar-test-';

/** Starts the parts once for all test files, and removes them and their state at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const needsServers = project.vitest.projects.some(({ name }) => name !== 'unit');
  if (!needsServers) return () => Promise.resolve();
  const missing = missingPrograms();
  await removeLeftovers();
  const home = await mkdtemp(join(tmpdir(), PREFIX));
  // PostgreSQL does not run as root: its user must be able to enter.
  await chmod(home, 0o755);
  const env = Object.fromEntries(KEPT.map((key) => [key, process.env[key]]));
  const log = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  try {
    const stack = await startStack({ home, env, log, ephemeral: true });
    const admin = new URL(stack.env['DATABASE_URL'] ?? '');
    admin.pathname = '/postgres';
    await makeRoles(admin.href);
    project.provide('adminDatabaseUrl', admin.href);
    project.provide('temporalAddress', stack.env['TEMPORAL_ADDRESS'] ?? '');
    project.provide('cognitoEndpoint', stack.env['COGNITO_ENDPOINT'] ?? '');
    project.provide('cognitoRegion', stack.env['AWS_REGION'] ?? '');
    project.provide('testHome', home);
    return async () => {
      await stack.stop();
      await rm(home, { recursive: true, force: true });
      for (const line of missing) log(line);
    };
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

async function makeRoles(adminUrl: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1 });
  try {
    await sql.unsafe((await documentedRoles()).roles);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** A run that was killed could not remove its folder; its programs ended with it. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(tmpdir(), name);
    const age = Date.now() - ((await stat(folder).catch(() => undefined))?.mtimeMs ?? Date.now());
    // A younger one may belong to a run that has not taken its lock yet.
    if (age < 60_000 || (await holderOf(folder)) !== undefined) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}
