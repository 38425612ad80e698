import {
  ConfirmForgotPasswordCommand,
  ForgotPasswordCommand,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import type { PasswordRecovery } from '../domain/account.ts';
import { ProviderUnavailable } from '../domain/role.ts';
import type { Secret } from '../secrets/secret.ts';
import { atProvider, REQUEST_TIMEOUT_MS } from './call.ts';
import { ProviderError, toProviderError } from './provider-error.ts';
import type { SessionSettings } from './session-call.ts';
import { secretHash } from './sign-in-flow.ts';

interface Log {
  warn(fields: object, message: string): void;
}

/** Messages of errors that concern our app client, not the person. */
const ABOUT_US = /secret|client/i;
/** A wrong or expired code, nobody of that name, and the pool's limits: one answer for all. */
const REFUSED = new Set([
  'CodeMismatchException',
  'ExpiredCodeException',
  'UserNotFoundException',
  'UserNotConfirmedException',
  'NotAuthorizedException',
  'InvalidParameterException',
  'UserLambdaValidationException',
  'LimitExceededException',
  'TooManyFailedAttemptsException',
]);
const PASSWORD = new Set(['InvalidPasswordException', 'PasswordHistoryPolicyViolationException']);

/** ForgotPassword and ConfirmForgotPassword, with our app client. */
export function createPasswordRecovery(
  client: CognitoIdentityProviderClient,
  { clientId, clientSecret }: SessionSettings,
  log: Log,
): PasswordRecovery<Secret> {
  const of = (username: string) => ({
    ClientId: clientId,
    Username: username,
    ...(clientSecret ? { SecretHash: secretHash(username, clientId, clientSecret) } : {}),
  });
  return {
    mailCode: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        try {
          await client.send(new ForgotPasswordCommand(of(username)), { abortSignal });
        } catch (error) {
          throw isAboutUs(error) ? new ProviderError('AccessDeniedException', 400) : error;
        }
      }),
    confirm: async (username, code, password) => {
      try {
        const abortSignal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
        await client.send(
          new ConfirmForgotPasswordCommand({
            ...of(username),
            ConfirmationCode: code,
            Password: password.reveal(),
          }),
          { abortSignal },
        );
        return 'done';
      } catch (error) {
        const { name } = toProviderError(error);
        if (PASSWORD.has(name)) return 'password_rejected';
        if (REFUSED.has(name) && !isAboutUs(error)) return 'refused';
        log.warn({ error: name }, 'Cognito refused to reset a password');
        throw new ProviderUnavailable('password recovery');
      }
    },
  };
}

function isAboutUs(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['NotAuthorizedException', 'InvalidParameterException'].includes(error.name) &&
    ABOUT_US.test(error.message)
  );
}
