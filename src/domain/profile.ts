import type { FailureName } from './failure.ts';

/** What the profile service needs to create the profile of a person. No password, and nothing that
 * leads to one. */
export interface ProfileRequest {
  /** The key: the service creates one profile per registration, however often it is asked. */
  readonly registrationId: string;
  /** The Cognito sub. */
  readonly userId: string;
  readonly username: string | null;
  readonly email: string;
  readonly firstName: string | null;
  readonly lastName: string | null;
}

/** Whose profile is deleted. An erased person has no names any more: the registration's id is enough. */
export type ProfileOwner = Pick<ProfileRequest, 'registrationId'> & {
  readonly userId: string | null;
  readonly username: string | null;
  readonly email: string | null;
};

/** Why the profile service refuses a person. */
export const PROFILE_REFUSALS = ['email_taken', 'username_taken', 'profile_rejected'] as const;
export type ProfileRefusal = (typeof PROFILE_REFUSALS)[number];

/** What the profile service decided. */
export type ProfileDecision =
  | { readonly kind: 'created'; readonly profileId: string }
  | { readonly kind: 'refused'; readonly failure: ProfileRefusal };

/** `awaits_reply`: the request is delivered, and the decision comes as a message of its own, which
 * `recordProfileReply` writes to the row. */
export type ProfileAnswer = ProfileDecision | { readonly kind: 'awaits_reply' };

/** What the row knows of the decision. null: there is none, or its reply was lost. */
export type ProfileOutcome = 'created' | ProfileRefusal;

/**
 * How certain a deletion is. `final`: nothing that was sent before can create the profile any more.
 * `final_after_grace`: a create without a reply may still land after it, so the deletion is repeated
 * once the grace of that create is over.
 */
export type ProfileDeletion = 'final' | 'final_after_grace';

/** The profile service did not decide. The call is repeated later. */
export class ProfileUnavailable extends Error {
  override readonly name = 'ProfileUnavailable';
  /** Short, and of no person: it is logged. */
  readonly reason: string;
  /** The call may have had its effect, or may still have it: its reply was lost, or says nothing. */
  readonly mayHaveEffect: boolean;
  /** How long the service asks to wait. */
  readonly retryAfterMs: number;

  constructor(reason: string, mayHaveEffect: boolean, retryAfterMs = 0) {
    super(reason);
    this.reason = reason;
    this.mayHaveEffect = mayHaveEffect;
    this.retryAfterMs = retryAfterMs;
  }
}

const MAX_PROFILE_ID = 255;

/** The id that a service answered with: a whole number, or a text that PostgreSQL keeps as it is. null: it is
 * neither. */
export function parseProfileId(value: unknown): string | null {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || text.length === 0 || text.length > MAX_PROFILE_ID) return null;
  return text.isWellFormed() && !/\p{Cc}/u.test(text) ? text : null;
}

const FAILURE_OF: Record<ProfileRefusal, FailureName> = {
  email_taken: 'profile_email_taken',
  username_taken: 'profile_username_taken',
  profile_rejected: 'profile_rejected',
};

/** The definitive failure that a refusal is to the registration. */
export function failureOfRefusal(refusal: ProfileRefusal): FailureName {
  return FAILURE_OF[refusal];
}

/** What a row says of its profile. */
export interface ProfileState {
  /** Decided when the registration was accepted: a setting that changes later does not change it. */
  readonly wantsProfile: boolean;
  readonly profileId: string | null;
  readonly profileOutcome: ProfileOutcome | null;
  /** When the latest attempt began that has no reply: it may create the profile until its grace is over. */
  readonly profileUnansweredAt: Date | null;
  /** When the deletion was confirmed; a profile that is recorded later clears it. */
  readonly profileDeletedAt: Date | null;
  /** When a profile was created after the registration had closed; null once that one is deleted. */
  readonly profileStrayAt: Date | null;
}

/** Whether the registration still needs its profile. */
export function owesProfile({
  wantsProfile,
  profileOutcome,
}: Pick<ProfileState, 'wantsProfile' | 'profileOutcome'>): boolean {
  return wantsProfile && profileOutcome !== 'created';
}

/** Whether the profile service may have a profile that has to be deleted. */
export function mayHaveProfile({
  profileOutcome,
  profileUnansweredAt,
  profileDeletedAt,
}: Pick<ProfileState, 'profileOutcome' | 'profileUnansweredAt' | 'profileDeletedAt'>): boolean {
  return (
    profileDeletedAt === null && (profileOutcome === 'created' || profileUnansweredAt !== null)
  );
}
