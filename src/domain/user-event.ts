/** What others are told about a person, once it is so. */
export const USER_EVENTS = [
  'user.created',
  'user.email_verified',
  'user.password_changed',
  'user.roles_changed',
  'user.disabled',
  'user.enabled',
  'user.deleted',
] as const;
export type UserEventType = (typeof USER_EVENTS)[number];

/** One event, put together when it is delivered: what can be erased lives in the ledger only. */
export interface UserEvent {
  /** The outbox's; it deduplicates. */
  readonly id: string;
  readonly type: UserEventType;
  readonly registrationId: string;
  readonly occurredAt: Date;
  /** Rises per person: a receiver drops an event that is lower than one it has handled. */
  readonly sequence: number;
  readonly user: {
    /** The Cognito sub. */
    readonly id: string;
    /** The e-mail where the person has none; null, as `email`, once the person is erased. */
    readonly username: string | null;
    readonly email: string | null;
    readonly emailVerified: boolean;
  };
  /** Of `user.roles_changed`: all roles of the person after it; null for others. */
  readonly roles: readonly string[] | null;
}

/** What every destination is told of an event. */
export interface UserEventBody {
  readonly event_type: UserEventType;
  /** Of a person who was deleted, the id alone. */
  readonly user_data: {
    readonly id: string;
    readonly username?: string;
    readonly email?: string;
    readonly email_verified?: boolean;
    readonly roles?: readonly string[];
  };
  readonly registration_id: string;
  /** RFC 3339, UTC. */
  readonly occurred_at: string;
  readonly sequence: number;
}

export function bodyOf(event: UserEvent): UserEventBody {
  const { type, registrationId, occurredAt, sequence, roles } = event;
  const { id, username, email, emailVerified } = event.user;
  const isKnown = type !== 'user.deleted' && username !== null && email !== null;
  const known = isKnown && { username, email, email_verified: emailVerified };
  return {
    event_type: type,
    user_data: { id, ...known, ...(known && roles && { roles }) },
    registration_id: registrationId,
    occurred_at: occurredAt.toISOString(),
    sequence,
  };
}
