import type { Instruction, PublicFailure, ReadAt } from './registration.ts';
import type { StepRecord } from './step.ts';

/** What a later change does to a person whom Registrar registered. */
export const CHANGE_KINDS = ['roles', 'disable', 'enable', 'sign_out', 'delete'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

export const OPEN_CHANGE = ['accepted', 'running', 'parked'] as const;
export const CLOSED_CHANGE = ['completed', 'failed', 'cancelled'] as const;
export const CHANGE_STATUSES = [...OPEN_CHANGE, ...CLOSED_CHANGE] as const;
export type ChangeStatus = (typeof CHANGE_STATUSES)[number];

/** These end, as cancelled, changes of roles that were accepted before them and are not finished. */
export const OVERTAKING: readonly ChangeKind[] = ['disable', 'sign_out', 'delete'];

/** One row of `changes`, parsed. Times are UTC. */
export interface Change {
  readonly id: string;
  readonly kind: ChangeKind;
  readonly status: ChangeStatus;
  /** The Cognito sub. */
  readonly userId: string;
  /** The completed registration of the person. */
  readonly registrationId: string;
  /** The order of acceptance, over all persons. */
  readonly position: number;
  /** Of kind `roles`, what the person is to have in the end; empty for the other kinds. */
  readonly roles: readonly string[];
  /** Whether `roles` are added to what the person has; they become all roles once that is read. */
  readonly addsRoles: boolean;
  /** What the person had, and was to have, at acceptance: whoever may grant all of these sees the change. */
  readonly personRoles: readonly string[];
  /** The groups in Cognito before the first write; null: not read yet. */
  readonly rolesBefore: readonly string[] | null;
  /** Roles that this change has written, or may have. */
  readonly rolesTouched: readonly string[];
  /** Whether the account was enabled before the first write; null: not read yet. */
  readonly enabledBefore: boolean | null;
  /** Set once everything is to be put back as it was; the status that it ends with. */
  readonly restoresAs: 'failed' | 'cancelled' | null;
  /** Why; `failure` may say meanwhile what the restoring waits for. */
  readonly restoringFailure: PublicFailure | null;
  /** Writes to Cognito without an answer, by step: when each began. It may land until its grace is over. */
  readonly openWrites: Readonly<Record<string, string>>;
  readonly requestedBy: string;
  readonly idempotencyKey: string | null;
  /** Why, in the words of whoever requested it. */
  readonly reason: string | null;
  readonly instruction: Instruction | null;
  readonly failure: PublicFailure | null;
  readonly steps: Readonly<Record<string, StepRecord>>;
  readonly acceptedAt: Date;
  /** When its first step began: from here a deletion cannot be cancelled. */
  readonly begunAt: Date | null;
  readonly finishedAt: Date | null;
  readonly parkedAt: Date | null;
  readonly resumeAttempts: number;
  readonly nextResumeAt: Date | null;
  /** Temporal's run that looked at the row last. */
  readonly runId: string | null;
  readonly unrecordedEvents: readonly string[];
  readonly readAt: ReadAt;
}

/** A step of a change, as the receipt and Temporal's activity ids name it. */
export type ChangeStepName =
  | `assignRole:${string}`
  | `removeRole:${string}`
  | 'disableUser'
  | 'enableUser'
  | 'signOut'
  | 'deleteUser'
  | 'complete';

const ROLE_STEP = /^(assignRole|removeRole):(.+)$/s;

/** The role that a step writes; null for the others. */
export function roleOfStep(step: string): string | null {
  return ROLE_STEP.exec(step)?.[2] ?? null;
}

/** Whether a step brings the person closer to what the change wants, and is taken back by another step
 * when everything is put back. */
export function isTakenBackStep(
  { kind, roles }: Pick<Change, 'kind' | 'roles'>,
  step: string,
): boolean {
  const role = roleOfStep(step);
  if (role !== null) return roles.includes(role) === step.startsWith('assignRole:');
  if (step === 'disableUser') return kind === 'disable';
  return step === 'enableUser' && kind === 'enable';
}

/** Once it has begun, such a change is not cancelled: it goes on until it is done. */
export const NOT_CANCELLABLE: readonly ChangeKind[] = ['sign_out', 'delete'];

export function isOpenChange(status: ChangeStatus): boolean {
  return (OPEN_CHANGE as readonly string[]).includes(status);
}

const RUN = 'user/';

/** Temporal's id of the run that performs the changes of a person, one after the other. */
export function userWorkflowIdOf(userId: string): string {
  return `${RUN}${userId}`;
}

/** The person whose changes a run performs; undefined for other workflows. */
export function userIdOf(workflowId: string): string | undefined {
  return workflowId.startsWith(RUN) ? workflowId.slice(RUN.length) : undefined;
}
