import {
  ChangePasswordCommand,
  GetUserAttributeVerificationCodeCommand,
  UpdateUserAttributesCommand,
  VerifyUserAttributeCommand,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import type { PasswordChange, Sessions } from '../domain/session.ts';
import type { Secret } from '../secrets/secret.ts';
import type { SessionCall } from './session-call.ts';
import { checkAsTyped } from './typed-password.ts';

const CHANGE_ERRORS: Readonly<Record<string, PasswordChange>> = {
  InvalidPasswordException: 'password_rejected',
  PasswordHistoryPolicyViolationException: 'password_rejected',
  LimitExceededException: 'limited',
  TooManyFailedAttemptsException: 'limited',
};

type OwnAccount = Pick<Sessions<Secret>, 'mailCode' | 'verifyEmail' | 'changePassword' | 'rename'>;

/** What people change about themselves, each call with their own access token. */
export function createOwnAccount(
  client: CognitoIdentityProviderClient,
  ask: SessionCall,
): OwnAccount {
  return {
    mailCode: async (AccessToken) => {
      const request = { AccessToken, AttributeName: 'email' };
      const mailed = await ask((abortSignal) =>
        client.send(new GetUserAttributeVerificationCodeCommand(request), { abortSignal }),
      );
      return mailed.kind === 'ok';
    },
    verifyEmail: async (AccessToken, Code) => {
      const request = { AccessToken, AttributeName: 'email', Code };
      const verified = await ask((abortSignal) =>
        client.send(new VerifyUserAttributeCommand(request), { abortSignal }),
      );
      return verified.kind === 'ok';
    },
    changePassword: async (AccessToken, current, next) => {
      const change = (typed: Secret) =>
        ask((abortSignal) => {
          const PreviousPassword = typed.reveal();
          const ProposedPassword = next.reveal();
          const request = { AccessToken, PreviousPassword, ProposedPassword };
          return client.send(new ChangePasswordCommand(request), { abortSignal });
        });
      const changeOf = (answer: Awaited<ReturnType<typeof change>>): PasswordChange =>
        answer.kind === 'ok' ? 'changed' : (CHANGE_ERRORS[answer.error] ?? 'wrong_password');
      return changeOf(
        await checkAsTyped(current, change, (answer) => changeOf(answer) === 'wrong_password'),
      );
    },
    rename: async (AccessToken, { firstName, lastName }) => {
      const names = { given_name: firstName, family_name: lastName };
      const UserAttributes = Object.entries(names).flatMap(([Name, Value]) =>
        Value === undefined ? [] : [{ Name, Value }],
      );
      if (UserAttributes.length === 0) return true;
      const renamed = await ask((abortSignal) =>
        client.send(new UpdateUserAttributesCommand({ AccessToken, UserAttributes }), {
          abortSignal,
        }),
      );
      return renamed.kind === 'ok';
    },
  };
}
