import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Less than this is full: PostgreSQL and Temporal each want pages of their own at any moment. */
const LEAST_BYTES = 1_048_576;
const LOOK_MS = 1_000;

/** True when the disk of a folder has no room for those who are not root. */
export async function isFull(folder: string): Promise<boolean> {
  const { blocks, bavail, bsize } = await statfs(folder);
  // Some file systems count nothing, and say so.
  return blocks > 0 && bavail * bsize < LEAST_BYTES;
}

/** Resolves when the disk of a folder is full; never after the signal. */
export async function untilFull(folder: string, signal: AbortSignal): Promise<void> {
  while (!(await isFull(folder))) {
    // Neither the watch nor its end may keep a process alive.
    await sleep(LOOK_MS, undefined, { ref: false });
    if (signal.aborted) await new Promise(() => {});
  }
}
