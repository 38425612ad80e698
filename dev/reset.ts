import { readdir, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { holderOf } from './stack/lock.ts';
import { removePlace } from './stack/postgres-place.ts';
import { printError, printLine, reasonOf } from './stack/progress.ts';
import { homeOf, isOurs } from './stack/home.ts';

/** Removes the embedded state. Answers false when there was none. */
export async function reset(home: string): Promise<boolean> {
  const holder = await holderOf(home);
  if (holder !== undefined) {
    throw new Error(`${home} is in use by process ${holder}: stop that one first`);
  }
  const names = await readdir(home).catch(() => []);
  // By name, and never the folder as a whole.
  const ours = names.filter(isOurs);
  await removePlace(home);
  for (const name of ours) await rm(join(home, name), { recursive: true, force: true });
  await rmdir(home).catch(() => undefined);
  return ours.length > 0;
}

try {
  const home = resolve(homeOf(process.env));
  const removed = await reset(home);
  printLine(removed ? `removed the embedded state in ${home}` : `no embedded state in ${home}`);
} catch (error) {
  printError(`reset: ${reasonOf(error)}`);
  process.exitCode = 1;
}
