import type { AuditEvent } from './audit-event.ts';
import type { ProfileState } from './profile.ts';
import type { RegistrationStatus } from './status.ts';
import type { StepRecord } from './step.ts';

/** Who opened the registration: `canonical` is POST /registrations, the others are doors. */
export const DOORS = ['canonical', 'users', 'step', 'signup', 'seeding'] as const;
export type Door = (typeof DOORS)[number];

/**
 * What became of the last AdminCreateUser. `null` while its reply is outstanding or lost;
 * `errored`: the service answered with an error, and the user may exist all the same;
 * `exists`: the service answered that the address has a user, so this attempt created none.
 */
export type CreateOutcome = 'created' | 'taken' | 'refused' | 'errored' | 'exists';

/**
 * How far a registration is with the unverified sign-up whose address it takes over. `requested`:
 * nothing was done to its account · `disabling`: it is, or may be, disabled, so that nobody can prove
 * the address while that is read · `deleting`: it was read as unproved and goes, whatever becomes of
 * this registration · `deleted` · `kept`: the address was proved, or this registration was undone; the
 * account is as it was.
 */
export type Replacement = 'requested' | 'disabling' | 'deleting' | 'deleted' | 'kept';

/** What an operator or caller wants of an open run; written to the row before it is sent. */
export type InstructionKind = 'retry' | 'roles' | 'cancel';
export interface Instruction {
  readonly kind: InstructionKind;
  readonly actor: string;
  readonly reason: string | null;
  readonly at: Date;
  readonly acknowledgedAt: Date | null;
}

/** A public failure: `code` from FAILURES, `detail` safe for anybody to read. */
export interface PublicFailure {
  readonly code: string;
  /** The row of FAILURES: several of them may share one code. */
  readonly cause: string;
  readonly detail: string;
}

/** One thing that compensation could not take back. */
export interface CompensationFailure {
  readonly step: string;
  readonly code: string;
  readonly detail: string;
}

export interface Invitation {
  readonly status: 'none' | 'pending' | 'sent';
  readonly sentAt: Date | null;
  readonly expiresAt: Date | null;
  /** Why it is not sent again by itself; null while it is, and once it was sent. */
  readonly failure: PublicFailure | null;
  /** Of the operator who asked for it last. */
  readonly reason: string | null;
}

/** One row of the ledger, parsed. Times are UTC. */
export interface Registration extends ProfileState {
  readonly id: string;
  readonly status: RegistrationStatus;
  /** null: erased, as are the names, in a closed row whose person is gone; see `emailOf`. */
  readonly email: string | null;
  readonly username: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  /** Further pool attributes the caller set, by name. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly emailVerified: boolean;
  readonly invite: boolean;
  readonly roles: readonly string[];
  /** Roles known to be assigned. */
  readonly rolesAssigned: readonly string[];
  /** Roles this registration ever wanted: one of them outside `roles` may be assigned and has to go. */
  readonly rolesTouched: readonly string[];
  /** Those of them whose removal Cognito has answered. */
  readonly rolesRemoved: readonly string[];
  /** When an operator last replaced the roles of an existing user: an earlier write without a reply
   * may still land until the grace after this is over. */
  readonly rolesReplacedAt: Date | null;
  /** When the user's groups were last read after that, and agreed. */
  readonly rolesConfirmedAt: Date | null;
  readonly requestedBy: string;
  readonly door: Door;
  readonly idempotencyKey: string | null;
  readonly instruction: Instruction | null;
  /** How many calls of AdminCreateUser were recorded; each raises the number that it read. */
  readonly createAttempt: number;
  readonly createAttemptedAt: Date | null;
  readonly createOutcome: CreateOutcome | null;
  /** When the latest of the earlier creates without a reply was attempted, though later ones were
   * answered: it may land until its grace is over. */
  readonly createUnansweredAt: Date | null;
  /** Since when every create was answered with "exists" and nobody could be read there. */
  readonly existsSince: Date | null;
  /** Since when Cognito has refused our credentials in every create. */
  readonly credentialsRefusedSince: Date | null;
  /** When the row noted that the user exists: the grace for lag counts from here. */
  readonly userCreatedAt: Date | null;
  readonly cognitoUsername: string | null;
  readonly userId: string | null;
  /** When a password was sealed for it; null: nobody chose one. The seal itself stays in the ledger. */
  readonly sealedAt: Date | null;
  readonly passwordSetAt: Date | null;
  /** Whether a code that proves the address is mailed once the password is set. */
  readonly mailsCode: boolean;
  /** When compensation last proved that no user with our mark is left; a user recorded later clears it. */
  readonly absenceConfirmedAt: Date | null;
  /** Cognito usernames of users with our mark that must not stay: a create that landed after the row
   * had closed, or a second one beside the recorded user. */
  readonly strayUsernames: readonly string[];
  readonly failure: PublicFailure | null;
  /** The status that compensation ends in, set when it begins. */
  readonly closesAs: 'failed' | 'cancelled' | null;
  readonly compensationFailures: readonly CompensationFailure[];
  readonly steps: Readonly<Record<string, StepRecord>>;
  readonly invitation: Invitation;
  /** When a temporary password was last mailed to somebody who forgot theirs. */
  readonly recoveryMailedAt: Date | null;
  readonly acceptedAt: Date;
  readonly finishedAt: Date | null;
  readonly parkedAt: Date | null;
  /** Temporal's run that looked at the row last. */
  readonly runId: string | null;
  readonly resumeAttempts: number;
  readonly nextResumeAt: Date | null;
  readonly userDeletedAt: Date | null;
  readonly releasedAt: Date | null;
  /** The registration of the unverified sign-up whose address this one takes over. */
  readonly replaces: string | null;
  readonly replacement: Replacement | null;
  readonly replacedWasEnabled: boolean | null;
  /** When a write to the replaced account began that was not answered; null: none is open. */
  readonly replacementOpenAt: Date | null;
  /** The registration that takes over this one's address. */
  readonly replacedBy: string | null;
  /** Audit events that the trail refused and that the sweep will append. */
  readonly unrecordedEvents: readonly string[];
  readonly readAt: ReadAt;
}

