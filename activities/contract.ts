/** All that a workflow may know of activities: types only, so that nothing of theirs is bundled. */
import type { ChangeKind, ChangeStatus } from '../src/domain/change.ts';
import type { PublicFailure } from '../src/domain/registration.ts';
import type { FailureName } from '../src/domain/failure.ts';
import type { Outstanding } from '../src/domain/saga.ts';
import type { RegistrationStatus } from '../src/domain/status.ts';

/** How the activities of a run are worked off. */
export interface Worked {
  /** Nobody waits for it: the sweep restarted it, or the schedule resumed it. Its activities take the
   * background worker's few slots and connections, and the background share of the quotas. */
  readonly background?: true;
}

/** The whole input of a run, and of each of its activities: no personal data enters a history. */
export interface RegistrationRef extends Worked {
  readonly registrationId: string;
}

/** The numbers of the retry policy, from the worker's configuration. */
export interface RetryNumbers {
  /** Attempts of one step as an ordinary activity before the run parks; the fast path's comes on top. */
  readonly attempts: number;
  /** Attempts of the compensation before the run says `cleanup_required`. */
  readonly compensationAttempts: number;
}

/** What the row says, as far as the run needs it. */
export interface RegistrationProgress extends Outstanding {
  readonly status: RegistrationStatus;
  /** The profile service may have a profile, should the registration be taken back. */
  readonly profileToDelete: boolean;
  readonly roles: readonly string[];
  readonly instruction: 'none' | 'cancel' | 'pending' | 'acknowledged';
  readonly failure: PublicFailure | null;
  /** How often it has parked since a person last asked for a retry. */
  readonly parks: number;
  readonly retry: RetryNumbers;
  /** Since when it has been parked, RFC 3339; only of a parked row. */
  readonly parkedAt?: string;
  /** Base of the link to its receipt (API_URL), without a slash at its end. */
  readonly apiUrl?: string;
}

/** A place in the queue of a quota, which the row `quota_places` of the step holds. */
export interface Place {
  readonly quota: 'create' | 'update' | 'compensation' | 'background_create' | 'background_update';
  /** Since when the step waits, milliseconds since the epoch by PostgreSQL's clock: it keeps its
   * order even when its row was removed as overdue. */
  readonly at: number;
}

/** What a step brings along that goes on: the place is for its first attempt. */
export interface StepGoesOn {
  readonly place?: Place | undefined;
  /** Attempts that earlier activities made of the step: the first one adds them to the row. */
  readonly earlier?: number;
}

/** The input of a step that meets Cognito. */
export interface StepRef extends RegistrationRef, StepGoesOn {}

/** The quota is used up for now. The step has a place in its queue, and waiting is not an attempt. */
export interface QuotaWait extends Place {
  readonly waitMs: number;
  /** Those that were made before. */
  readonly attempts: number;
}

/** The step may not begin yet: an earlier attempt is too young. Waiting is no attempt. */
export interface EarlyWait {
  readonly waitMs: number;
  /** Those that were made before. */
  readonly attempts: number;
}

/** Why a step has not been attempted yet. */
export type StepWait = QuotaWait | EarlyWait;

/** Nothing failed, but time has to pass: a write without a reply may still land. It is a timer of the
 * run, not a spent attempt. */
export interface GraceWait {
  readonly graceMs: number;
}

/** How an attempt of a step ended that did not succeed. */
export interface StepFailureReport {
  /** As in the receipt, `assignRole:<role>` included. */
  readonly step: string;
  readonly failure: FailureName;
  readonly attempts: number;
}

/** `registerAtOnce` tells how far it came, and what stopped it, if anything did. */
export interface FirstLook {
  readonly run: RegistrationProgress;
  readonly stopped: StepFailureReport | null;
}

/** The details of every ApplicationFailure that an activity throws; its type is a FailureName. */
export interface FailureDetails {
  readonly attempt: number;
}

