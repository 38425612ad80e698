import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { damaged, stateError } from './state-error.ts';

/** File in the home that tells other commands what runs; there only while it runs. */
export const STACK_FILE = 'stack.json';
export const SEALING_KEY_FILE = 'sealing-key';
/** Requests to the embedded profile service that are under way were signed with it. */
export const PROFILE_SECRET_FILE = 'profile-secret';
export const PROFILE_LOG_FILE = 'profile-service.log';

/** An empty text counts as not set. */
const text = z.string().min(1);

/** What names a sandbox of ours. */
export const Sandbox = z.object({
  COGNITO_ENDPOINT: text,
  COGNITO_USER_POOL_ID: text,
  COGNITO_CLIENT_ID: text,
});

/** What names a stack whose every part is ours. */
export const EmbeddedStack = Sandbox.extend({
  TEMPORAL_ADDRESS: text,
  TEMPORAL_NAMESPACE: text,
  TEMPORAL_CONFIG_FILE: text,
  DATABASE_URL: text,
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: text,
  AWS_SECRET_ACCESS_KEY: text,
  // Empty, so that none of the caller's takes its place.
  COGNITO_CLIENT_SECRET: z.string().default(''),
});

/** The file's shape: a part that is yours is not named in it. */
export const DescribedStack = z.record(z.string(), z.string());

const FILES = [
  'lock',
  'ports.json',
  'postgres-password',
  'postgres-place',
  'postgres.log',
  PROFILE_SECRET_FILE,
  PROFILE_LOG_FILE,
  'registrar.log',
  SEALING_KEY_FILE,
  STACK_FILE,
  'temporal-client.toml',
  'temporal.db',
  'temporal.log',
  'temporal.pid',
];
const FOLDERS = ['cognito', 'postgres'];

/** Folder of the embedded state that the environment names. */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['REGISTRAR_HOME'] || '.registrar';
}

/** True for names in the home that are ours: it may be a folder with other things in it. */
export function isOurs(name: string): boolean {
  const parts = /^(.*?)(?:\.draft|\.takeover|-(?:shm|wal|journal))?$/.exec(name);
  return [...FILES, ...FOLDERS].includes(parts?.[1] ?? '') || /^lock\.[\w-]+$/.test(name);
}

/** Throws unless what is there of the state is a file or a folder, as it should be, and may be used. */
export async function checkHome(home: string): Promise<void> {
  for (const name of [...FILES, ...FOLDERS]) {
    const path = join(home, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    const isFolder = FOLDERS.includes(name);
    if (found.isDirectory() !== isFolder) {
      throw damaged(path, isFolder ? 'it is not a folder' : 'it is a folder');
    }
    const { R_OK, W_OK, X_OK } = constants;
    try {
      await access(path, isFolder ? R_OK | W_OK | X_OK : R_OK | W_OK);
    } catch (error) {
      throw stateError(path, error);
    }
  }
}
