import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandOf, isAlive } from './orphan.ts';

interface Holder {
  readonly pid: number;
  /** Its command line: after a restart of the machine another program may have its id. */
  readonly command: string;
}

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the home for this process. A lock whose holder no longer runs is taken over.
 * Throws one line that names the holder otherwise.
 */
export async function takeLock(home: string): Promise<Lock> {
  const file = join(home, 'lock');
  const mine: Holder = { pid: process.pid, command: await commandOf(process.pid) };
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      // A link, and not a file written in place: nobody ever reads half a lock.
      if (await succeeds(link(draft, file))) {
        return { release: () => rm(file, { force: true }) };
      }
      const text = await readFile(file, 'utf8').catch(() => '');
      const holder = parseHolder(text);
      if (holder !== undefined && (await stillRuns(holder))) {
        throw new Error(
          `${home} is in use by process ${holder.pid}: stop that one, or set REGISTRAR_HOME`,
        );
      }
      await removeStale(file, text);
    }
    throw new Error(`${file} cannot be taken`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** The process that holds the home now, if one does. */
export async function holderOf(home: string): Promise<number | undefined> {
  const holder = parseHolder(await readFile(join(home, 'lock'), 'utf8').catch(() => ''));
  return holder !== undefined && (await stillRuns(holder)) ? holder.pid : undefined;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return typeof holder.pid === 'number' && typeof holder.command === 'string'
      ? { pid: holder.pid, command: holder.command }
      : undefined;
  } catch {
    return undefined;
  }
}

async function stillRuns({ pid, command }: Holder): Promise<boolean> {
  return isAlive(pid) && (await commandOf(pid)) === command;
}

/** Removes the lock that was read, and gives back one that somebody took in between. */
async function removeStale(file: string, text: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  if (!(await succeeds(rename(file, aside)))) return;
  const moved = await readFile(aside, 'utf8').catch(() => '');
  if (moved !== text) await succeeds(link(aside, file));
  await rm(aside, { force: true });
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
