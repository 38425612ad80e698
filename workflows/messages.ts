/** Signals of `registerUser`, typed once and shared with the client. The row carries what is requested;
 * the signal only wakes the run. */
export const RESUME_SIGNAL = 'resume';
/** Who woke the run: an operator's instruction gets a full budget, the schedule one attempt per role. */
export type ResumedBy = 'operator' | 'schedule';

/** The signal of `changeUser`, with a `WakeReason` (src/domain/runs.ts). */
export const WAKE_SIGNAL = 'wake';
/** The memo of a run of `changeUser`: the id of the change that it performs. */
export const CHANGE_MEMO = 'changeId';

/** Where activities of background work are served: by few slots, so that persons find theirs free. */
export function backgroundTaskQueueOf(taskQueue: string): string {
  return `${taskQueue}-background`;
}

export const STATUS_ATTRIBUTE = 'RegistrationStatus';
export const FAILURE_ATTRIBUTE = 'RegistrationFailure';
/** Search attributes of the namespace, all of type Keyword. */
export const SEARCH_ATTRIBUTES = [STATUS_ATTRIBUTE, FAILURE_ATTRIBUTE] as const;
