import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { holderOf } from '../../dev/stack/lock.ts';
import { expectFree } from '../../dev/stack/ports.ts';
import { call, Newcomer, type Started } from './newcomer.ts';
import { processesOf } from './processes.ts';

const ROUNDS = 20;
/** By this round every file is there; it ends politely, as the last one does. */
const SETTLED = 4;
const KIB = 1024;
/** The least that PostgreSQL keeps of its log (min_wal_size) once it has been busy. */
const WAL = 80 * KIB * KIB;
/** Of Temporal's histories and our rows, for each round: the schedules and some registrations. */
const GROWTH = 64 * KIB;

const ENDS: readonly ((npm: number) => void)[] = [
  // Ctrl-C of a terminal: the whole foreground group hears it.
  (npm) => process.kill(-npm, 'SIGINT'),
  (npm) => process.kill(npm, 'SIGTERM'),
  // Nobody is told anything: the parts have to notice by themselves.
  (npm) => process.kill(-npm, 'SIGKILL'),
];

let newcomer: Newcomer;
beforeAll(async () => {
  newcomer = await Newcomer.arrive();
});
afterAll(() => newcomer.leave());

/** Bytes by file of the home; of PostgreSQL's many files the sums: its log, and all else. */
async function filesOf(home: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const name of await readdir(home, { recursive: true })) {
    const found = await stat(join(home, name));
    if (found.isDirectory()) continue;
    const key = /^postgres\/data\/(?:pg_wal)?/.exec(name)?.[0] ?? name;
    sizes[key] = (sizes[key] ?? 0) + found.size;
  }
  return sizes;
}

async function register({ curl }: Started): Promise<string> {
  const { status, receipt } = await newcomer.paste(curl);
  expect({ status, receipt }).toMatchObject({ status: 201, receipt: { status: 'completed' } });
  return String(receipt['id']);
}

async function expectCompleted({ api }: Started, ids: readonly string[]): Promise<void> {
  const bearer = await newcomer.token();
  for (const id of ids) {
    const receipt = await call(`${api}/registrations/${id}`, bearer);
    expect(receipt).toMatchObject({ body: { status: 'completed' } });
  }
}

async function expectNothingLeft(home: string, ports: Record<string, number>): Promise<void> {
  await expect.poll(() => processesOf(home), { timeout: 30_000 }).toEqual([]);
  expect(await holderOf(home)).toBeUndefined();
  for (const port of Object.values(ports)) await expectFree(port, '127.0.0.1');
}

test('twenty starts and stops leave no process, no lock and no growing file', async () => {
  const { home } = newcomer;
  const portsNow = async () =>
    JSON.parse(await readFile(join(home, 'ports.json'), 'utf8')) as Record<string, number>;
  const ports = await portsNow();
  const ids: string[] = [];
  let settled: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = await newcomer.start();
    if (round % 4 === 0) ids.push(await register(started));
    if (round === ROUNDS - 1) await expectCompleted(started, ids);
    ENDS[round % ENDS.length]?.(started.npm.pid);
    await started.npm.exit;
    await expectNothingLeft(home, ports);
    if (round === SETTLED) settled = await filesOf(home);
  }
  expect(await portsNow()).toEqual(ports);
  const files = await filesOf(home);
  expect(Object.keys(files).toSorted()).toEqual(Object.keys(settled).toSorted());
  const grown = Object.entries(files).filter(([name, size]) => {
    // A log is of one run.
    if (name.endsWith('.log')) return size > 64 * KIB;
    if (name.endsWith('pg_wal')) return size > WAL;
    return size - (settled[name] ?? 0) > (ROUNDS - SETTLED) * GROWTH;
  });
  expect(grown).toEqual([]);
}, 900_000);
