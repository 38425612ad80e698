/** Names of what the trail records, about a registration or, with a subject, about a person. */
export const AUDIT_EVENTS = [
  'registration.requested',
  'registration.parked',
  'registration.retry_requested',
  'registration.roles_requested',
  'registration.cancel_requested',
  'registration.resumed',
  'registration.compensating',
  'registration.cleanup_required',
  'registration.failed',
  'registration.cancelled',
  'registration.released',
  'change.requested',
  'change.parked',
  'change.retry_requested',
  'change.cancel_requested',
  'change.resumed',
  'change.restoring',
  'change.failed',
  'change.cancelled',
  'user.registered',
  'user.email_verified',
  'user.password_changed',
  'user.password_reset',
  'user.signed_out_everywhere',
  'user.roles_changed',
  'user.disabled',
  'user.enabled',
  'user.deleted',
  'invitation.requested',
  'invitation.sent',
  'administrator.created',
  'personal_data.erased',
] as const;
export type AuditEventName = (typeof AUDIT_EVENTS)[number];

/** Those of every registration that completes at once. */
export const COMMON_EVENTS: readonly AuditEventName[] = [
  'registration.requested',
  'user.registered',
];

/** One row of the trail. `details` holds ids, codes and role names, never an e-mail or a name. */
export interface AuditEvent {
  readonly id: string;
  readonly event: AuditEventName;
  readonly registrationId: string | null;
  /** The Cognito sub of the person it is about. */
  readonly userId: string | null;
  /** The caller's sub, `client:<id>`, `system` or `operator`. */
  readonly actor: string;
  readonly at: Date;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The actor of what Registrar does by itself. */
export const SYSTEM_ACTOR = 'system';
/** The actor of a command that is run on a deployment, where no caller is known. */
export const OPERATOR_ACTOR = 'operator';
