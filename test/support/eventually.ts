import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until something holds; throws when it does not in time. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in ${withinMs} ms: ${holds.toString()}`);
    await sleep(20);
  }
}
