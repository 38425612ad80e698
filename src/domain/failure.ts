/**
 * The one failure table: what every failure is called, how the saga takes it, what the public
 * reads and what an operator does. Activities and workflows throw only these names; HTTP answers,
 * the pages under /problems and docs/reference/failures.md are made from it.
 *
 * To add a code: one row here, throw it in the handler, and name it in the problems of each route that
 * can answer with it.
 */

/** request: refused at once, no workflow starts · transient: retried · parked: waits for a person or the
 * schedule · definitive: the registration is undone. Callers get the HTTP status of `request` and
 * `definitive` only; the others appear in receipts. */
export type FailureKind = 'request' | 'transient' | 'parked' | 'definitive';

export interface Failure {
  readonly kind: FailureKind;
  /** The public code; several failures may share one. */
  readonly code: string;
  readonly httpStatus: number;
  readonly title: string;
  /** Safe for anybody: no provider text, no stack, no secret. */
  readonly publicText: string;
  readonly operator: string;
}

const NO_ACTION = 'No action: the response tells the caller what to change.';
const RETRIED =
  'No action: the step is retried. If the failure lasts, the registration or change parks; see the runbook.';
const UNDONE = 'Registration failed and was undone. Please try again.';
const CHANGE_UNDONE = 'The change failed and was undone: the user is as before. Please try again.';

