import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { cpuMsOf, parseStat, residentMibOf, treeOf } from '../../bench/process-usage.ts';

const LINE =
  '4711 (a (strange) name) S 12 4711 4711 0 -1 4194560 1 2 3 4 100 20 7 3 20 0 11 0 555 999 250 18446744073709551615';

test('a line of /proc is read past a name with spaces and parentheses', () => {
  expect(parseStat(LINE)).toEqual({ pid: 4711, parent: 12, ticks: 130, residentPages: 250 });
});

test('a tree has the root and all that descend from it, and nobody else', () => {
  const one = (pid: number, parent: number) => ({ pid, parent, ticks: 1, residentPages: 1 });
  const all = [one(1, 0), one(2, 1), one(3, 2), one(4, 1), one(5, 4)];
  expect(treeOf(2, all).map(({ pid }) => pid)).toEqual([2, 3]);
  expect(treeOf(9, all)).toEqual([]);
});

test('CPU time and memory of a child of this process are seen', async () => {
  const child = spawn(process.execPath, [
    '-e',
    'while (process.cpuUsage().user < 200_000); console.log(1); setInterval(() => {}, 1000)',
  ]);
  try {
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    expect((await cpuMsOf({ child: pid }))['child']).toBeGreaterThanOrEqual(150);
    expect(await residentMibOf(pid)).toBeGreaterThan(10);
  } finally {
    child.kill();
  }
});
