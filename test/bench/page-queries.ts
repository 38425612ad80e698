import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openDatabase, type Database } from '../../src/db/client.ts';
import { readOverview, type OverviewSources } from '../../src/ledger/overview.ts';
import { readTemporalOverview } from '../../src/temporal/overview.ts';
import { cleanEnvironment, REPOSITORY } from '../support/program.ts';
import type { Target } from './load.ts';
import { percentile } from './statistics.ts';

export interface QueryTimes {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
}

/** The deployment that `npm run status` reports on. */
export interface TemporalSide {
  readonly address: string;
  readonly taskQueue: string;
}

const REPEATS = 100;
const COMMANDS = 20;

const WEEK_AGO = new Date(Date.now() - 7 * 86_400_000).toISOString();
const DAY_AGO = new Date(Date.now() - 86_400_000).toISOString();

/** Pages of 50 that an operator opens; `{cursor}` is the end of the first page. */
const PAGES: Readonly<Record<string, string>> = {
  'newest registrations': '/registrations?limit=50',
  'the page after it': '/registrations?limit=50&cursor={cursor}',
  'parked registrations': '/registrations?limit=50&status=roles_pending',
  'failed registrations': '/registrations?limit=50&status=failed',
  'by e-mail address': '/registrations?limit=50&email=user-500000@aged.example',
  'by beginning of the address': '/registrations?limit=50&emailPrefix=user-50000',
  'by a common role': '/registrations?limit=50&role=viewer',
  'by a rare role': '/registrations?limit=50&role=researcher',
  'by an unknown role': '/registrations?limit=50&role=unknown',
  'by filters that never meet': '/registrations?limit=50&role=researcher&requestedBy=caller-7',
  'by who requested it': '/registrations?limit=50&requestedBy=caller-7',
  'accepted within six days': `/registrations?limit=50&acceptedAfter=${WEEK_AGO}&acceptedBefore=${DAY_AGO}`,
  'newest audit events': '/audit-events?limit=50',
  'by an event that never occurred': '/audit-events?limit=50&event=administrator.created',
  'metrics with the backlog': '/metrics',
};

/** Each page again and again by one caller, and the overview of `npm run status`. */
export async function timeQueries(
  target: Target,
  ledgerUrl: string,
  temporal: TemporalSide,
): Promise<QueryTimes[]> {
  const times: QueryTimes[] = [];
  const first = JSON.parse(await get(target, '/registrations?limit=50')) as { nextCursor: string };
  for (const [name, page] of Object.entries(PAGES)) {
    const path = page.replace('{cursor}', encodeURIComponent(first.nextCursor));
    times.push(await time(name, () => get(target, path)));
  }
  const pool = openDatabase(ledgerUrl, 2);
  try {
    times.push(await time('overview of `npm run status`', () => readOverview(sources(pool.db))));
  } finally {
    await pool.close(1);
  }
  const command = () => statusCommand(ledgerUrl, temporal);
  times.push(await time('`npm run status`, the whole command', command, COMMANDS));
  return times;
}

/** The ledger's part: Temporal's own does not depend on the age of the ledger. */
function sources(db: Database): OverviewSources {
  return {
    db,
    quotas: { createRps: 40, updateRps: 20 },
    temporal: () => readTemporalOverview(null, { namespace: '', taskQueue: '', withinMs: 0 }),
  };
}

/** As an operator types it, npm included. It ends with 2 while anything needs a person. */
async function statusCommand(databaseUrl: string, temporal: TemporalSide): Promise<void> {
  const env = cleanEnvironment({
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_TASK_QUEUE: temporal.taskQueue,
  });
  const child = spawn('npm', ['run', 'status'], { cwd: REPOSITORY, env, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0 && code !== 2) throw new Error(`npm run status ended with ${code}`);
}

async function time(
  name: string,
  work: () => Promise<unknown>,
  repeats = REPEATS,
): Promise<QueryTimes> {
  await work();
  const took: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const from = performance.now();
    await work();
    took.push(performance.now() - from);
  }
  return { name, p50: percentile(took, 0.5), p99: percentile(took, 0.99) };
}

async function get({ url, bearer }: Target, path: string): Promise<string> {
  const answer = await fetch(url + path, { headers: { authorization: `Bearer ${bearer}` } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${text}`);
  return text;
}
