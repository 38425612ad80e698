import { createHmac } from 'node:crypto';
import {
  GetTokensFromRefreshTokenCommand,
  GetUserCommand,
  GlobalSignOutCommand,
  InitiateAuthCommand,
  RevokeTokenCommand,
  type AuthenticationResultType,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import { ProviderUnavailable } from '../domain/role.ts';
import type { Person, Sessions, Tokens } from '../domain/session.ts';
import type { Secret } from '../secrets/secret.ts';
import { REQUEST_TIMEOUT_MS } from './call.ts';
import { checkAsTyped } from './typed-password.ts';

export interface SessionSettings {
  readonly clientId: string;
  readonly clientSecret: string | null;
}

/** The log for errors of the pool. */
interface Log {
  warn(fields: object, message: string): void;
}

/** Errors for a wrong user or password. Cognito does not always tell whether the password was correct,
 * so all of them get the same response. */
const REFUSED = new Set([
  'NotAuthorizedException',
  'UserNotFoundException',
  'UserNotConfirmedException',
  'PasswordResetRequiredException',
  'UserLambdaValidationException',
  'InvalidParameterException',
  'RefreshTokenReuseException',
  'UnsupportedTokenTypeException',
]);
/** Messages of errors that concern our app client: an operator has to act. */
const ABOUT_US = /secret|flow not enabled/i;

/** Sign-in, refresh and sign-out on Cognito's own flows. */
export function createSessions(
  client: CognitoIdentityProviderClient,
  { clientId, clientSecret }: SessionSettings,
  log: Log,
): Sessions<Secret> {
  const app = { ClientId: clientId, ...(clientSecret ? { ClientSecret: clientSecret } : {}) };

  /** @returns null where Cognito refuses */
  async function ask<T>(call: (abortSignal: AbortSignal) => Promise<T>): Promise<T | null> {
    try {
      return await call(AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: 'Unknown', message: '' };
      if (REFUSED.has(name) && !ABOUT_US.test(message)) return null;
      log.warn({ error: name }, 'Cognito refused a session request');
      throw new ProviderUnavailable('session');
    }
  }

  const personOf = async (accessToken: string): Promise<Person | null> => {
    const user = await ask((abortSignal) =>
      client.send(new GetUserCommand({ AccessToken: accessToken }), { abortSignal }),
    );
    if (!user) return null;
    const of = (name: string) =>
      user.UserAttributes?.find((attribute) => attribute.Name === name)?.Value || null;
    return {
      userId: of('sub') ?? user.Username ?? '',
      username: of('preferred_username'),
      email: of('email') ?? '',
      firstName: of('given_name'),
      lastName: of('family_name'),
      emailVerified: of('email_verified') === 'true',
    };
  };

  return {
    personOf,
    signIn: async (name, password) => {
      const initiate = (typed: Secret) =>
        ask((abortSignal) => {
          const AuthParameters = {
            USERNAME: name,
            PASSWORD: typed.reveal(),
            ...(clientSecret ? { SECRET_HASH: secretHash(name, clientId, clientSecret) } : {}),
          };
          const flow = {
            AuthFlow: 'USER_PASSWORD_AUTH',
            ClientId: clientId,
            AuthParameters,
          } as const;
          return client.send(new InitiateAuthCommand(flow), { abortSignal });
        });
      const answer = await checkAsTyped(password, initiate, (found) => found === null);
      if (!answer) return { kind: 'refused' };
      const { AuthenticationResult: result } = answer;
      return result ? { kind: 'signed_in', tokens: tokensOf(result, '') } : { kind: 'challenge' };
    },
    // This call takes the secret of the client itself. The flow REFRESH_TOKEN_AUTH would require a hash
    // over the username in the pool, which a refresh token does not contain.
    refresh: async (refreshToken) => {
      const answer = await ask((abortSignal) =>
        client.send(new GetTokensFromRefreshTokenCommand({ ...app, RefreshToken: refreshToken }), {
          abortSignal,
        }),
      );
      const result = answer?.AuthenticationResult;
      return result ? tokensOf(result, refreshToken) : null;
    },
    signOut: async (accessToken, refreshToken) => {
      await ask((abortSignal) =>
        client.send(new RevokeTokenCommand({ ...app, Token: refreshToken }), { abortSignal }),
      );
      // Revoking a refresh token also revokes its access tokens. An access token that is still valid
      // belongs to another session, which only a global sign-out ends.
      if ((await personOf(accessToken)) === null) return;
      await ask((abortSignal) =>
        client.send(new GlobalSignOutCommand({ AccessToken: accessToken }), { abortSignal }),
      );
    },
  };
}

/** @param refreshToken the sent one: Cognito returns a new one only if the client rotates them */
function tokensOf(result: AuthenticationResultType, refreshToken: string): Tokens {
  const accessToken = result.AccessToken ?? '';
  const claims = JSON.parse(
    Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString(),
  ) as { exp: number };
  return {
    accessToken,
    refreshToken: result.RefreshToken ?? refreshToken,
    expiresAt: new Date(claims.exp * 1000),
  };
}

export function secretHash(username: string, clientId: string, clientSecret: string): string {
  return createHmac('sha256', clientSecret).update(`${username}${clientId}`).digest('base64');
}