export const FAILURES = {
  // What a caller did.
  invalid_request: request(
    'invalid_request',
    422,
    'Invalid request',
    'Request validation failed; see `errors`.',
  ),
  malformed_json: request(
    'malformed_json',
    400,
    'Malformed JSON',
    'The request body is not valid JSON.',
  ),
  invalid_cursor: request(
    'invalid_cursor',
    400,
    'Invalid cursor',
    'The cursor was not issued by this service.',
  ),
  unauthenticated: request(
    'unauthenticated',
    401,
    'Unauthenticated',
    'A valid bearer access token is required.',
  ),
  forbidden: request(
    'forbidden',
    403,
    'Forbidden',
    'The access token does not allow this request.',
    'Check ROLE_GRANTS.',
  ),
  role_not_grantable: request(
    'role_not_grantable',
    403,
    'Role not grantable',
    'You are not allowed to assign one of these roles.',
    'Check ROLE_GRANTS.',
  ),
  not_found: request('not_found', 404, 'Not found', 'There is no resource at this path.'),
  registration_not_found: request(
    'registration_not_found',
    404,
    'Registration not found',
    'The registration does not exist, or you are not allowed to see it.',
  ),
  user_not_found: request(
    'user_not_found',
    404,
    'User not found',
    'The user does not exist, or you are not allowed to see it.',
  ),
  change_not_found: request(
    'change_not_found',
    404,
    'Change not found',
    'The change does not exist, or you are not allowed to see it.',
  ),
  method_not_allowed: request(
    'method_not_allowed',
    405,
    'Method not allowed',
    'Method not allowed.',
  ),
  payload_too_large: request(
    'payload_too_large',
    413,
    'Payload too large',
    'Request body exceeds 64 KiB.',
  ),
  unsupported_media_type: request(
    'unsupported_media_type',
    415,
    'Unsupported media type',
    'The content type must be application/json.',
  ),
  unknown_role: request(
    'unknown_role',
    422,
    'Unknown role',
    'The user pool does not have one of these roles. Nothing was accepted.',
    'Create the group in the pool, or correct the request.',
  ),
  email_unverified: request(
    'email_unverified',
    409,
    'E-mail held by an unverified sign-up',
    'Somebody signed up with this address and never proved it. `replaceUnverified: true` deletes that account.',
    'Send `POST /registrations` with `replaceUnverified: true`, or ask the person to prove the address.',
  ),
  username_taken: request('username_taken', 409, 'Username taken', 'This username is taken.'),
  not_parked: request(
    'not_parked',
    409,
    'Not parked',
    'The registration or change is not parked; `detail` explains what to do.',
  ),
  already_closed: request(
    'already_closed',
    409,
    'Already closed',
    'The registration or change is closed, or can no longer be cancelled; nothing was changed.',
  ),
  invitation_not_due: request(
    'invitation_not_due',
    409,
    'Invitation not due',
    'No invitation can be sent: the registration is not completed, or the user already has a password.',
  ),
  idempotency_key_reused: request(
    'idempotency_key_reused',
    422,
    'Idempotency key reused',
    'This Idempotency-Key was already used with a different request body.',
  ),
  not_ours: request(
    'not_ours',
    409,
    'Not registered by Registrar',
    'Registrar did not register this user, so it neither shows nor changes the user.',
    'Change the user in Cognito, or register the person with Registrar. If Registrar did register the user, the mark was lost: see `unmarked` in the runbook.',
  ),
  last_administrator: request(
    'last_administrator',
    409,
    'Last administrator',
    'This change would remove the last user who can assign every role.',
    'Give another enabled user a role that ROLE_GRANTS gives `*`, then repeat the request. Accepted changes count as done.',
  ),
  challenge_required: request(
    'challenge_required',
    403,
    'Challenge required',
    'Sign-in requires another step: answer the challenge.',
    'The user must complete the challenge, at `POST /auth/challenge` or with Cognito.',
  ),
  rate_limited: request('rate_limited', 429, 'Rate limited', 'Too many requests. Please wait.'),
  unavailable: {
    kind: 'request',
    code: 'unavailable',
    httpStatus: 503,
    title: 'Unavailable',
    publicText:
      'A required dependency is unavailable. The request may not have been accepted; repeat it with the same Idempotency-Key.',
    operator:
      'Check /health/ready. PostgreSQL does not answer, or Cognito does not answer a request that needs it.',
  },
  internal: {
    kind: 'request',
    code: 'internal',
    httpStatus: 500,
    title: 'Internal error',
    publicText: 'An unexpected error occurred. The request id identifies it in the log.',
    operator: 'This is a bug: search the log for the request id.',
  },

  // What the provider does for a while.
  throttled: transient(
    'identity_provider_throttled',
    'Throttled',
    'The identity provider is throttling requests.',
    'No action: the step is retried with jitter. If the failure lasts, lower COGNITO_UPDATE_RPS or raise the quota.',
  ),
  server_error: transient(
    'identity_provider_unavailable',
    'Identity provider unavailable',
    'The identity provider is unavailable.',
  ),
  reply_lost: transient(
    'identity_provider_unavailable',
    'Reply lost',
    'The identity provider did not answer.',
  ),
  unknown_error: transient(
    'identity_provider_unavailable',
    'Unknown error',
    'The identity provider returned an unknown error.',
    'Search the log for `unknown provider error` and report the error: it is missing from the failure table.',
  ),
  not_visible_yet: transient(
    'user_not_visible',
    'User not visible yet',
    'The new user is not yet visible in the identity provider.',
  ),
  refused_for_now: transient(
    'identity_provider_refused',
    'Refused for now',
    'The identity provider currently refuses this service.',
    'No action for 5 s, or while an earlier create may still take effect; after that, the failure is definitive. Check the credentials.',
  ),
  mail_deferred: transient(
    'mail_deferred',
    'Invitation deferred',
    'The invitation could not be sent yet.',
    'No action: the mail is retried with growing delays. The default mailer of Cognito sends 50 mails a day, counted from 09:00 UTC.',
  ),
  profile_unavailable: transient(
    'profile_unavailable',
    'Profile service unavailable',
    'The profile service did not create the profile yet.',
    'No action: the step is retried. If the failure lasts, the registration parks; check the profile service.',
  ),
  database_unavailable: transient(
    'unavailable',
    'Database unavailable',
    'The database is unavailable.',
    'Restore PostgreSQL; the work then continues automatically.',
  ),

  // What waits for a person or the schedule.
  mail_unconfirmed: parked(
    'mail_unconfirmed',
    'Invitation not confirmed',
    'The identity provider did not confirm that the invitation was sent. It is not resent automatically.',
    'Ask the person whether the mail arrived: the latest mail has the valid password. `POST /registrations/{id}/invitation` sends a new mail.',
  ),
  provider_unavailable_parked: parked(
    'identity_provider_unavailable',
    'Parked: identity provider unavailable',
    'The identity provider was unavailable for the whole retry budget.',
    'Wait: the schedule resumes it. Or retry when Cognito is available again.',
  ),
  throttled_parked: parked(
    'identity_provider_throttled',
    'Parked: throttled',
    'The identity provider throttled requests for the whole retry budget.',
    'Wait: the schedule resumes it. Lower COGNITO_UPDATE_RPS.',
  ),
  not_visible_parked: parked(
    'user_not_visible',
    'Parked: user not visible',
    'The user did not become visible within the grace period.',
    'Retry: Registrar then asks Cognito whether the user exists. If the user was deleted, it fails with user_vanished.',
  ),
  exists_unreadable: parked(
    'user_not_visible',
    'Parked: user exists but cannot be read',
    'The identity provider says that the user exists, but the user cannot be read.',
    'Find the user with this address or alias in the pool and resolve the conflict; then retry.',
  ),
  refused_parked: parked(
    'identity_provider_refused',
    'Parked: refused',
    'The identity provider refuses our credentials or configuration.',
    'Correct the credentials or the IAM policy, then retry. The user is kept.',
  ),

  profile_unavailable_parked: parked(
    'profile_unavailable',
    'Parked: profile service unavailable',
    'The profile service did not create the profile within the retry budget.',
    'Check the profile service, PROFILE_URL and PROFILE_SECRET, or the queues of PROFILE_AMQP. The schedule resumes the registration; or retry it.',
  ),

  // What is taken back.
  email_taken: definitive(
    'email_taken',
    409,
    'E-mail taken',
    'This e-mail address is taken.',
    '`GET /addresses/{email}` says who has the address and what to do. Asynchronous sign-up does not tell the person.',
  ),
  role_missing: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'The group was deleted meanwhile. Create it again, or repeat the request with other roles.',
  ),
  registration_rejected: definitive(
    'registration_rejected',
    422,
    'Registration rejected',
    'The user pool rejected a value. Repeating the same request does not help. Nothing is left behind.',
    'Cognito, or a Lambda trigger of the pool, rejected a value: search the log for the registration id.',
  ),
  // A role call that would be rejected again.
  rejected: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'Cognito rejected the call for a role: search the log for the registration id.',
  ),
  password_rejected: definitive(
    'password_rejected',
    422,
    'Password rejected',
    'The password does not meet the password policy.',
  ),
  profile_email_taken: definitive(
    'email_taken',
    409,
    'E-mail taken',
    'This e-mail address is taken.',
    'The profile service has a profile with this e-mail address, and no living registration has it: find out whose it is.',
  ),
  profile_username_taken: definitive(
    'username_taken',
    409,
    'Username taken',
    'This username is taken.',
    'The profile service has a profile with this username, and no living registration has it: find out whose it is.',
  ),
  profile_rejected: definitive(
    'profile_rejected',
    422,
    'Profile rejected',
    'The profile service rejected the person. Repeating the same request does not help. Nothing is left behind.',
    'Search the log of the profile service for the registration id.',
  ),
  provider_refused: definitive(
    'identity_provider_refused',
    502,
    'Identity provider refused',
    'The identity provider refuses this service. Nothing was created.',
    'Check the credentials, region, pool id and IAM policy.',
  ),
  seal_lost: definitive(
    'seal_lost',
    500,
    'Password lost',
    'The password could not be decrypted in time. The registration was undone.',
    'Keep old keys in PASSWORD_SEALING_KEYS until no open registration needs them.',
  ),
  user_vanished: definitive(
    'user_vanished',
    500,
    'User deleted',
    'The user was deleted outside Registrar. Nothing is left behind.',
    'Find out who deletes users of this pool, then register the person again; nothing is left to change.',
  ),
  terminated: definitive(
    'terminated',
    500,
    'Terminated',
    'The workflow run was terminated. The registration was undone.',
    'Register the person again: nothing is left behind. Cancel registrations instead of terminating their runs: a cancel compensates at once.',
  ),
  database_refused: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'PostgreSQL rejected the write: search the log for the SQLSTATE.',
  ),
  registration_cancelled: definitive(
    'registration_cancelled',
    409,
    'Registration cancelled',
    'The registration was cancelled and undone.',
    'No action: an operator cancelled the registration.',
  ),
  // Of a later change. One code has one title, and these share the codes of registrations.
  change_cancelled: definitive(
    'registration_cancelled',
    409,
    'Registration cancelled',
    'The change was cancelled; the user is as before.',
    'No action: an operator, or a later change, cancelled it.',
  ),
  change_role_missing: definitive(
    'registration_failed',
    500,
    'Registration failed',
    CHANGE_UNDONE,
    'The group was deleted during the change. Create it again, or change to other roles.',
  ),
  change_rejected: definitive(
    'registration_failed',
    500,
    'Registration failed',
    CHANGE_UNDONE,
    'Cognito rejected the call for a role: search the log for the change id.',
  ),
  change_refused_by_database: definitive(
    'registration_failed',
    500,
    'Registration failed',
    CHANGE_UNDONE,
    'PostgreSQL rejected the write: search the log for the SQLSTATE.',
  ),
  mark_differs: definitive(
    'not_ours',
    409,
    'Not registered by Registrar',
    'The user in the pool is not the one that Registrar registered. Nothing more was changed.',
    'See `unmarked` in the runbook: find out who writes custom:registration_id, or replaced the user in the pool.',
  ),
  no_administrator_left: definitive(
    'last_administrator',
    409,
    'Last administrator',
    'The change would have removed the last user who can assign every role. Nothing was changed.',
    'Give another enabled user a role that ROLE_GRANTS gives `*`, then repeat the request.',
  ),
  manual_cleanup_required: definitive(
    'manual_cleanup_required',
    500,
    'Manual cleanup required',
    'Manual cleanup required: the registration failed, and undoing it failed too.',
    'Correct what prevents the cleanup, as `compensationFailures` of the receipt says (credentials, IAM policy, quota), then retry. Registrar also retries every 60 s.',
  ),
} as const satisfies Record<string, Failure>;