/** When a row was read: decisions about time use PostgreSQL's clock, which all processes share, and
 * what has passed since by this process's monotonic clock. */
export interface ReadAt {
  readonly database: Date;
  /** performance.now() */
  readonly monotonicMs: number;
}

/**
 * The address of a row that is open, or whose user exists: the database keeps it as long.
 * @throws where it was erased, which is a bug of the caller
 */
export function emailOf({ id, email }: Pick<Registration, 'id' | 'email'>): string {
  if (email === null) throw new Error(`the address of registration ${id} was erased`);
  return email;
}

/** Whether somebody chose a password that the user does not have yet. */
export function owesPassword({
  sealedAt,
  passwordSetAt,
}: Pick<Registration, 'sealedAt' | 'passwordSetAt'>): boolean {
  return sealedAt !== null && passwordSetAt === null;
}

/** Whether Registrar mailed a temporary password: who uses it has read the mail. */
export function hasMailedPassword({
  invitation,
  recoveryMailedAt,
}: Pick<Registration, 'invitation' | 'recoveryMailedAt'>): boolean {
  return invitation.sentAt !== null || recoveryMailedAt !== null;
}

/** A sign-up whose address nobody has proved: it gets no role, and an administrator may replace it. */
export function isUnverifiedSignUp({
  door,
  emailVerified,
}: Pick<Registration, 'door' | 'emailVerified'>): boolean {
  return door === 'signup' && !emailVerified;
}

/**
 * Whether a user with the mark of this registration is left over from it: the registration was undone,
 * or its user was deleted and is still to be seen. A second user of an unverified sign-up, whose address
 * was proved since, belongs to its owner.
 */
export function isLeftoverOf(
  row: Pick<Registration, 'status' | 'userDeletedAt' | 'userId' | 'door' | 'emailVerified'>,
  user: { readonly userId: string; readonly isProved: boolean },
): boolean {
  if (row.status === 'failed' || row.status === 'cancelled') return true;
  if (row.status !== 'completed' || row.userDeletedAt === null) return false;
  return user.userId === row.userId || !user.isProved || !isUnverifiedSignUp(row);
}

const RUN = 'register-user/';

/** The registration that a run belongs to; undefined for other workflows. */
export function registrationIdOf(workflowId: string): string | undefined {
  return workflowId.startsWith(RUN) ? workflowId.slice(RUN.length) : undefined;
}

/** Temporal's id of the run that belongs to a registration. */
export function workflowIdOf(registrationId: string): string {
  return `${RUN}${registrationId}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether an ownership mark has the form of a registration's id, as Registrar writes it. */
export function namesRegistration(mark: string): boolean {
  return UUID.test(mark);
}

/** A registration that has just been completed: all that a receipt shows of it. */
export interface CompletedRegistration {
  readonly registration: Registration;
  /** Its audit events, in their order. */
  readonly timeline: readonly AuditEvent[];
}
