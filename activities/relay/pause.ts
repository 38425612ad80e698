import { setTimeout as delay } from 'node:timers/promises';

/** How often the outbox is looked at. */
export const POLL_MS = 250;

/** Waits, or until `over` aborts: whoever calls then ends by itself. */
export async function pause(ms: number, over: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: over }).catch(() => undefined);
}

/** A piece that met an outage must not stop a round whose worker has to be heard every 10 s. */
const MAX_REST_MS = 5000;

/**
 * Rests between two pieces of background work, so that it takes a bounded share of the time, and less of a
 * machine that persons keep busy.
 * @param since when the piece began, by `performance.now()`
 * @param times as long as the piece took: with 3, the work takes a quarter of the time
 */
export async function rest(since: number, over: AbortSignal, times = 3): Promise<void> {
  await pause(restMs(performance.now() - since, times), over);
}

export function restMs(tookMs: number, times = 3): number {
  return Math.min(MAX_REST_MS, tookMs * times);
}
