import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { sum } from './statistics.ts';

/** One line of /proc/<pid>/stat. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Of CPU, with those of children that have ended. */
  readonly ticks: number;
  readonly residentPages: number;
}

/** @param text as Linux writes it: the name in parentheses may hold spaces and parentheses itself */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (field: number): number => Number(fields[field - 3] ?? NaN);
  return {
    pid: Number.parseInt(text, 10),
    parent: at(4),
    ticks: at(14) + at(15) + at(16) + at(17),
    residentPages: at(24),
  };
}

/** A process and all that descend from it. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const own = all.filter(({ pid }) => pid === root);
  const below = all.filter(({ parent }) => parent === root);
  return [...own, ...below.flatMap(({ pid }) => treeOf(pid, all))];
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

/** CPU time of each process tree since it began, in ms. */
export async function cpuMsOf(
  roots: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> {
  const all = await allProcesses();
  return Object.fromEntries(
    Object.entries(roots).map(([name, root]) => {
      const ticks = sum(treeOf(root, all).map((one) => one.ticks));
      return [name, (ticks * 1000) / TICKS_PER_SECOND];
    }),
  );
}

/** Resident memory of a process tree, in MiB. */
export async function residentMibOf(root: number): Promise<number> {
  const tree = treeOf(root, await allProcesses());
  return (sum(tree.map((one) => one.residentPages)) * PAGE_BYTES) / 2 ** 20;
}

async function allProcesses(): Promise<ProcessStat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(
    // A process may end between the listing and the read.
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)),
  );
  return texts.filter((text) => text !== null).map(parseStat);
}
