import type { Change } from './change.ts';
import type { Registration } from './registration.ts';

/** What came of one call of the identity provider, as coarse as it is counted. `no_reply`: it may
 * have had its effect; `missing`: the user, or the role, is not there. */
export const CALL_OUTCOMES = [
  'ok',
  'throttled',
  'no_reply',
  'server_error',
  'exists',
  'missing',
  'rejected',
  'refused',
  'other',
] as const;
export type CallOutcome = (typeof CALL_OUTCOMES)[number];

export interface ProviderCall {
  /** As the provider names it: `AdminCreateUser`. */
  readonly operation: string;
  readonly outcome: CallOutcome;
  readonly seconds: number;
}

/** Who counts what happens in this process. Nothing in it throws or waits. */
export interface Telemetry {
  /** The row moved to the status that it has now, and the move is committed. Whoever finds it moved
   * already tells nothing, so that a repeat counts once. */
  readonly statusChanged: (row: Registration) => void;
  /** The same of a later change. */
  readonly changeStatusChanged: (change: Change) => void;
  /** An attempt to take back what was done ended with this code of FAILURES. */
  readonly compensationFailed: (code: string) => void;
  readonly called: (call: ProviderCall) => void;
}

/** For a process that nobody scrapes. */
export const NO_TELEMETRY: Telemetry = {
  statusChanged: () => undefined,
  changeStatusChanged: () => undefined,
  compensationFailed: () => undefined,
  called: () => undefined,
};
