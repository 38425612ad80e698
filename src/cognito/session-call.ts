import { ProviderUnavailable } from '../domain/role.ts';
import { REQUEST_TIMEOUT_MS } from './call.ts';
import { toProviderError } from './provider-error.ts';

/** Our app client. */
export interface SessionSettings {
  readonly clientId: string;
  readonly clientSecret: string | null;
}

/** The log for errors of the pool. */
export interface Log {
  warn(fields: object, message: string): void;
}

/** What Cognito answered: a value, or the name of an error that is about the person. */
export type Answered<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: string };

/** One call of a session. @throws ProviderUnavailable */
export type SessionCall = <T>(
  call: (abortSignal: AbortSignal) => Promise<T>,
) => Promise<Answered<T>>;

/** Errors about the person, the password, a code or a token. Cognito does not always tell whether the
 * password was correct, so a sign-in gives all of them the same response. */
const REFUSED = new Set([
  'NotAuthorizedException',
  'UserNotFoundException',
  'UserNotConfirmedException',
  'PasswordResetRequiredException',
  'UserLambdaValidationException',
  'InvalidParameterException',
  'RefreshTokenReuseException',
  'UnsupportedTokenTypeException',
  'CodeMismatchException',
  'ExpiredCodeException',
  'EnableSoftwareTokenMFAException',
  'SoftwareTokenMFANotFoundException',
  'MFAMethodNotFoundException',
  'InvalidPasswordException',
  'PasswordHistoryPolicyViolationException',
  'LimitExceededException',
  'TooManyFailedAttemptsException',
  'CodeDeliveryFailureException',
]);
/** Messages of errors that concern our app client: an operator has to act. */
const ABOUT_US = /secret|flow not enabled|unauthorized attribute/i;

export function createSessionCall(log: Log): SessionCall {
  return async (call) => {
    try {
      return { kind: 'ok', value: await call(AbortSignal.timeout(REQUEST_TIMEOUT_MS)) };
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: 'Unknown', message: '' };
      if (REFUSED.has(name) && !ABOUT_US.test(message)) return { kind: 'refused', error: name };
      log.warn({ error: toProviderError(error).name }, 'Cognito refused a session request');
      throw new ProviderUnavailable('session');
    }
  };
}

/** The value, or null where Cognito refused. */
export function valueOrNull<T>(answered: Answered<T>): T | null {
  return answered.kind === 'ok' ? answered.value : null;
}
