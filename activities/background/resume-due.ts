import type { Database } from '../../src/db/client.ts';
import type { Runs } from '../../src/domain/runs.ts';
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
  readonly log: StepLog;
  readonly stopping: AbortSignal;
}

/** Signals parked rows that are due, ten at a time, and looks how they fared before the next ten. */
export async function resumeDue(
  deps: ResumeDueDeps,
  heartbeat: () => void,
): Promise<{ signalled: number; stillParked: number }> {
  let signalled = 0;
  let stillParked = 0;
  const until = Date.now() + ROUND_MS;
  while (Date.now() < until && !deps.stopping.aborted) {
    const due = await claimForResume(deps.db, AT_ONCE, CLAIM_SECONDS);
    if (due.length === 0) break;
    const sent = await Promise.all(due.map(({ id }) => signal(deps, id)));
    signalled += sent.filter(Boolean).length;
    const failed = await failuresAmong(deps, due, heartbeat);
    stillParked += failed;
    if (failed >= FAILURES_THAT_END_A_ROUND) break;
  }
  return { signalled, stillParked };
}

async function signal(deps: ResumeDueDeps, id: string): Promise<boolean> {
  try {
    await deps.runs.resume(id, 'schedule');
    return true;
  } catch (error) {
    const name = error instanceof Error ? error.name : 'Unknown';
    deps.log.warn(
      { registrationId: id, error: name },
      'signal to parked run failed; the schedule will retry',
    );
    return false;
  }
}

async function failuresAmong(
  deps: ResumeDueDeps,
  due: readonly { id: string; resumeAttempts: number }[],
  heartbeat: () => void,
): Promise<number> {
  const before = new Map(due.map(({ id, resumeAttempts }) => [id, resumeAttempts]));
  let undecided = due.length;
  let failed = 0;
  for (let second = 0; second < BATCH_SECONDS && undecided > 0; second += 1) {
    heartbeat();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await resumeProgress(deps.db, [...before.keys()]);
    const parked = now.filter(({ status }) => status === 'roles_pending');
    failed = parked.filter((row) => row.resumeAttempts > (before.get(row.id) ?? 0)).length;
    undecided = parked.length - failed;
    if (deps.stopping.aborted) break;
  }
  return failed;
}