export interface RegistrationActivities {
  registerAtOnce(ref: RegistrationRef): Promise<FirstLook>;
  beginRegistration(ref: RegistrationRef): Promise<RegistrationProgress>;
  createUser(ref: StepRef): Promise<StepWait | null>;
  setPassword(ref: RegistrationRef): Promise<void>;
  createProfile(ref: RegistrationRef): Promise<void>;
  assignRole(ref: StepRef & { readonly role: string }): Promise<StepWait | null>;
  removeRole(ref: StepRef & { readonly role: string }): Promise<StepWait | null>;
  /** Reads the user's groups, once no earlier write to them can land any more. */
  confirmRoles(ref: RegistrationRef): Promise<GraceWait | null>;
  complete(
    ref: RegistrationRef & { readonly roles: readonly string[] },
  ): Promise<RegistrationProgress>;
  /** @param ref.parks as the run saw it before it tried */
  park(
    ref: RegistrationRef & {
      readonly failed: readonly StepFailureReport[];
      readonly parks: number;
    },
  ): Promise<RegistrationProgress>;
  acknowledgeInstruction(ref: RegistrationRef): Promise<RegistrationProgress>;
  beginCompensation(
    ref: RegistrationRef & {
      readonly failure: FailureName;
      readonly failed: readonly StepFailureReport[];
    },
  ): Promise<RegistrationProgress>;
  deleteProfile(ref: RegistrationRef): Promise<GraceWait | null>;
  deleteUser(ref: StepRef): Promise<StepWait | GraceWait | null>;
  requireCleanup(
    ref: RegistrationRef & { readonly failed: readonly StepFailureReport[] },
  ): Promise<RegistrationProgress>;
  close(ref: RegistrationRef): Promise<RegistrationProgress>;
}

/** The input of a run of `changeUser`, and of each of its activities. */
export interface UserRef extends Worked {
  /** The Cognito sub. */
  readonly userId: string;
}

export interface ChangeRef extends UserRef {
  readonly changeId: string;
}

/** What the row says of a change, as far as the run needs it. */
export interface ChangeProgress {
  readonly changeId: string;
  readonly kind: ChangeKind;
  readonly status: ChangeStatus;
  readonly begun: boolean;
  /** Everything is put back; it never goes forward again. */
  readonly restores: boolean;
  /** Somebody wants something of it that no run has taken yet. */
  readonly instructed: boolean;
  /** In stages: the steps of a stage are performed at once. */
  readonly stepsLeft: readonly (readonly string[])[];
  /** How often it has parked since a person last asked for a retry. */
  readonly parks: number;
  readonly retry: RetryNumbers;
  /** What a parked one waits for, and since when (RFC 3339). */
  readonly parked?: { readonly failure: PublicFailure | null; readonly at: string };
  /** Base of the link to its receipt (API_URL), without a slash at its end. */
  readonly apiUrl?: string;
}

export interface ChangeActivities {
  /** The open change of the person that goes first, its instruction taken; null where none is open. */
  nextChange(ref: UserRef): Promise<ChangeProgress | null>;
  /** Temporal's Cancel of the run, as an instruction to cancel the change that it performs. */
  cancelChange(ref: ChangeRef): Promise<void>;
  beginChange(ref: ChangeRef): Promise<ChangeProgress>;
  changeStep(ref: ChangeRef & StepGoesOn & { readonly step: string }): Promise<StepWait | null>;
  /** Looks again at the account, once no earlier write that would upset the change can land any more. */
  confirmChange(ref: ChangeRef): Promise<GraceWait | ChangeProgress>;
  completeChange(ref: ChangeRef): Promise<ChangeProgress>;
  /** @param ref.parks as the run saw it before it tried */
  parkChange(
    ref: ChangeRef & {
      readonly failed: readonly StepFailureReport[];
      readonly parks: number;
    },
  ): Promise<void>;
  restoreChange(
    ref: ChangeRef & {
      readonly failure: FailureName;
      readonly failed: readonly StepFailureReport[];
    },
  ): Promise<void>;
  /** Closes a change that was put back. */
  closeChange(ref: ChangeRef): Promise<ChangeProgress>;
}

