import {
  FIRST_DELIVERED,
  pruneDelivered,
  type DeliveredPlace,
} from '../../src/ledger/outbox/prune.ts';
import type { RelayStepDeps } from './deliver-due.ts';
import { pause, POLL_MS } from './pause.ts';

const AT_ONCE = 500;

/** Deletes what was delivered long ago: one pass for each relay, a page at a time. */
export async function prune({ db, log }: RelayStepDeps, over: AbortSignal): Promise<void> {
  let pruned = 0;
  let from: DeliveredPlace | null = FIRST_DELIVERED;
  while (from && !over.aborted) {
    const { deleted, next }: Awaited<ReturnType<typeof pruneDelivered>> = await pruneDelivered(
      db,
      from,
      AT_ONCE,
    );
    pruned += deleted;
    from = next;
    // Deliveries go first.
    if (from) await pause(POLL_MS, over);
  }
  if (pruned > 0) log.info({ pruned }, 'delivered outbox rows deleted');
}
