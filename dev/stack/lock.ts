import { randomUUID } from 'node:crypto';
import { link, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { jsonOf, readIfThere } from './files.ts';
import { beginOf, commandOf, isAlive } from './orphan.ts';
import { stateError } from './state-error.ts';

const TURN_MS = 10_000;

const Holder = z.object({
  pid: z.int(),
  /** Another process may have its id since; none of that id began when it did. */
  since: z.string().default(''),
  /** For whoever reads the file. */
  command: z.string(),
});
type Holder = z.infer<typeof Holder>;

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the home for this process. A lock whose holder no longer runs is taken over.
 * Throws one line that names the holder otherwise.
 */
export async function takeLock(home: string): Promise<Lock> {
  const file = join(home, 'lock');
  const { pid } = process;
  const mine: Holder = { pid, since: await beginOf(pid), command: await commandOf(pid) };
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, JSON.stringify(mine), { mode: 0o600 });
    for (let attempt = 0; attempt < 200; attempt += 1) {
      // A link, and not a file written in place: nobody ever reads half a lock.
      if (await succeeds(link(draft, file))) {
        return { release: () => rm(file, { force: true }) };
      }
      const holder = parseHolder(await readIfThere(file));
      if (holder !== undefined && (await stillRuns(holder))) {
        throw new Error(
          `${home} is in use by process ${holder.pid}: stop that one, or set REGISTRAR_HOME`,
        );
      }
      await removeStale(file);
    }
    throw new Error(`${file} cannot be locked`);
  } catch (error) {
    throw stateError(file, error);
  } finally {
    await rm(draft, { force: true });
  }
}

/** The process that holds the home now, if one does. */
export async function holderOf(home: string): Promise<number | undefined> {
  const holder = parseHolder(await readIfThere(join(home, 'lock')).catch(() => undefined));
  return holder !== undefined && (await stillRuns(holder)) ? holder.pid : undefined;
}

function parseHolder(text: string | undefined): Holder | undefined {
  return Holder.safeParse(jsonOf(text ?? '')).data;
}

async function stillRuns({ pid, since }: Holder): Promise<boolean> {
  // A machine that cannot tell says nothing against a living process.
  return since === '' ? isAlive(pid) : (await beginOf(pid)) === since;
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
    const text = await readIfThere(file);
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
