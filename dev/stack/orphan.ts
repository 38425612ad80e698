import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process, or an empty text when there is none. */
export async function commandOf(pid: number): Promise<string> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return words?.replaceAll('\0', ' ').trim() ?? (await ps('command', pid));
}

/**
 * When a process began, in words that only compare: with its id it names one process for ever, also
 * where ids begin anew, as in a container. Empty for one that has ended.
 */
export async function beginOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (line === undefined) return await ps('lstart', pid);
  // The name before it is in brackets and may hold anything. Ticks since the machine's start.
  const [state, ...rest] = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? '' : (rest[18] ?? '');
}

/** Where there is no `/proc`. */
async function ps(what: string, pid: number): Promise<string> {
  try {
    // Times in the same words whoever asks.
    const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' };
    const { stdout } = await run('ps', ['-ww', '-o', `${what}=`, '-p', String(pid)], { env });
    return stdout.trim();
  } catch {
    return '';
  }
}

/**
 * Waits for a program that a killed run left behind, and kills it when it does not end by
 * itself. Only a process whose command line names `mark` is ours; any other is left alone.
 */
export async function endOrphan(pid: number, mark: string, waitMs = 5_000): Promise<void> {
  const isOurs = async (): Promise<boolean> =>
    isAlive(pid) && (await commandOf(pid)).includes(mark);
  const deadline = Date.now() + waitMs;
  while (await isOurs()) {
    if (Date.now() >= deadline) {
      killAll(pid);
      await sleep(200);
      return;
    }
    await sleep(100);
  }
}

/** A guard alone would leave the program that it guards; PostgreSQL's children end with it. */
function killAll(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // No group has this id, or it has ended.
    }
  }
}
