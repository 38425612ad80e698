import { sleep } from '@temporalio/workflow';
import { EARLY, forQuota } from './timers.ts';
import type { GraceWait, StepRef, StepWait } from '../activities/contract.ts';

/** The timer ends this long before the step's time: an activity takes a moment to begin, and waits for the
 * rest of it inside. */
const LEAD_MS = 500;

/**
 * Calls a step until the quota allows it. A spent quota is waited for by a timer, with a place in the
 * queue: it spends no attempt, adds a handful of events, and a cancel ends it at once.
 * @param attempts of the step in all
 * @param earlier attempts of it that are spent already
 * @returns what the step itself waits for
 */
export async function withQuota(
  attempts: number,
  call: (
    left: number,
    from: Pick<StepRef, 'place' | 'earlier'>,
  ) => Promise<StepWait | GraceWait | null>,
  earlier = 0,
): Promise<GraceWait | null> {
  let left = attempts;
  let wait = await call(left, { ...(earlier > 0 && { earlier }) });
  while (wait && 'attempts' in wait) {
    const { waitMs, attempts: spent } = wait;
    const place = 'quota' in wait ? { quota: wait.quota, at: wait.at } : undefined;
    left = Math.max(1, left - spent);
    const why = place ? forQuota(place.quota) : EARLY;
    await sleep(Math.max(1, Math.ceil(waitMs) - (place ? LEAD_MS : 0)), why);
    wait = await call(left, { ...(place && { place }), earlier: spent });
  }
  return wait;
}
