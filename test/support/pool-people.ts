import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  type AuthenticationResultType,
  GetUserCommand,
  InitiateAuthCommand,
  type InitiateAuthCommandOutput,
  RespondToAuthChallengeCommand,
  type RespondToAuthChallengeCommandOutput,
} from '@aws-sdk/client-cognito-identity-provider';
import type { TestPool } from './cognito.ts';

/** The password of everybody whom `addPerson` makes. */
export const PASSWORD = 'password-1';

export interface PersonOptions {
  /** By default the address is verified. */
  readonly verified?: boolean;
  /** By default the password is the user's own. */
  readonly temporary?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes a user and answers the address. */
export async function addPerson(
  { client, userPoolId: UserPoolId }: TestPool,
  name: string,
  { verified = true, temporary = false, attributes = {} }: PersonOptions = {},
): Promise<string> {
  const Username = `${name}@example.com`;
  const all = { email_verified: String(verified), ...attributes };
  await client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username,
      UserAttributes: Object.entries(all).map(([Name, Value]) => ({ Name, Value })),
      MessageAction: 'SUPPRESS',
      TemporaryPassword: PASSWORD,
    }),
  );
  const own = { UserPoolId, Username, Password: PASSWORD, Permanent: true };
  if (!temporary) await client.send(new AdminSetUserPasswordCommand(own));
  return Username;
}

/** InitiateAuth: tokens, or a challenge. */
export function signIn(
  pool: Pick<TestPool, 'client' | 'clientId'>,
  USERNAME: string,
  password = PASSWORD,
  ClientId = pool.clientId,
): Promise<InitiateAuthCommandOutput> {
  return pool.client.send(
    new InitiateAuthCommand({
      ClientId,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME, PASSWORD: password },
    }),
  );
}

export async function tokensOf(
  pool: TestPool,
  name: string,
  password = PASSWORD,
): Promise<AuthenticationResultType & { AccessToken: string }> {
  const { AuthenticationResult } = await signIn(pool, name, password);
  return { ...AuthenticationResult, AccessToken: AuthenticationResult?.AccessToken ?? '' };
}

/** RespondToAuthChallenge, by default as the client that `signIn` names. */
export function answerChallenge(
  pool: TestPool,
  { ChallengeName, Session }: Pick<InitiateAuthCommandOutput, 'ChallengeName' | 'Session'>,
  ChallengeResponses: Record<string, string>,
  ClientId = pool.clientId,
): Promise<RespondToAuthChallengeCommandOutput> {
  return pool.client.send(
    new RespondToAuthChallengeCommand({ ClientId, ChallengeName, Session, ChallengeResponses }),
  );
}

/** What was mailed last to somebody: a code or a temporary password. */
export async function lastCode(pool: Pick<TestPool, 'mail'>, to: string): Promise<string> {
  return (await pool.mail()).findLast((mail) => mail.to === to)?.code ?? '';
}

export async function attributesOf(
  pool: TestPool,
  AccessToken: string,
): Promise<Record<string, string | undefined>> {
  const { UserAttributes = [] } = await pool.client.send(new GetUserCommand({ AccessToken }));
  return Object.fromEntries(UserAttributes.map(({ Name, Value }) => [Name, Value]));
}

/** A code that is not this one. */
export const otherThan = (code: string): string =>
  code.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
