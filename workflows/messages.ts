/** Signals of `registerUser`, typed once and shared with the client. The row carries what is requested;
 * the signal only wakes the run. */
export const RESUME_SIGNAL = 'resume';
/** Who woke the run: an operator's instruction gets a full budget, the schedule one attempt per role. */
export type ResumedBy = 'operator' | 'schedule';

export const STATUS_ATTRIBUTE = 'RegistrationStatus';