export type FailureName = keyof typeof FAILURES;
export type FailureCode = (typeof FAILURES)[FailureName]['code'];

export function isFailureName(name: string): name is FailureName {
  return Object.hasOwn(FAILURES, name);
}

/** The failure that represents a code in HTTP answers and on its page: one that an answer can end
 * with, where there is one; transient and parked ones only show in receipts. */
export function failureOfCode(code: string): Failure | undefined {
  const all: Failure[] = Object.values(FAILURES).filter((failure) => failure.code === code);
  const answered = all.find(({ kind }) => kind === 'request' || kind === 'definitive');
  return answered ?? all.find(({ kind }) => kind === 'parked') ?? all[0];
}

/** The parked failure a transient one turns into when its budget is spent. */
export function parkedAs(name: FailureName): FailureName {
  if (FAILURES[name].kind === 'parked') return name;
  switch (FAILURES[name].code) {
    case 'identity_provider_throttled':
      return 'throttled_parked';
    case 'user_not_visible':
      return 'not_visible_parked';
    case 'identity_provider_refused':
      return 'refused_parked';
    case 'profile_unavailable':
      return 'profile_unavailable_parked';
    default:
      return 'provider_unavailable_parked';
  }
}

/** A definitive failure of a step as the failure of a later change, where its words are about a
 * registration. */
