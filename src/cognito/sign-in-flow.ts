import { createHmac } from 'node:crypto';
import {
  AssociateSoftwareTokenCommand,
  RespondToAuthChallengeCommand,
  VerifySoftwareTokenCommand,
  type AuthenticationResultType,
  type CognitoIdentityProviderClient,
  type InitiateAuthResponse,
} from '@aws-sdk/client-cognito-identity-provider';
import type { ChallengeName, Sessions, SignIn, Tokens } from '../domain/session.ts';
import type { Secret } from '../secrets/secret.ts';
import { valueOrNull, type SessionCall, type SessionSettings } from './session-call.ts';

/** The name of the response by which each challenge takes its code. */
const CODE_FIELDS: Readonly<Partial<Record<ChallengeName, string>>> = {
  SOFTWARE_TOKEN_MFA: 'SOFTWARE_TOKEN_MFA_CODE',
  SMS_MFA: 'SMS_MFA_CODE',
  EMAIL_OTP: 'EMAIL_OTP_CODE',
  SELECT_MFA_TYPE: 'ANSWER',
};
const PASSWORD = new Set(['InvalidPasswordException', 'PasswordHistoryPolicyViolationException']);
const CODE = new Set([
  'CodeMismatchException',
  'ExpiredCodeException',
  'EnableSoftwareTokenMFAException',
]);

interface SignInFlow extends Pick<Sessions<Secret>, 'answerChallenge'> {
  /** @param name whom the request named */
  signInOf(answer: InitiateAuthResponse, name: string): Promise<SignIn>;
}

/** What follows a right password: tokens, or challenges and their answers. */
export function createSignInFlow(
  client: CognitoIdentityProviderClient,
  { clientId, clientSecret }: SessionSettings,
  ask: SessionCall,
): SignInFlow {
  // An authenticator is set up within the sign-in: its secret is needed before the person can go on.
  const newAuthenticator = async (
    Session: string,
  ): Promise<{ session: string; secret: string } | null> => {
    const answer = valueOrNull(
      await ask((abortSignal) =>
        client.send(new AssociateSoftwareTokenCommand({ Session }), { abortSignal }),
      ),
    );
    const { SecretCode: secret, Session: session } = answer ?? {};
    return secret && session ? { secret, session } : null;
  };
  const verifyAuthenticator = (Session: string, UserCode: string) =>
    ask((abortSignal) =>
      client.send(new VerifySoftwareTokenCommand({ Session, UserCode }), { abortSignal }),
    );
  const respond = (name: ChallengeName, Session: string, responses: Record<string, string>) =>
    ask((abortSignal) => {
      const { USERNAME = '' } = responses;
      const ChallengeResponses = {
        ...responses,
        ...(clientSecret ? { SECRET_HASH: secretHash(USERNAME, clientId, clientSecret) } : {}),
      };
      const answer = { ClientId: clientId, ChallengeName: name, Session, ChallengeResponses };
      return client.send(new RespondToAuthChallengeCommand(answer), { abortSignal });
    });

  const signInOf = async (answer: InitiateAuthResponse, name: string): Promise<SignIn> => {
    const { AuthenticationResult: result, ChallengeName, ChallengeParameters: given = {} } = answer;
    if (result) return { kind: 'signed_in', tokens: tokensOf(result, '') };
    const session = answer.Session ?? '';
    const canSetUp = listIn(given['MFAS_CAN_SETUP']) ?? ['SOFTWARE_TOKEN_MFA'];
    const setUp =
      ChallengeName === 'MFA_SETUP' && canSetUp.includes('SOFTWARE_TOKEN_MFA')
        ? await newAuthenticator(session)
        : null;
    return {
      kind: 'challenge',
      challenge: {
        name: ChallengeName ?? '',
        session: setUp?.session ?? session,
        // Cognito requires its own name of the user in the answer, and no alias.
        poolName: given['USER_ID_FOR_SRP'] ?? name,
        options: listIn(given['MFAS_CAN_CHOOSE']),
        destination: given['CODE_DELIVERY_DESTINATION'] ?? null,
        secret: setUp?.secret ?? null,
      },
    };
  };

  return {
    signInOf,
    answerChallenge: async ({ name, session, poolName }, reply) => {
      const responses: Record<string, string> = { USERNAME: poolName };
      let current = session;
      if ('newPassword' in reply) responses['NEW_PASSWORD'] = reply.newPassword.reveal();
      else if (name === 'MFA_SETUP') {
        const verified = await verifyAuthenticator(session, reply.code);
        if (verified.kind === 'refused') return refusalOf(verified.error);
        current = verified.value.Session ?? session;
      } else responses[CODE_FIELDS[name] ?? 'ANSWER'] = reply.code;
      const answer = await respond(name, current, responses);
      return answer.kind === 'ok'
        ? await signInOf(answer.value, poolName)
        : refusalOf(answer.error);
    },
  };
}

function refusalOf(error: string): {
  readonly kind: 'refused' | 'wrong_code' | 'password_rejected';
} {
  if (PASSWORD.has(error)) return { kind: 'password_rejected' };
  return { kind: CODE.has(error) ? 'wrong_code' : 'refused' };
}

/** Cognito sends lists as JSON in a text. */
function listIn(text: string | undefined): string[] | null {
  try {
    const list: unknown = JSON.parse(text ?? 'null');
    return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : null;
  } catch {
    return null;
  }
}

/** @param refreshToken the sent one: Cognito returns a new one only if the client rotates them */
export function tokensOf(result: AuthenticationResultType, refreshToken: string): Tokens {
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
