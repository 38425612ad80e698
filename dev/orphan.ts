import { execFile } from 'node:child_process';
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
  try {
    const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
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
      process.kill(pid, 'SIGKILL');
      await sleep(200);
      return;
    }
    await sleep(100);
  }
}
