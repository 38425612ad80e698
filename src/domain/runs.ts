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

/**
 * Why the run of a person's changes is woken. accepted: a change was accepted · interrupt: somebody asked
 * for a retry or a cancel, or a change that overtakes was accepted · schedule: a parked change is due.
 */
export type WakeReason = 'accepted' | 'interrupt' | 'schedule';

/** Of an open run, `pending` belongs to the change `changeId`; null: none is being performed. */
export type UserRunState =
  | Exclude<RunState, { kind: 'open' }>
  | (Extract<RunState, { kind: 'open' }> & { readonly changeId: string | null });

/** The runs of persons: each performs the changes of one person (src/domain/change.ts), one after the
 * other. The one implementation is src/temporal. */
export interface UserRuns {
  /** Wakes the run in the background, or starts one where none is open; never throws, never blocks:
   * what is not woken is the sweep's. */
  wakeSoon(userId: string, why: WakeReason): void;
  /** The same now. @param how background: nobody waits for it */
  wake(userId: string, why: WakeReason, how?: 'background'): Promise<void>;
  describe(userId: string): Promise<UserRunState>;
  /** Persons whose runs wait with a parked change, the latest started first. */
  waiting(limit: number): Promise<string[]>;
}
