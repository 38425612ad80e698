/** An attempt of an activity that Temporal is still working on. */
export interface PendingAttempt {
  /** As in the receipt's steps, `assignRole:<role>` included. */
  readonly step: string;
  readonly attempt: number;
  readonly status: 'running' | 'retrying';
  /** A code of FAILURES. */
  readonly lastError: string | null;
  readonly nextRetryAt: Date | null;
}

export type RunState =
  | { readonly kind: 'open'; readonly runId: string; readonly pending: readonly PendingAttempt[] }
  | { readonly kind: 'completed'; readonly runId: string; readonly closedAt: Date }
  /** Failed, canceled, terminated or timed out. */
  | { readonly kind: 'ended'; readonly runId: string; readonly closedAt: Date }
  | { readonly kind: 'not_found' };

/** first: a person waits for it · lost: Temporal no longer knows its run · repair: its run has failed. The
 * last two are background work. */
export type StartKind = 'first' | 'lost' | 'repair';

/** The runs of registrations, as the API and the sweep see them. The one implementation is src/temporal. */
export interface Runs {
  /** Starts the run in the background; never throws, never blocks: what is not started is the sweep's. */
  startSoon(registrationId: string): void;
  /** Starts it now; a run that is already there counts as started. */
  start(registrationId: string, how: StartKind): Promise<void>;
  cancel(registrationId: string): Promise<void>;
  /** Wakes a parked run or a stuck cleanup; the row says what is requested. */
  resume(registrationId: string, by: 'operator' | 'schedule'): Promise<void>;
  describe(registrationId: string): Promise<RunState>;
  /** Registrations whose runs wait parked, the latest started first. */
  waiting(limit: number): Promise<string[]>;
}
