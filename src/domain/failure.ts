/**
 * The one failure table: what every failure is called, how the saga takes it, what the public
 * reads and what an operator does. Activities and workflows throw only these names; HTTP answers,
 * the pages under /problems and docs/reference/failures.md are made from it.
 */

/** request: the caller's, no run involved · transient: retried · parked: waits for a person or the
 * schedule · definitive: everything is taken back. */
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

const NOTHING = 'Nothing: the answer tells the caller what to change.';
const RETRIED = 'Nothing: it is retried. If it lasts, the run parks; see the runbook.';
const UNDONE = 'Registration failed and was undone. Please try again.';

export const FAILURES = {
  // What a caller did.
  invalid_request: request(
    'invalid_request',
    422,
    'Invalid request',
    'The request does not fit; `errors` says where.',
  ),
  malformed_json: request('malformed_json', 400, 'Malformed JSON', 'The body is not JSON.'),
  invalid_cursor: request(
    'invalid_cursor',
    400,
    'Invalid cursor',
    'The cursor is not one that this service gave out.',
  ),
  unauthenticated: request(
    'unauthenticated',
    401,
    'Unauthenticated',
    'A valid bearer access token is needed.',
  ),
  forbidden: request(
    'forbidden',
    403,
    'Forbidden',
    'Your token does not allow this.',
    'Check ROLE_GRANTS.',
  ),
  role_not_grantable: request(
    'role_not_grantable',
    403,
    'Role not grantable',
    'You may not hand out one of these roles.',
    'Check ROLE_GRANTS.',
  ),
  not_found: request('not_found', 404, 'Not found', 'There is nothing at this address.'),
  registration_not_found: request(
    'registration_not_found',
    404,
    'Registration not found',
    'There is no such registration, or it is not yours to see.',
  ),
  method_not_allowed: request(
    'method_not_allowed',
    405,
    'Method not allowed',
    'This address takes other methods.',
  ),
  payload_too_large: request(
    'payload_too_large',
    413,
    'Payload too large',
    'A body may have 64 KiB.',
  ),
  unsupported_media_type: request(
    'unsupported_media_type',
    415,
    'Unsupported media type',
    'Send application/json.',
  ),
  unknown_role: request(
    'unknown_role',
    422,
    'Unknown role',
    'The pool does not have one of these roles; nothing was accepted.',
    'Create the group in the pool, or correct the caller.',
  ),
  username_taken: request(
    'username_taken',
    409,
    'Username taken',
    'A registration with this username exists.',
  ),
  not_parked: request(
    'not_parked',
    409,
    'Not parked',
    'The registration is not parked; `detail` says what holds and what to do.',
  ),
  already_closed: request(
    'already_closed',
    409,
    'Already closed',
    'The registration is closed; nothing was changed.',
  ),
  invitation_not_due: request(
    'invitation_not_due',
    409,
    'Invitation not due',
    'There is no invitation to send: not completed yet, or a password has been chosen.',
  ),
  idempotency_key_reused: request(
    'idempotency_key_reused',
    422,
    'Idempotency key reused',
    'This Idempotency-Key came with another body before.',
  ),
  not_ours: request(
    'not_ours',
    409,
    'Not ours',
    'Registrar did not register this person, and changes nobody else.',
    'Change the person in Cognito, or register them here.',
  ),
  last_administrator: request(
    'last_administrator',
    409,
    'Last administrator',
    'Nobody else could hand out every role any more.',
    'Give the role to somebody else first.',
  ),
  challenge_required: request(
    'challenge_required',
    403,
    'Challenge required',
    'Signing in needs a step that this service does not do.',
    'The person finishes the challenge with Cognito.',
  ),
  rate_limited: request('rate_limited', 429, 'Rate limited', 'Too many requests. Please wait.'),
  unavailable: {
    kind: 'request',
    code: 'unavailable',
    httpStatus: 503,
    title: 'Unavailable',
    publicText:
      'A part that is needed to answer is away; nothing is known to be accepted. Repeat with the same Idempotency-Key.',
    operator: 'See /health/ready: PostgreSQL, or Cognito where it is needed to answer.',
  },
  internal: {
    kind: 'request',
    code: 'internal',
    httpStatus: 500,
    title: 'Internal error',
    publicText: 'Something unexpected happened. The request id leads to the log.',
    operator: 'A bug: look the request id up in the log.',
  },

  // What the provider does for a while.
  throttled: transient(
    'identity_provider_throttled',
    'Throttled',
    'The identity provider asks us to slow down.',
    'Nothing: it is retried with jitter. If it lasts, lower COGNITO_UPDATE_RPS or raise the quota.',
  ),
  server_error: transient(
    'identity_provider_unavailable',
    'Identity provider unavailable',
    'The identity provider is not available.',
  ),
  reply_lost: transient(
    'identity_provider_unavailable',
    'Reply lost',
    'The identity provider did not answer.',
  ),
  unknown_error: transient(
    'identity_provider_unavailable',
    'Unknown error',
    'The identity provider answered with something unknown.',
    'Look for `unknown provider error` in the log and report it: the table lacks a row.',
  ),
  not_visible_yet: transient(
    'user_not_visible',
    'User not visible yet',
    'The new user is not visible everywhere yet.',
  ),
  refused_for_now: transient(
    'identity_provider_refused',
    'Refused for now',
    'The identity provider refuses this service at the moment.',
    'Nothing for 5 s, or while an earlier create may still land: then it is definitive. Check the credentials.',
  ),
  mail_deferred: transient(
    'mail_deferred',
    'Invitation deferred',
    'The invitation could not be sent yet.',
    'Nothing: it is sent again, slowly. The default mailer sends 50 a day, counted from 09:00 UTC.',
  ),
  database_unavailable: transient(
    'unavailable',
    'Database unavailable',
    'The database is not available.',
    'Bring PostgreSQL back; everything goes on by itself.',
  ),

  // What waits for a person or the schedule.
  mail_unconfirmed: parked(
    'mail_unconfirmed',
    'Invitation not confirmed',
    'The identity provider never answered whether the invitation was sent; it is not sent again by itself.',
    'Ask the person whether a mail has arrived: the latest one holds the valid password. `POST /registrations/{id}/invitation` sends a new one.',
  ),
  provider_unavailable_parked: parked(
    'identity_provider_unavailable',
    'Parked: identity provider unavailable',
    'The identity provider was not available for the whole retry budget.',
    'Wait: the schedule resumes it. Retry once Cognito is back.',
  ),
  throttled_parked: parked(
    'identity_provider_throttled',
    'Parked: throttled',
    'The identity provider throttled for the whole retry budget.',
    'Wait: the schedule resumes it. Lower COGNITO_UPDATE_RPS.',
  ),
  not_visible_parked: parked(
    'user_not_visible',
    'Parked: user not visible',
    'The user was not visible within the grace.',
    'Retry: it asks Cognito whether the user is there. If it was deleted, the run ends user_vanished.',
  ),
  exists_unreadable: parked(
    'user_not_visible',
    'Parked: user exists but cannot be read',
    'The identity provider says that the user exists, but does not show it.',
    'Look in the pool for a user with this address or alias, and remove what blocks it; then retry.',
  ),
  refused_parked: parked(
    'identity_provider_refused',
    'Parked: refused',
    'The identity provider refuses our credentials or configuration.',
    'Mend the credentials or the policy, then retry. The user is kept.',
  ),

  // What is taken back.
  email_taken: definitive('email_taken', 409, 'E-mail taken', 'This e-mail address is taken.'),
  role_missing: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'The group was deleted while the run went on: create it again or take other roles.',
  ),
  registration_rejected: definitive(
    'registration_rejected',
    422,
    'Registration rejected',
    'The user pool rejected a value; sending the same again does not help. Nothing is left behind.',
    'Cognito, or a Lambda trigger of the pool, rejects a value: look the registration id up in the log.',
  ),
  // Of a step with a role, which cannot work at the next attempt either.
  rejected: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'Cognito rejects the call for a role: look the registration id up in the log.',
  ),
  password_rejected: definitive(
    'password_rejected',
    422,
    'Password rejected',
    'The password does not fit the policy.',
  ),
  provider_refused: definitive(
    'identity_provider_refused',
    502,
    'Identity provider refused',
    'The identity provider refuses this service. Nothing was created.',
    'Check credentials, region, pool id and the IAM policy.',
  ),
  seal_lost: definitive(
    'seal_lost',
    500,
    'Seal lost',
    'The password could not be opened in time. Everything was taken back.',
    'Keep old keys in PASSWORD_SEALING_KEYS until no run needs them.',
  ),
  user_vanished: definitive(
    'user_vanished',
    500,
    'User vanished',
    'The user was deleted by somebody else. Everything was taken back.',
    'Find out who deletes users of this pool; register again.',
  ),
  terminated: definitive(
    'terminated',
    500,
    'Terminated',
    'The run was terminated. Everything was taken back.',
    'Cancel instead of terminating: it compensates at once.',
  ),
  database_refused: definitive(
    'registration_failed',
    500,
    'Registration failed',
    UNDONE,
    'PostgreSQL refuses the write: look for the SQLSTATE in the log.',
  ),
  registration_cancelled: definitive(
    'registration_cancelled',
    409,
    'Registration cancelled',
    'The registration was cancelled and everything taken back.',
    'Nothing: an operator wanted it.',
  ),
  manual_cleanup_required: definitive(
    'manual_cleanup_required',
    500,
    'Manual cleanup required',
    'Manual cleanup required: the registration failed, and so does taking it back.',
    'See the receipt for both failures, mend the cause, then retry.',
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
    default:
      return 'provider_unavailable_parked';
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
  operator = NOTHING,
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
  operator = NOTHING,
) {
  return { kind: 'definitive', code, httpStatus, title, publicText, operator } as const;
}
