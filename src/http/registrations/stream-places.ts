import { Problem } from '../problems/problem-details.ts';
import type { StreamLimits } from '../app-deps.ts';

const FULL = 'This process has reached its limit of open streams. Try again, or poll instead.';
const CALLER_FULL =
  'You have reached the limit of open streams per caller. Close one and try again, or poll instead.';
const RETRY_AFTER_SECONDS = '5';

/** Counts the open streams of this process, in total and per caller. */
export class StreamPlaces {
  readonly #limits: Pick<StreamLimits, 'atOnce' | 'perCaller'>;
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(limits: Pick<StreamLimits, 'atOnce' | 'perCaller'>) {
    this.#limits = limits;
  }

  /** @throws Problem */
  take(callerId: string): void {
    const own = this.#takenBy.get(callerId) ?? 0;
    if (own >= this.#limits.perCaller) {
      const headers = { 'retry-after': RETRY_AFTER_SECONDS };
      throw new Problem('rate_limited', { detail: CALLER_FULL, headers });
    }
    if (this.#taken >= this.#limits.atOnce) throw new Problem('unavailable', { detail: FULL });
    this.#taken += 1;
    this.#takenBy.set(callerId, own + 1);
  }

  free(callerId: string): void {
    const left = (this.#takenBy.get(callerId) ?? 0) - 1;
    this.#taken -= 1;
    if (left > 0) this.#takenBy.set(callerId, left);
    else this.#takenBy.delete(callerId);
  }
}
