import {
  ConfirmForgotPasswordCommand,
  ForgotPasswordCommand,
  InitiateAuthCommand,
  RespondToAuthChallengeCommand,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Confirmation, PasswordRecovery } from '../domain/account.ts';
import type { Secret } from '../secrets/secret.ts';
import { atProvider } from './call.ts';
import { ProviderError, toProviderError } from './provider-error.ts';
import type { SessionSettings } from './session-call.ts';
import { secretHash } from './sign-in-flow.ts';

interface Log {
  warn(fields: object, message: string): void;
}

/** Of a confirmation, which is two calls with a temporary password. */
export const CONFIRM_TIMEOUT_MS = 6000;
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
    confirm: (username, code, password) =>
      confirmation(async (abortSignal) => {
        await client.send(
          new ConfirmForgotPasswordCommand({
            ...of(username),
            ConfirmationCode: code,
            Password: password.reveal(),
          }),
          { abortSignal },
        );
        return 'done';
      }),
    confirmTemporary: (username, temporary, password) =>
      confirmation(async (abortSignal) => {
        const hash = clientSecret
          ? { SECRET_HASH: secretHash(username, clientId, clientSecret) }
          : {};
        const { ChallengeName, Session, ChallengeParameters } = await client.send(
          new InitiateAuthCommand({
            AuthFlow: 'USER_PASSWORD_AUTH',
            ClientId: clientId,
            AuthParameters: { USERNAME: username, PASSWORD: temporary.reveal(), ...hash },
          }),
          { abortSignal },
        );
        // Tokens, or another challenge: somebody's own password, which is no code.
        if (ChallengeName !== 'NEW_PASSWORD_REQUIRED') return 'refused';
        const name = ChallengeParameters?.['USER_ID_FOR_SRP'] ?? username;
        await client.send(
          new RespondToAuthChallengeCommand({
            ChallengeName,
            ClientId: clientId,
            Session,
            ChallengeResponses: {
              USERNAME: name,
              NEW_PASSWORD: password.reveal(),
              ...(clientSecret ? { SECRET_HASH: secretHash(name, clientId, clientSecret) } : {}),
            },
          }),
          { abortSignal },
        );
        return 'done';
      }),
  };

  async function confirmation(
    call: (abortSignal: AbortSignal) => Promise<Confirmation>,
  ): Promise<Confirmation> {
    try {
      return await call(AbortSignal.timeout(CONFIRM_TIMEOUT_MS));
    } catch (error) {
      const { name, httpStatus } = toProviderError(error);
      if (PASSWORD.has(name)) return 'password_rejected';
      if (REFUSED.has(name) && !isAboutUs(error)) return 'refused';
      log.warn({ error: name }, 'Cognito did not confirm a new password');
      // Of two calls, the first one sets nothing.
      return httpStatus !== null && httpStatus < 500 ? 'unavailable' : 'unknown';
    }
  }
}

function isAboutUs(error: unknown): boolean {
  return (
    error instanceof Error &&
    ['NotAuthorizedException', 'InvalidParameterException'].includes(error.name) &&
    ABOUT_US.test(error.message)
  );
}
