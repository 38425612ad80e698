import type { Database } from '../../src/db/client.ts';
import type { Runs, UserRuns } from '../../src/domain/runs.ts';
import { changeResumeProgress, claimChangesForResume } from '../../src/ledger/changes/park.ts';
import { claimForResume, resumeProgress } from '../../src/ledger/registrations/park.ts';
import type { StepLog } from '../step-context.ts';

const AT_ONCE = 10;
/** The provider is still ill when this many of a batch park again: the round ends. */
const FAILURES_THAT_END_A_ROUND = 3;
/** A round ends well before its activity does. */
const ROUND_MS = 5 * 60_000;
/** A row whose run does not answer is tried again after this. */
const CLAIM_SECONDS = 300;
/** A scheduled resume makes one attempt of at most 5 s per role. */
const BATCH_SECONDS = 15;

export interface ResumeDueDeps {
  readonly db: Database;
  readonly runs: Runs;
  readonly userRuns: UserRuns;
  readonly log: StepLog;
  readonly stopping: AbortSignal;
}

interface Due {
  readonly id: string;
  readonly resumeAttempts: number;
}

interface Resumed {
  readonly signalled: number;
  readonly stillParked: number;
}

/** Parked rows of one table, and how one of them is resumed. */
interface Parked<Row extends Due> {
  readonly status: string;
  /** Those that are due, so that no other round resumes them for a while. */
  claim(limit: number): Promise<Row[]>;
  signal(row: Row): Promise<void>;
  progress(ids: readonly string[]): Promise<(Due & { readonly status: string })[]>;
}

/** Signals parked registrations and changes that are due. */
export async function resumeDue(deps: ResumeDueDeps, heartbeat: () => void): Promise<Resumed> {
  const { db, runs, userRuns } = deps;
  const registrations: Parked<Due> = {
    status: 'roles_pending',
    claim: (limit) => claimForResume(db, limit, CLAIM_SECONDS),
    signal: ({ id }) => runs.resume(id, 'schedule'),
    progress: (ids) => resumeProgress(db, ids),
  };
  const changes: Parked<Due & { readonly userId: string }> = {
    status: 'parked',
    claim: (limit) => claimChangesForResume(db, limit, CLAIM_SECONDS),
    signal: ({ userId }) => userRuns.wake(userId, 'schedule'),
    progress: (ids) => changeResumeProgress(db, ids),
  };
  const both = await Promise.allSettled([
    resumeRows(deps, registrations, heartbeat),
    resumeRows(deps, changes, heartbeat),
  ]);
  const sum = { signalled: 0, stillParked: 0 };
  for (const one of both) {
    if (one.status === 'rejected') throw one.reason;
    sum.signalled += one.value.signalled;
    sum.stillParked += one.value.stillParked;
  }
  return sum;
}

/** Signals rows that are due, ten at a time, and looks how they fared before the next ten. */
async function resumeRows<Row extends Due>(
  deps: ResumeDueDeps,
  parked: Parked<Row>,
  heartbeat: () => void,
): Promise<Resumed> {
  let signalled = 0;
  let stillParked = 0;
  const until = Date.now() + ROUND_MS;
  while (Date.now() < until && !deps.stopping.aborted) {
    const due = await parked.claim(AT_ONCE);
    if (due.length === 0) break;
    const sent = await Promise.all(due.map((row) => signal(deps, parked, row)));
    signalled += sent.filter(Boolean).length;
    const failed = await failuresAmong(deps, parked, due, heartbeat);
    stillParked += failed;
    if (failed >= FAILURES_THAT_END_A_ROUND) break;
  }
  return { signalled, stillParked };
}

async function signal<Row extends Due>(
  deps: ResumeDueDeps,
  parked: Parked<Row>,
  row: Row,
): Promise<boolean> {
  try {
    await parked.signal(row);
    return true;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Unknown';
    deps.log.warn(
      { id: row.id, error: name },
      'signal to parked run failed; the schedule will retry',
    );
    return false;
  }
}

async function failuresAmong<Row extends Due>(
  deps: ResumeDueDeps,
  parked: Parked<Row>,
  due: readonly Row[],
  heartbeat: () => void,
): Promise<number> {
  const before = new Map(due.map(({ id, resumeAttempts }) => [id, resumeAttempts]));
  let undecided = due.length;
  let failed = 0;
  for (let second = 0; second < BATCH_SECONDS && undecided > 0; second += 1) {
    heartbeat();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await parked.progress([...before.keys()]);
    const waiting = now.filter(({ status }) => status === parked.status);
    failed = waiting.filter((row) => row.resumeAttempts > (before.get(row.id) ?? 0)).length;
    undecided = waiting.length - failed;
    if (deps.stopping.aborted) break;
  }
  return failed;
}
