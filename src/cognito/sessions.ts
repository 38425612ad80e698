import {
  GetTokensFromRefreshTokenCommand,
  GetUserCommand,
  GlobalSignOutCommand,
  InitiateAuthCommand,
  RevokeTokenCommand,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Person, Sessions } from '../domain/session.ts';
import type { Secret } from '../secrets/secret.ts';
import { createOwnAccount } from './own-account.ts';
import { createSessionCall, valueOrNull, type Log, type SessionSettings } from './session-call.ts';
import { createSignInFlow, secretHash, tokensOf } from './sign-in-flow.ts';
import { checkAsTyped } from './typed-password.ts';

/** Sign-in, refresh and sign-out on Cognito's own flows, and what a person does with an access token. */
export function createSessions(
  client: CognitoIdentityProviderClient,
  settings: SessionSettings,
  log: Log,
): Sessions<Secret> {
  const { clientId, clientSecret } = settings;
  const app = { ClientId: clientId, ...(clientSecret ? { ClientSecret: clientSecret } : {}) };
  const ask = createSessionCall(log);
  const flow = createSignInFlow(client, settings, ask);

  const personOf = async (AccessToken: string): Promise<Person | null> => {
    const user = valueOrNull(
      await ask((abortSignal) => client.send(new GetUserCommand({ AccessToken }), { abortSignal })),
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
  const revoke = async (refreshToken: string): Promise<void> => {
    await ask((abortSignal) =>
      client.send(new RevokeTokenCommand({ ...app, Token: refreshToken }), { abortSignal }),
    );
  };
  const endSessions = async (AccessToken: string): Promise<boolean> => {
    const ended = await ask((abortSignal) =>
      client.send(new GlobalSignOutCommand({ AccessToken }), { abortSignal }),
    );
    return ended.kind === 'ok';
  };

  return {
    ...createOwnAccount(client, ask),
    personOf,
    revoke,
    endSessions,
    answerChallenge: flow.answerChallenge,
    signIn: async (name, password) => {
      const initiate = (typed: Secret) =>
        ask((abortSignal) => {
          const AuthParameters = {
            USERNAME: name,
            PASSWORD: typed.reveal(),
            ...(clientSecret ? { SECRET_HASH: secretHash(name, clientId, clientSecret) } : {}),
          };
          const request = {
            AuthFlow: 'USER_PASSWORD_AUTH',
            ClientId: clientId,
            AuthParameters,
          } as const;
          return client.send(new InitiateAuthCommand(request), { abortSignal });
        });
      const answer = await checkAsTyped(password, initiate, ({ kind }) => kind === 'refused');
      return answer.kind === 'ok' ? await flow.signInOf(answer.value, name) : { kind: 'refused' };
    },
    // This call takes the secret of the client itself. The flow REFRESH_TOKEN_AUTH would require a hash
    // over the username in the pool, which a refresh token does not contain.
    refresh: async (refreshToken) => {
      const answer = await ask((abortSignal) =>
        client.send(new GetTokensFromRefreshTokenCommand({ ...app, RefreshToken: refreshToken }), {
          abortSignal,
        }),
      );
      const result = valueOrNull(answer)?.AuthenticationResult;
      return result ? tokensOf(result, refreshToken) : null;
    },
    signOut: async (accessToken, refreshToken) => {
      await revoke(refreshToken);
      // Revoking a refresh token also revokes its access tokens. An access token that is still valid
      // belongs to another session, which only a global sign-out ends.
      if ((await personOf(accessToken)) === null) return 'session';
      return (await endSessions(accessToken)) ? 'everywhere' : 'session';
    },
  };
}
