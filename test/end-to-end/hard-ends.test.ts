import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { holderOf } from '../../dev/stack/lock.ts';
import { Newcomer, type Started } from './newcomer.ts';
import { processesOf } from './processes.ts';

const execute = promisify(execFile);

let newcomer: Newcomer;
let mounted: string | undefined;
beforeEach(async () => {
  newcomer = await Newcomer.arrive();
});
afterEach(async () => {
  // Lazily: a test that failed may have left programs that work there.
  if (mounted !== undefined) await execute('umount', ['--lazy', mounted]);
  mounted = undefined;
  await newcomer.leave();
});

/** The one line with which it has ended, with exit code 1; nothing of it is left. */
async function hardEnd(code: number | null, output: string): Promise<string> {
  const lines = output.split('\n');
  const told = lines.filter((line) => line.startsWith('start: '));
  // Neither a stack nor what a library prints by itself.
  const noise = lines.filter((line) => /^\s+at |\bWARN\b|node:internal/.test(line));
  expect({ code, told, noise }).toEqual({ code: 1, told: [expect.any(String)], noise: [] });
  await expect.poll(() => processesOf(newcomer.home), { timeout: 30_000 }).toEqual([]);
  expect(await holderOf(newcomer.home)).toBeUndefined();
  return told[0] ?? '';
}

async function endOfStart(env: Record<string, string> = {}): Promise<string> {
  const { code, output } = await newcomer.tryToStart(env);
  return await hardEnd(code, output);
}

async function endOf(started: Started): Promise<string> {
  const { code } = await started.npm.exit;
  return await hardEnd(code, started.npm.output());
}

/** Puts the newcomer's home on a disk of this many MiB. */
async function mountDisk(mib: number): Promise<void> {
  const { home } = newcomer;
  const ports = await readFile(join(home, 'ports.json'));
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=755`, 'tmpfs', home]);
  mounted = home;
  await writeFile(join(home, 'ports.json'), ports);
}

async function fill(file: string): Promise<void> {
  const block = Buffer.alloc(65_536);
  for (;;) await writeFile(file, block, { flag: 'a' });
}

/** Few may mount. For the others there is /dev/full, which every Linux has: the test before. */
async function mayMount(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'registrar-disk-'));
  try {
    await execute('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
    await execute('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const MAY_MOUNT = await mayMount();

test('npm start reports a PORT that another process holds', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address ? String(address.port) : '';
  expect(await endOfStart({ PORT: port })).toMatch(new RegExp(`PORT: 127.0.0.1:${port} is taken`));
  other.close();
});

test('npm start reports a damaged file of its own and of Temporal', async () => {
  const { home } = newcomer;
  const ports = join(home, 'ports.json');
  const whole = await readFile(ports);
  await writeFile(ports, whole.subarray(0, 10));
  expect(await endOfStart()).toMatch(/ports\.json cannot be used: .* `npm run reset`$/);
  await writeFile(ports, whole);
  const history = join(home, 'temporal.db');
  const garbage = 'x'.repeat(100_000);
  await writeFile(history, garbage);
  expect(await endOfStart()).toMatch(/Temporal did not start on .*temporal\.db: .*`npm run reset`/);
  expect(await readFile(history, 'utf8')).toBe(garbage);
});

test.runIf(process.platform === 'linux')(
  'npm start reports a log file that cannot be written',
  async () => {
    // A full disk for those who may not mount one: writing there fails as on one.
    await symlink('/dev/full', join(newcomer.home, 'registrar.log'));
    expect(await endOfStart()).toMatch(/the disk of .*registrar\.log is full: free some space/);
  },
);

test('npm start ends when one of its parts ends', async () => {
  const started = await newcomer.start();
  const lines = await readFile(join(newcomer.home, 'postgres/data/postmaster.pid'), 'utf8');
  process.kill(Number(lines.split('\n', 1)[0]), 'SIGKILL');
  expect(await endOf(started)).toMatch(/PostgreSQL stopped unexpectedly on .*postgres\.log/);
  const again = await newcomer.start();
  expect(await newcomer.end(again, (pid) => process.kill(-pid, 'SIGTERM'))).toEqual([]);
});

test.runIf(MAY_MOUNT)('npm start reports a full disk before the start', async () => {
  await mountDisk(8);
  const filler = join(newcomer.home, 'filler');
  await expect(fill(filler)).rejects.toThrow('ENOSPC');
  expect(await endOfStart()).toMatch(/the disk of .* is full: free some space and start again/);
  expect(await readdir(newcomer.home)).toEqual(['filler', 'ports.json']);
});

test.runIf(MAY_MOUNT)('npm start reports a disk that fills during the first start', async () => {
  await mountDisk(12);
  expect(await endOfStart()).toMatch(
    /the disk of .*postgres\/data is full: free some space and start again/,
  );
});

test.runIf(MAY_MOUNT)(
  'npm start ends when the disk fills, and keeps the earlier data',
  async () => {
    await mountDisk(200);
    const started = await newcomer.start();
    const before = await newcomer.paste(started.curl);
    expect(before.status).toBe(201);
    const filler = join(newcomer.home, 'filler');
    await expect(fill(filler)).rejects.toThrow('ENOSPC');
    expect(await endOf(started)).toMatch(/the disk of .* is full: free some space and start again/);
    await rm(filler);
    const again = await newcomer.start();
    // Each start prints an address of its own; the token of the first one has ended with it.
    const address = /[\w.-]+@example\.com/;
    const known = again.curl.replace(address, String(before.receipt['email']));
    expect((await newcomer.paste(known)).receipt).toMatchObject({
      code: 'email_taken',
      registrationId: before.receipt['id'],
    });
    const other = await newcomer.paste(again.curl);
    expect(other).toMatchObject({ status: 201, receipt: { status: 'completed' } });
    expect(await newcomer.end(again, (pid) => process.kill(-pid, 'SIGTERM'))).toEqual([]);
  },
);
