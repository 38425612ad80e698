import type { FailureName } from '../domain/failure.ts';
import type { CallOutcome } from '../domain/telemetry.ts';
import type { ProviderError } from './provider-error.ts';

/** The steps, and the background work, that meet Cognito. */
export type ProviderStep =
  | 'createUser'
  | 'setPassword'
  | 'assignRole'
  | 'removeRole'
  | 'invitation'
  | 'deleteUser'
  | 'comparePool';

/** What a provider error means for a step. */
export type Verdict =
  | { readonly kind: 'fail'; readonly failure: FailureName }
  /** It has happened already, by us or by others: what is read of the user decides. */
  | { readonly kind: 'read' }
  /** Not visible although the grace is spent: AdminGetUser decides whether it is there at all. */
  | { readonly kind: 'ask' }
  /** There is nothing left to do. */
  | { readonly kind: 'done' };

export interface Lag {
  /** Since the row noted that the user was created; null when it never did. */
  readonly sinceCreatedMs: number | null;
  readonly graceMs: number;
  /** The run was parked before: 404 is not waited for again, the provider is asked. */
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
/** Of credentials: clock skew and a refresh of credentials heal by themselves. */
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
const REFUSED_PREFIXES = ['InvalidSms', 'InvalidEmailRole'];

/** Total: every error of every step has a verdict; one without a row is transient and unknown. */
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
  // Of what setPassword sends, only the password is the caller's.
  if (REJECTED.has(name)) {
    return rejected(step, step === 'setPassword' ? 'password_rejected' : 'registration_rejected');
  }
  if (isRefusal(name)) return refused(step);
  if (error.httpStatus !== null && error.httpStatus >= 500) return fail('server_error');
  return fail('unknown_error');
}

/** The same error, as it is counted. Total. */
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

// 404 is a window in time, not a verdict and not a number of attempts.
function notFound(step: ProviderStep, lag: Lag): Verdict {
  if (step === 'deleteUser') return { kind: 'done' };
  const withinGrace = lag.sinceCreatedMs !== null && lag.sinceCreatedMs < lag.graceMs;
  if (withinGrace) return fail('not_visible_yet');
  if (step === 'invitation') return { kind: 'ask' };
  return lag.parkedBefore ? { kind: 'ask' } : fail('not_visible_parked');
}

function roleMissing(step: ProviderStep): Verdict {
  if (step === 'assignRole') return fail('role_missing');
  // A role that is not in the pool needs no removing.
  if (step === 'removeRole') return { kind: 'done' };
  return refused(step);
}

function isRoleStep(step: ProviderStep): boolean {
  return step === 'assignRole' || step === 'removeRole';
}

function isRefusal(name: string): boolean {
  return REFUSED.has(name) || REFUSED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Whether Cognito refused the credentials, rather than what they may do. */
export function refusesCredentials({ name }: ProviderError): boolean {
  return CREDENTIALS.has(name);
}

// Nothing exists before create: refuse. Later a good user does, and is kept.
function refused(step: ProviderStep): Verdict {
  return fail(step === 'createUser' ? 'provider_refused' : 'refused_parked');
}

// A value that Cognito rejects is the caller's at create and at setPassword; other steps send none.
function rejected(step: ProviderStep, failure: FailureName): Verdict {
  return fail(step === 'createUser' || step === 'setPassword' ? failure : 'unknown_error');
}

function fail(failure: FailureName): Verdict {
  return { kind: 'fail', failure };
}
