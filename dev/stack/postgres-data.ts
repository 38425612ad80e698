import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readIfThere, writeFileSafely } from './files.ts';
import type { Owner } from './postgres-place.ts';
import { damaged, noRoom, stateError } from './state-error.ts';

const run = promisify(execFile);

/** File in the home. */
export const PASSWORD_FILE = 'postgres-password';

export interface DataOptions {
  /** Folder with `bin/initdb`. */
  readonly binaries: string;
  readonly data: string;
  readonly owner: Owner;
  readonly user: string;
  readonly password: string;
}

/** What PostgreSQL's user signs in with, made at the first start. */
export async function passwordOf(home: string): Promise<string> {
  const file = join(home, PASSWORD_FILE);
  const known = (await readIfThere(file))?.trim();
  if (known !== undefined) {
    if (!/^[\w-]{24}$/.test(known)) throw damaged(file, 'it does not contain the password');
    return known;
  }
  const password = randomBytes(18).toString('base64url');
  await writeFileSafely(file, `${password}\n`);
  return password;
}

/**
 * Makes the data folder where there is none: aside, and moved into place whole. So what stands
 * there is never half made, and never made anew over somebody's data.
 */
export async function makeData(options: DataOptions): Promise<void> {
  const { data, owner, password } = options;
  const draft = `${data}.draft`;
  const secret = `${data}-password`;
  try {
    if (await isThere(data)) return;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
    await writeFile(secret, `${password}\n`, { mode: 0o600 });
    if (owner.uid !== undefined && owner.gid !== undefined) {
      await chown(draft, owner.uid, owner.gid);
      await chown(secret, owner.uid, owner.gid);
    }
    await initialise(options, draft, secret);
    await rename(draft, data);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw stateError(data, error);
  } finally {
    await rm(secret, { force: true });
  }
}

async function initialise(
  { binaries, data, owner, user }: DataOptions,
  draft: string,
  secret: string,
): Promise<void> {
  const args = [
    `--pgdata=${draft}`,
    `--username=${user}`,
    `--pwfile=${secret}`,
    '--no-sync',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-instructions',
    '--locale-provider=builtin',
    '--locale=C.UTF-8',
    '--lc-messages=C',
    '--lc-collate=C',
    '--lc-ctype=C',
    '--lc-monetary=C',
    '--lc-numeric=C',
    '--lc-time=C',
  ];
  try {
    await run(join(binaries, 'bin', 'initdb'), args, { cwd: join(data, '..'), ...owner });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    if (/no space left on device|disk quota exceeded/i.test(said)) throw noRoom(data);
    const line = said.split('\n').findLast((one) => /error|fatal/i.test(one));
    throw line === undefined ? error : new Error(`PostgreSQL: ${line}`, { cause: error });
  }
}

async function isThere(folder: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    // Only what is surely not there is made: a folder that cannot be entered is somebody's data.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
