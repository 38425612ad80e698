import { sleep } from '@temporalio/workflow';
import type { Place, QuotaWait } from '../activities/contract.ts';

/** The timer ends this long before the turn: an activity takes a moment to begin, and waits for the
 * rest of it inside. */
const LEAD_MS = 500;

/**
 * Calls a step until its turn has come. A spent quota is waited for by a timer, with a place in the
 * queue: it spends no attempt, adds a handful of events, and a cancel ends it at once.
 * @param attempts of the step in all
 */
export async function inTurn(
  attempts: number,
  call: (left: number, place: Place | undefined) => Promise<QuotaWait | null>,
): Promise<void> {
  let left = attempts;
  let wait = await call(left, undefined);
  while (wait) {
    const { quota, at, waitMs } = wait;
    left = Math.max(1, left - wait.attempts);
    await sleep(Math.max(1, Math.ceil(waitMs) - LEAD_MS));
    wait = await call(left, { quota, at });
  }
}
