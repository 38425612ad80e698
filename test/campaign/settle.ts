import { setTimeout as sleep } from 'node:timers/promises';
import { OPEN_CHANGE } from '../../src/domain/change.ts';
import { OPEN } from '../../src/domain/status.ts';
import { rowsWithStrayProfiles } from '../../src/ledger/registrations/profile.ts';
import { GRACE_SECONDS } from './faults.ts';
import type { Stage } from './stage.ts';

/** A terminated run is swept after a minute, a slow create comes again after another. */
const CLOSED_MS = 180_000;
const LANDED_MS = 30_000;
const ENDED_MS = 60_000;

/** Waits until nothing moves any more: faults ended, rows closed, late requests landed, runs ended.
 * What does not come about in time is left for the findings. */
export async function settle(stage: Stage): Promise<void> {
  const { site, api } = stage;
  await site.setFaults([]);
  site.profiles?.setFaults();
  await until(async () => (await api.inStatus(...OPEN)).length === 0, CLOSED_MS);
  await until(async () => (await api.changesInStatus(...OPEN_CHANGE)).length === 0, CLOSED_MS);
  await until(async () => (await site.late()) === 0, LANDED_MS);
  await until(() => Promise.resolve(site.profiles?.hasLateEffects() !== true), LANDED_MS);
  // What is guarded is guarded for so long, and what is looked at again is looked at after it.
  await sleep(GRACE_SECONDS * 1000);
  await until(async () => (await openRuns(stage)).length === 0, ENDED_MS);
  await until(async () => (await rowsWithStrayProfiles(site.db, 1)).length === 0, ENDED_MS);
}

export async function openRuns({ site }: Stage): Promise<string[]> {
  const query = `WorkflowType IN ('registerUser', 'changeUser') AND ExecutionStatus = 'Running'
    AND TaskQueue = '${site.taskQueue}'`;
  const open: string[] = [];
  for await (const { workflowId } of site.temporal.workflow.list({ query })) open.push(workflowId);
  return open;
}

async function until(holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline && !(await holds())) await sleep(500);
}
