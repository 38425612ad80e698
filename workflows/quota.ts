import { sleep } from '@temporalio/workflow';
import type { QuotaWait, StepRef } from '../activities/contract.ts';

/** The timer ends this long before the turn: an activity takes a moment to begin, and waits for the
 * rest of it inside. */
const LEAD_MS = 500;

/**
 * Calls a step until its turn has come. A spent quota is waited for by a timer, with a place in the
 * queue: it spends no attempt, adds a handful of events, and a cancel ends it at once.
 * @param attempts of the step in all
 * @param earlier attempts of it that are spent already
 */
export async function inTurn(
  attempts: number,
  call: (left: number, from: Pick<StepRef, 'place' | 'earlier'>) => Promise<QuotaWait | null>,
  earlier = 0,
): Promise<void> {
  let left = attempts;
  let wait = await call(left, { ...(earlier > 0 && { earlier }) });
  while (wait) {
    const { quota, at, waitMs } = wait;
    left = Math.max(1, left - wait.attempts);
    await sleep(Math.max(1, Math.ceil(waitMs) - LEAD_MS));
    wait = await call(left, { place: { quota, at }, earlier: wait.attempts });
  }
}
