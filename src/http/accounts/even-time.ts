import { setTimeout as sleep } from 'node:timers/promises';

/** Longer than a sign-in at Cognito usually takes. */
const STEP_MS = 500;

/**
 * Delays a refusal to a multiple of STEP_MS since the request began. What came before took longer for
 * some accounts than for others, for example because the password was right but the address unproved.
 * @param begun performance.now() at the beginning
 */
export async function waitForEvenTime(begun: number): Promise<void> {
  await sleep(STEP_MS - ((performance.now() - begun) % STEP_MS));
}
