import type { FailureName } from '../domain/failure.ts';
import type { CallOutcome } from '../domain/telemetry.ts';
import type { ProviderError } from './provider-error.ts';

/** The steps and the background work that call Cognito. */
export type ProviderStep =
  | 'createUser'
  | 'setPassword'
  | 'assignRole'
  | 'removeRole'
  | 'invitation'
  | 'deleteUser'
  | 'disableUser'
  | 'enableUser'
  | 'signOut'
  | 'readUser'
  | 'comparePool';

/** What a provider error means for a step. */
export type Verdict =
  | { readonly kind: 'fail'; readonly failure: FailureName }
  /** The effect may already exist, caused by us or by others: read the user to decide. */
  | { readonly kind: 'read' }
  /** Not visible after the grace period: ask AdminGetUser whether the user exists. */
  | { readonly kind: 'ask' }
  /** Nothing remains to be done. */
  | { readonly kind: 'done' };

export interface Lag {
  /** Time since the row recorded that the user was created; null if it did not. */
  readonly sinceCreatedMs: number | null;
  readonly graceMs: number;
  /** The run was parked before: ask the provider instead of waiting again after a 404. */
  readonly parkedBefore: boolean;
}

const THROTTLES = new Set([
  'TooManyRequestsException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
]);
const SERVER = new Set([
  'InternalErrorException',
  'InternalServerError',
  'InternalFailure',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  // Nothing was sent, so nothing can have happened.
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const AMBIGUOUS = new Set([
  'TimeoutError',
  'AbortError',
  'RequestTimeout',
  'RequestTimeoutException',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_SOCKET_CLOSED',
  'UND_ERR_SOCKET',
]);
const PASSWORD = new Set(['InvalidPasswordException', 'PasswordHistoryPolicyViolationException']);
const REJECTED = new Set(['InvalidParameterException', 'UserLambdaValidationException']);
/** Errors about credentials: clock skew and expired credentials may resolve themselves. */
const CREDENTIALS = new Set([
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'MissingAuthenticationToken',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  // The SDK's own, when it finds no credentials: nothing was sent.
  'CredentialsProviderError',
]);
const REFUSED = new Set([
  ...CREDENTIALS,
  'NotAuthorizedException',
  'AccessDenied',
  'AccessDeniedException',
  'PreconditionNotMetException',
  'OperationNotEnabledException',
  'InvalidLambdaResponseException',
  'UnexpectedLambdaException',
]);
/** Steps about a user whose registration is complete: after the grace, nobody may delete it but us. */
const ON_COMPLETED: ReadonlySet<ProviderStep> = new Set(['disableUser', 'enableUser', 'readUser']);
const REFUSED_PREFIXES = ['InvalidSms', 'InvalidEmailRole'];

/** Returns a verdict for every error of every step; an unlisted error is transient and unknown. */
export function classify(step: ProviderStep, error: ProviderError, lag: Lag): Verdict {
  const { name } = error;
  if (THROTTLES.has(name)) return fail('throttled');
  if (AMBIGUOUS.has(name)) return fail('reply_lost');
  if (SERVER.has(name)) return fail('server_error');
  if (name === 'UserNotFoundException') return notFound(step, lag);
  if (name === 'ResourceNotFoundException') {
    return error.aboutPool ? refused(step) : roleMissing(step);
  }
  if (name === 'UsernameExistsException' || name === 'AliasExistsException') {
    return step === 'createUser' ? { kind: 'read' } : fail('unknown_error');
  }
  if (name === 'UnsupportedUserStateException') {
    return step === 'invitation' ? { kind: 'done' } : fail('unknown_error');
  }
  if (name === 'CodeDeliveryFailureException') {
    return step === 'createUser' ? { kind: 'read' } : fail('mail_deferred');
  }
  if (name === 'LimitExceededException') {
    return fail(step === 'invitation' ? 'mail_deferred' : 'throttled');
  }
  if (name === 'PasswordHistoryPolicyViolationException' && step === 'setPassword') {
    return { kind: 'read' };
  }
  if (PASSWORD.has(name)) return rejected(step, 'password_rejected');
  if (name === 'InvalidParameterException' && isRoleStep(step)) return fail('rejected');
  // Of the values that setPassword sends, only the password comes from the caller.
  if (REJECTED.has(name)) {
    return rejected(step, step === 'setPassword' ? 'password_rejected' : 'registration_rejected');
  }
  if (isRefusal(name)) return refused(step);
  if (error.httpStatus !== null && error.httpStatus >= 500) return fail('server_error');
  return fail('unknown_error');
}

/** Whether a call that ended so may take effect all the same, by now or later: nobody answered, or what
 * answered had failed. */
export function mayStillLand({ name, httpStatus }: ProviderError): boolean {
  return AMBIGUOUS.has(name) || (httpStatus !== null && httpStatus >= 500);
}

/** The outcome by which an error is counted. */
export function outcomeOf({ name, httpStatus }: ProviderError): CallOutcome {
  if (THROTTLES.has(name)) return 'throttled';
  if (AMBIGUOUS.has(name)) return 'no_reply';
  if (SERVER.has(name)) return 'server_error';
  if (name === 'UserNotFoundException' || name === 'ResourceNotFoundException') return 'missing';
  if (name === 'UsernameExistsException' || name === 'AliasExistsException') return 'exists';
  if (PASSWORD.has(name) || REJECTED.has(name)) return 'rejected';
  if (isRefusal(name)) return 'refused';
  return httpStatus !== null && httpStatus >= 500 ? 'server_error' : 'other';
}

// Whether a 404 is final depends on the time since the creation, not on the number of attempts.
function notFound(step: ProviderStep, lag: Lag): Verdict {
  if (step === 'deleteUser') return { kind: 'done' };
  const withinGrace = lag.sinceCreatedMs !== null && lag.sinceCreatedMs < lag.graceMs;
  if (withinGrace) return fail('not_visible_yet');
  // Somebody who is gone has no sessions.
  if (step === 'signOut') return { kind: 'done' };
  if (ON_COMPLETED.has(step)) return fail('user_vanished');
  if (step === 'invitation') return { kind: 'ask' };
  return lag.parkedBefore ? { kind: 'ask' } : fail('not_visible_parked');
}

function roleMissing(step: ProviderStep): Verdict {
  if (step === 'assignRole') return fail('role_missing');
  // A role that is not in the pool does not have to be removed.
  if (step === 'removeRole') return { kind: 'done' };
  return refused(step);
}

function isRoleStep(step: ProviderStep): boolean {
  return step === 'assignRole' || step === 'removeRole';
}

function isRefusal(name: string): boolean {
  return REFUSED.has(name) || REFUSED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Whether Cognito refused the credentials themselves, rather than a permission. */
export function refusesCredentials({ name }: ProviderError): boolean {
  return CREDENTIALS.has(name);
}

// Before the creation there is no user, so the failure is definitive. Later the user is kept: park.
function refused(step: ProviderStep): Verdict {
  return fail(step === 'createUser' ? 'provider_refused' : 'refused_parked');
}

// Only createUser and setPassword send values from the caller.
function rejected(step: ProviderStep, failure: FailureName): Verdict {
  return fail(step === 'createUser' || step === 'setPassword' ? failure : 'unknown_error');
}

function fail(failure: FailureName): Verdict {
  return { kind: 'fail', failure };
}
