// `npm run bench`: registrations over HTTP with `Prefer: wait`, on the fast path and with every step
// as an ordinary activity. All parts share this machine and the sandbox this process, so the ratio
// says more than the numbers.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import { startStack } from '../../dev/stack/stack.ts';
import { migrate } from '../../src/db/migrate.ts';
import { openBench, type Bench, type BenchParts, PATHS } from './open-bench.ts';

const WARM_UP = 20;
const ONE_BY_ONE = 100;
const AT_ONCE = 20;
const MANY = 200;

async function register(url: string): Promise<number> {
  const from = performance.now();
  const answer = await fetch(`${url}/registrations`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer bench',
      'content-type': 'application/json',
      prefer: 'wait=30',
    },
    body: JSON.stringify({ email: `${randomUUID()}@example.com`, roles: ['viewer'] }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${answer.status}: ${text}`);
  return performance.now() - from;
}

/** So many registrations by so many callers; what each took, and what all took. */
async function load(url: string, count: number, callers: number) {
  const took: number[] = [];
  const from = performance.now();
  let left = count;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      took.push(await register(url));
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { took: took.toSorted((a, b) => a - b), seconds: (performance.now() - from) / 1000 };
}

async function measure(bench: Bench) {
  await load(bench.url, WARM_UP, 4);
  const { took } = await load(bench.url, ONE_BY_ONE, 1);
  const at = (share: number) => took[Math.ceil(took.length * share) - 1] ?? 0;
  const { seconds } = await load(bench.url, MANY, AT_ONCE);
  return { p50: at(0.5), p95: at(0.95), perSecond: MANY / seconds };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function compare(parts: BenchParts): Promise<void> {
  print(`one caller, ${ONE_BY_ONE} registrations; then ${AT_ONCE} callers, ${MANY}`);
  const results = [];
  for (const path of PATHS) {
    const bench = await openBench(parts, path);
    try {
      const result = await measure(bench);
      results.push(result);
      const { p50, p95, perSecond } = result;
      const numbers = `p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`;
      print(`${path.padEnd(9)} ${numbers}, ${perSecond.toFixed(0)} a second`);
    } finally {
      await bench.close();
    }
  }
  const [fast, ordinary] = results;
  if (!fast || !ordinary) return;
  const latency = (ordinary.p50 / fast.p50).toFixed(1);
  const throughput = (fast.perSecond / ordinary.perSecond).toFixed(1);
  print(`the fast path: p50 ${latency} times shorter, ${throughput} times the throughput`);
}

const home = await mkdtemp(join(tmpdir(), 'registrar-bench-'));
await chmod(home, 0o755);
// A database or a pool of the developer's shell must never meet this.
const KEPT = ['PATH', 'HOME', 'TEMPORAL_ADDRESS', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];
const env = Object.fromEntries(KEPT.map((name) => [name, process.env[name]]));
try {
  const stack = await startStack({ home, env, log: print, ephemeral: true });
  try {
    Object.assign(process.env, stack.env);
    const client = sandboxClient(stack.env['COGNITO_ENDPOINT'] ?? '');
    const databaseUrl = stack.env['DATABASE_URL'] ?? '';
    await migrate(databaseUrl);
    const { userPoolId } = await makePool(client, 'bench');
    const temporalAddress = stack.env['TEMPORAL_ADDRESS'] ?? '';
    await compare({ temporalAddress, databaseUrl, client, userPoolId });
    client.destroy();
  } finally {
    await stack.stop();
  }
} finally {
  await rm(home, { recursive: true, force: true });
}
