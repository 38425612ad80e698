// `node run.mjs test/bench/restarts.ts`: how long a registration takes while the sweep restarts 10,000
// parked runs that Temporal no longer knows, and how long when nothing else is to be done. API core and
// worker are one process; Temporal, PostgreSQL and the sandbox share the machine.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { sandboxClient } from '../../dev/cognito/client.ts';
import { makePool } from '../../dev/cognito/pool.ts';
import { startStack } from '../../dev/stack/stack.ts';
import { parseConfig } from '../../src/config/config.ts';
import { openDatabase } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { accept } from '../../src/ledger/registrations/accept.ts';
import { ensureSearchAttributes } from '../../src/temporal/search-attribute.ts';
import { connectTemporal } from '../../src/temporal/connection.ts';
import { wireProcess } from '../../src/wiring.ts';
import { acceptInput } from '../support/accept-input.ts';
import { insertLostRows } from '../support/lost-rows.ts';

const LOST = 10_000;
const WARM_UP = 30;
const EACH = 200;
/** As long as a caller of the API may wait. */
const WAITS_MS = 30_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const waiters = new Map<string, () => void>();

function open(env: Readonly<Record<string, string>>) {
  const config = parseConfig({ ...env, ENVIRONMENT: 'local' }, 'worker');
  const parts = wireProcess(config, {
    hostsWorker: true,
    changed: (id, completed) => {
      if (completed) waiters.get(id)?.();
    },
    log: pino({ level: 'error' }),
  });
  return { config, parts };
}

type Parts = ReturnType<typeof open>['parts'];

/** @returns milliseconds; undefined for one that was not completed on the fast path in time */
async function register({ pool, runs }: Parts): Promise<number | undefined> {
  const from = performance.now();
  const input = acceptInput({ invite: false });
  const completed = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), WAITS_MS);
    waiters.set(input.id, () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  await accept(pool.db, input);
  runs.startSoon(input.id);
  const isCompleted = await completed;
  waiters.delete(input.id);
  return isCompleted ? performance.now() - from : undefined;
}

async function measure(name: string, parts: Parts): Promise<void> {
  const took: number[] = [];
  let missed = 0;
  for (let made = 0; made < EACH; made += 1) {
    const ms = await register(parts);
    if (ms === undefined) missed += 1;
    else took.push(ms);
  }
  took.sort((a, b) => a - b);
  const at = (share: number) => (took[Math.ceil(took.length * share) - 1] ?? 0).toFixed(0);
  const numbers = `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms`;
  print(`${name.padEnd(24)} ${numbers}, ${missed} not in ${WAITS_MS / 1000} s`);
}

async function compare(env: Readonly<Record<string, string>>): Promise<void> {
  const { config, parts } = open(env);
  const pool = openDatabase(env['DATABASE_URL'] ?? '', 1);
  const owner = pool.db;
  const restarted = async () => {
    const [row] = await owner.execute<{ count: number }>(sql`SELECT count(*)::int
      FROM registrations WHERE email LIKE 'lost-%' AND run_id <> 'lost'`);
    return row?.count ?? 0;
  };
  while (parts.temporal.state().worker !== 'ok') {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (let made = 0; made < WARM_UP; made += 1) await register(parts);
  await measure('idle', parts);

  const parked = acceptInput();
  await accept(owner, parked);
  await owner.execute(sql`UPDATE registrations SET status = 'roles_pending', parked_at = now(),
    roles_touched = roles, create_attempt = 1, create_attempted_at = now(),
    create_outcome = 'created', cognito_username = email, user_id = email, user_created_at = now(),
    next_resume_at = now() + interval '1 day', swept_at = now() - interval '1 hour', run_id = 'lost'
    WHERE id = ${parked.id}`);
  await insertLostRows(owner, parked.id, LOST);
  await owner.execute(sql.raw('ANALYZE registrations'));
  // Round after round, as the schedule has them, and without a pause between two.
  const sweeping = { over: false };
  const client = parts.temporal.client();
  const rounds = (async () => {
    while (!sweeping.over) {
      const { taskQueue } = config.temporal;
      await client?.workflow.execute('sweepRegistrations', {
        workflowId: `bench/${randomUUID()}`,
        taskQueue,
      });
    }
  })();
  const from = performance.now();
  while ((await restarted()) === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  await measure('while runs are restarted', parts);
  const seconds = (performance.now() - from) / 1000;
  print(`${await restarted()} of ${LOST} runs restarted in ${seconds.toFixed(0)} s meanwhile`);
  sweeping.over = true;
  // Not deleted: a run that has been started already has to find its row.
  await owner.execute(sql`UPDATE registrations SET status = 'failed', finished_at = now()
    WHERE email LIKE 'lost-%'`);
  await rounds;
  await measure('idle again', parts);
  await parts.close();
  await pool.close();
}

const home = await mkdtemp(join(tmpdir(), 'registrar-bench-'));
await chmod(home, 0o755);
// A database or a pool of the developer's shell must never meet this.
const KEPT = ['PATH', 'HOME', 'TEMPORAL_CLI', 'REGISTRAR_CACHE'];
const given = Object.fromEntries(KEPT.map((name) => [name, process.env[name]]));
try {
  const stack = await startStack({ home, env: given, log: print, ephemeral: true });
  try {
    Object.assign(process.env, stack.env);
    await migrate(stack.env['DATABASE_URL'] ?? '');
    const client = sandboxClient(stack.env['COGNITO_ENDPOINT'] ?? '');
    const { userPoolId } = await makePool(client, 'bench');
    client.destroy();
    const unpaced = { COGNITO_CREATE_RPS: '0', COGNITO_UPDATE_RPS: '0' };
    const env = { ...stack.env, ...unpaced, COGNITO_USER_POOL_ID: userPoolId };
    const { temporal } = parseConfig({ ...env, ENVIRONMENT: 'local' }, 'worker');
    const connection = await connectTemporal(temporal);
    await ensureSearchAttributes(connection, temporal.namespace);
    await connection.close();
    await compare(env);
  } finally {
    await stack.stop();
  }
} finally {
  await rm(home, { recursive: true, force: true });
}
