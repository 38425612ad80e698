import type { ActivityOptions } from '@temporalio/workflow';
import type { BackgroundActivities, PoolReport } from '../activities/contract.ts';
import { COMPARISON, ROUND, RELAY } from './activity-options.ts';
import { inBackground, summarised } from './proxies.ts';

/** By the schedule: open rows that no run takes care of. */
export async function sweepRegistrations(): Promise<void> {
  await activities(ROUND).sweep();
}

/** By the schedule: parked rows whose time has come. */
export async function resumeStuckRegistrations(): Promise<void> {
  await activities(ROUND).resumeDue();
}

/** By the schedule, whose overlap policy keeps it one at a time: each run relays for ten minutes. */
export async function relayEvents(): Promise<void> {
  await activities(RELAY).relay();
}

/** By the schedule, daily: what ledger and pool say of each other. Nothing is changed. */
export async function comparePool(): Promise<PoolReport> {
  const comparison = activities(COMPARISON);
  let at = await comparison.comparePool(null);
  while (at.stage !== 'done') at = await comparison.comparePool(at);
  return at.report;
}

function activities(options: ActivityOptions) {
  return summarised<BackgroundActivities>(inBackground(options));
}
