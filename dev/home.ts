import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { damaged, stateError } from './state-error.ts';

/** File in the home that tells `npm run token` what runs; there only while it runs. */
export const STACK_FILE = 'stack.json';

const FILES = [
  'lock',
  'ports.json',
  'postgres-password',
  'postgres-place',
  'postgres.log',
  'registrar.log',
  'sealing-key',
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
