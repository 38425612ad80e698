import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandOf, isAlive } from './orphan.ts';

const TURN_MS = 10_000;

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
    for (let attempt = 0; attempt < 200; attempt += 1) {
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
      await removeStale(file);
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
  const now = await commandOf(pid);
  // A machine that cannot tell the command says nothing against a living process.
  return isAlive(pid) && (now === '' || command === '' || now === command);
}

/**
 * Removes a lock whose holder is gone. One at a time: between looking and removing, another taker
 * could have removed it and taken the home, and what we removed would be a living lock.
 */
async function removeStale(file: string): Promise<void> {
  const turn = `${file}.takeover`;
  if (!(await succeeds(writeFile(turn, '', { flag: 'wx' })))) {
    const since = await stat(turn).catch(() => undefined);
    // Whoever died in its turn keeps nobody waiting for longer than a turn can last.
    if (since && Date.now() - since.mtimeMs > TURN_MS) await rm(turn, { force: true });
    await sleep(20);
    return;
  }
  try {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    // Removed meanwhile: whatever comes to stand there now is somebody's living lock.
    if (text === undefined) return;
    const holder = parseHolder(text);
    if (holder === undefined || !(await stillRuns(holder))) await rm(file, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