export interface BackgroundActivities {
  sweep(): Promise<SweepReport>;
  resumeDue(): Promise<{ readonly signalled: number; readonly stillParked: number }>;
  /** Delivers what the outbox holds until its time is up or the worker stops. */
  relay(): Promise<void>;
  /** Goes on with a comparison until it is done, its time is up or the worker stops; null begins one. */
  comparePool(from: Comparison | null): Promise<Comparison>;
}

/**
 * What a comparison finds. orphan: a user whose mark names no row · leftover: the user of a
 * registration that failed, was cancelled or was released · twin: a second user with one mark ·
 * vanished: a completed row without its user · unmarked: a completed row whose user lost its mark.
 */
export type PoolFindingKind = 'orphan' | 'leftover' | 'twin' | 'vanished' | 'unmarked';

export interface PoolFinding {
  readonly kind: PoolFindingKind;
  /** null for a mark that is no id of ours: whoever wrote it may have written anything. */
  readonly registrationId: string | null;
  /** The Cognito sub. */
  readonly userId: string | null;
}

/** A user whose groups are not the roles of its row. Others may change groups: it is advice. */
export interface RolesDiffer {
  readonly kind: 'roles_differ';
  readonly registrationId: string;
  readonly userId: string | null;
  /** Roles of the row that the user does not have. */
  readonly missing: readonly string[];
  /** Groups that the row once wanted and no longer does. */
  readonly left: readonly string[];
}

/** Counts of a comparison, and the first findings; ids only. */
export interface PoolReport extends Readonly<Record<PoolFindingKind, number>> {
  /** All that the pool listed. */
  readonly users: number;
  /** Users of completed registrations, as they should be. */
  readonly agreeing: number;
  /** Users of registrations that are not closed yet. */
  readonly underWay: number;
  /** Too young to say anything about: lists lag. */
  readonly young: number;
  /** Users without a mark: not ours. */
  readonly foreign: number;
  /** Completed rows that the list did not show, and for which Cognito was asked. */
  readonly asked: number;
  /** More such rows, for which it was not: the bound was reached. */
  readonly unasked: number;
  readonly findings: readonly PoolFinding[];
  /** Users whose groups were read: those of rows whose roles were replaced, and a rotating sample. */
  readonly rolesRead: number;
  readonly rolesDiffer: number;
  readonly advice: readonly RolesDiffer[];
}

/** How far a comparison has come: first through the pool's pages, then through the rows. */
export interface Comparison {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly stage: 'users' | 'rows' | 'done';
  /** Of the pool's list; null is the first page. */
  readonly page: string | null;
  /** The last row that was looked at. */
  readonly afterRow: string | null;
  readonly report: PoolReport;
}

/** What one sweep found and did, by kind. */
export interface SweepReport {
  readonly started: number;
  readonly restarted: number;
  readonly compensated: number;
  readonly completed: number;
  readonly instructionsDelivered: number;
  /** Runs that a reset let wait for a registration that is closed; they end. */
  readonly waitersEnded: number;
  /** Changes without a run that knows of them: those that had not begun, and the others. */
  readonly changesStarted: number;
  readonly changesRestarted: number;
  readonly eventsAppended: number;
  readonly eventsCheckpointed: number;
  readonly sealsWiped: number;
  /** Users with our mark that landed late, or twice, and were deleted. */
  readonly straysDeleted: number;
  /** Profiles that were created after their registration had closed, and were deleted. */
  readonly strayProfilesDeleted: number;
  /** Failed and cancelled registrations whose personal data was kept long enough. */
  readonly registrationsErased: number;
  readonly failed: number;
}
