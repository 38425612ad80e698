import type { EventDestination } from '../../src/domain/outbox.ts';
import type { Availability } from '../../src/telemetry/availability.ts';
import type { UserEvent } from '../../src/domain/user-event.ts';

/** What became of one event at a destination. */
export type Outcome =
  | { readonly id: string; readonly kind: 'delivered' }
  | {
      readonly id: string;
      readonly kind: 'failed';
      /** Short, and of no person: it is logged and stays in the row. */
      readonly reason: string;
      /** What the other side asked for; the schedule's delay where that is longer. */
      readonly retryAfterMs?: number;
    };

/** A place that events go to. Each run of the relay opens its own. */
export interface Destination {
  readonly name: EventDestination;
  /** How many events are under way at once. */
  readonly batch: number;
  /** The delay after so many failed attempts; null: there is no other. */
  readonly retryInMs: (failedAttempts: number) => number | null;
  /**
   * Tries each event once. One without an outcome was not tried, or nobody knows what became of
   * it: it stays due. Never rejects, and ends at once when `over` aborts.
   */
  deliver(events: readonly UserEvent[], over: AbortSignal): Promise<readonly Outcome[]>;
  close(): Promise<void>;
}

/** A destination, and whether events arrive there: that outlives the run of the relay. */
export interface WatchedDestination extends Destination {
  readonly availability: Availability;
}

/** A fifth more or less, so that what failed together does not come back together. */
export function jittered(ms: number): number {
  return Math.round(ms * (0.8 + Math.random() * 0.4));
}