export function asChangeFailure(name: FailureName): FailureName {
  switch (name) {
    case 'role_missing':
      return 'change_role_missing';
    case 'rejected':
      return 'change_rejected';
    case 'database_refused':
      return 'change_refused_by_database';
    default:
      return name;
  }
}

/** What a receipt says of a failure. */
export function publicFailure(name: FailureName): {
  code: FailureCode;
  cause: FailureName;
  detail: string;
} {
  return { code: FAILURES[name].code, cause: name, detail: FAILURES[name].publicText };
}

function request<const C extends string, const S extends number>(
  code: C,
  httpStatus: S,
  title: string,
  publicText: string,
  operator = NO_ACTION,
) {
  return { kind: 'request', code, httpStatus, title, publicText, operator } as const;
}

function transient<const C extends string>(
  code: C,
  title: string,
  publicText: string,
  operator = RETRIED,
) {
  return { kind: 'transient', code, httpStatus: 503, title, publicText, operator } as const;
}

function parked<const C extends string>(
  code: C,
  title: string,
  publicText: string,
  operator: string,
) {
  return { kind: 'parked', code, httpStatus: 503, title, publicText, operator } as const;
}

function definitive<const C extends string, const S extends number>(
  code: C,
  httpStatus: S,
  title: string,
  publicText: string,
  operator = NO_ACTION,
) {
  return { kind: 'definitive', code, httpStatus, title, publicText, operator } as const;
}
