import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface Process {
  readonly pid: number;
  readonly command: string;
}

async function all(): Promise<(Process & { parent: number })[]> {
  const { stdout } = await execute('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args=']);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // Where nobody reaps orphans the ended ones stay on as zombies.
    if (command === undefined || state?.startsWith('Z')) return [];
    return [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

/** A process and all that it started, directly or not. */
export async function familyOf(pid: number): Promise<Process[]> {
  const processes = await all();
  const family = new Set([pid]);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const process of processes) if (family.has(process.parent)) family.add(process.pid);
  }
  return processes.filter((process) => family.has(process.pid));
}

/** Those of them that still run. */
export async function alive(family: readonly Process[]): Promise<Process[]> {
  const now = await all();
  // PostgreSQL's processes rename themselves; an id alone may be somebody else's by now.
  return family.filter(({ pid, command }) =>
    now.some((one) => one.pid === pid && one.command.slice(0, 9) === command.slice(0, 9)),
  );
}

/**
 * Command lines of all processes that belong to a home, whoever their parent is now. PostgreSQL's
 * write their title over their environment: those are known by the folder they work in.
 */
export async function processesOf(home: string): Promise<string[]> {
  const found: string[] = [];
  for (const { pid, command } of await all()) {
    if (pid === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const marked = environment.split('\0').includes(`REGISTRAR_HOME=${home}`);
    if (marked || folder.startsWith(home) || command.includes(home)) found.push(command);
  }
  return found;
}
