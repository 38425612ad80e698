import { proxyActivities } from '@temporalio/workflow';
import type { BackgroundActivities, PoolReport } from '../activities/contract.ts';
import { COMPARISON, ROUND, RELAY } from './activity-options.ts';

const round = proxyActivities<BackgroundActivities>(ROUND);
const relaying = proxyActivities<BackgroundActivities>(RELAY);
const comparison = proxyActivities<BackgroundActivities>(COMPARISON);

/** By the schedule: open rows that no run takes care of. */
export async function sweepRegistrations(): Promise<void> {
  await round.sweep();
}

/** By the schedule: parked rows whose time has come. */
export async function resumeStuckRegistrations(): Promise<void> {
  await round.resumeDue();
}

/** By the schedule, whose overlap policy keeps it one at a time: each run relays for ten minutes. */
export async function relayEvents(): Promise<void> {
  await relaying.relay();
}

/** By the schedule, daily: what ledger and pool say of each other. Nothing is changed. */
export async function comparePool(): Promise<PoolReport> {
  let at = await comparison.comparePool(null);
  while (at.stage !== 'done') at = await comparison.comparePool(at);
  return at.report;
}
