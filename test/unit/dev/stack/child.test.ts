import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startChild } from '../../../../dev/stack/child.ts';
import { commandOf, endOrphan, isAlive } from '../../../../dev/stack/orphan.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'child-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const REPORT = `echo $$ > pid; trap 'echo ended >> end; exit 0' TERM; while :; do sleep 0.05; done`;
const STUBBORN = `echo $$ > pid; trap '' TERM; while :; do sleep 0.05; done`;

const begin = (program: string) =>
  startChild({
    name: 'test',
    command: '/bin/sh',
    args: ['-c', program],
    cwd: folder,
    logFile: join(folder, 'log'),
    stopSignal: 'TERM',
  });

const pidOf = () =>
  vi.waitFor(async () => {
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    expect(pid).toBeGreaterThan(0);
    return pid;
  }, 20_000);

test('stop sends SIGTERM first and kills a child that ignores it', async () => {
  const polite = begin(REPORT);
  const pid = await pidOf();
  await polite.stop();
  expect(isAlive(pid)).toBe(false);
  expect(await readFile(join(folder, 'end'), 'utf8')).toBe('ended\n');
  await rm(join(folder, 'pid'));
  const stubborn = begin(STUBBORN);
  const other = await pidOf();
  await stubborn.stop(200);
  // Where nobody reaps orphans its id lives on, as a zombie without a command line.
  await vi.waitFor(async () => expect(await commandOf(other)).not.toContain('trap'));
});

test('a child ends when its parent is killed', async () => {
  const file = join(folder, 'parent.ts');
  const module = new URL('../../../../dev/stack/child.ts', import.meta.url).href;
  await writeFile(
    file,
    `import { startChild } from ${JSON.stringify(module)};
startChild({ name: 'x', command: '/bin/sh', args: ['-c', ${JSON.stringify(REPORT)}], cwd: ${JSON.stringify(folder)}, logFile: ${JSON.stringify(join(folder, 'log'))}, stopSignal: 'TERM' });
setInterval(() => {}, 1000);`,
  );
  const parent = spawn(process.execPath, [file], { stdio: 'ignore' });
  const pid = await pidOf();
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
  expect(await readFile(join(folder, 'end'), 'utf8')).toBe('ended\n');
});

test('an orphan is killed only when its command line is ours', async () => {
  const echo = ['-c', 'while read line; do echo "$line"; done', `mark-${folder}`];
  const child = spawn('/bin/sh', echo, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await endOrphan(child.pid ?? 0, 'somebody-else', 0);
  child.stdin.write('still here\n');
  const answer = once(child.stdout, 'data').then(String);
  expect(await Promise.race([answer, exited])).toBe('still here\n');
  await endOrphan(child.pid ?? 0, `mark-${folder}`, 100);
  await exited;
  expect(isAlive(child.pid ?? 0)).toBe(false);
});

test('killing an orphaned guard also kills its program', async () => {
  const child = startChild({
    name: 'test',
    command: '/bin/sh',
    args: ['-c', STUBBORN, folder],
    cwd: folder,
    logFile: join(folder, 'log'),
    stopSignal: 'TERM',
  });
  const program = await pidOf();
  await endOrphan(child.pid, folder, 100);
  await vi.waitFor(async () => expect(await commandOf(program)).not.toContain('trap'));
});
