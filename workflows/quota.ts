import { sleep } from '@temporalio/workflow';
import type { GraceWait, StepGoesOn, StepWait } from '../activities/contract.ts';
import { EARLY, forQuota, GRACE } from './timers.ts';

/** The timer ends this long before the step's time: an activity takes a moment to begin, and waits for the
 * rest of it inside. */
const LEAD_MS = 500;

/** One activity of a step. @param left attempts that it has */
export type QuotaCall = (left: number, from: StepGoesOn) => Promise<StepWait | GraceWait | null>;

/**
 * Calls a step until the quota allows it. A spent quota is waited for by a timer, with a place in the
 * queue: it spends no attempt, adds a handful of events, and a cancel ends it at once.
 * @param attempts of the step in all
 * @param earlier attempts of it that are spent already
 * @returns what the step itself waits for
 */
export async function withQuota(
  attempts: number,
  call: QuotaCall,
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

/** Calls until nothing has to be waited for: a write without a reply may land within its grace. */
export async function afterGrace<T>(call: () => Promise<T | GraceWait>): Promise<T> {
  for (;;) {
    const answer = await call();
    if (!isGraceWait(answer)) return answer;
    await sleep(Math.max(1, answer.graceMs), GRACE);
  }
}

function isGraceWait(answer: unknown): answer is GraceWait {
  return typeof answer === 'object' && answer !== null && 'graceMs' in answer;
}
