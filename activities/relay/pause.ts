import { setTimeout as delay } from 'node:timers/promises';

/** How often the outbox is looked at. */
export const POLL_MS = 250;

/** Waits, or until `over` aborts: whoever calls then ends by itself. */
export async function pause(ms: number, over: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: over }).catch(() => undefined);
}
