import {
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  type CognitoIdentityProviderClient,
  UserNotFoundException,
} from '@aws-sdk/client-cognito-identity-provider';
import { sandboxClient } from './cognito/client.ts';

/** Whom `npm start` makes. */
export const FIRST_ADMINISTRATOR = 'admin@example.com';

export interface SandboxAddress {
  readonly endpoint: string;
  readonly userPoolId: string;
  readonly clientId: string;
}

/**
 * A bearer access token of a user of the sandbox, made when missing: with `role`, or as an
 * administrator. An existing user gets `role` where it is given, and keeps its password.
 */
export async function tokenOf(
  sandbox: SandboxAddress,
  email: string,
  role: string | undefined,
): Promise<string> {
  const client = sandboxClient(sandbox.endpoint);
  try {
    const UserPoolId = sandbox.userPoolId;
    const known = await usernameOf(client, UserPoolId, email);
    const Username = known ?? (await createPerson(client, UserPoolId, email));
    const wanted = role ?? (known === undefined ? 'admin' : undefined);
    if (wanted !== undefined) {
      const command = { UserPoolId, Username, GroupName: wanted };
      await client.send(new AdminAddUserToGroupCommand(command));
    }
    const { Groups = [] } = await client.send(
      new AdminListGroupsForUserCommand({ UserPoolId, Username }),
    );
    const groups = Groups.flatMap(({ GroupName }) => GroupName ?? []);
    return await mint(sandbox, {
      sub: Username,
      username: Username,
      client_id: sandbox.clientId,
      ...(groups.length > 0 ? { 'cognito:groups': groups } : {}),
    });
  } finally {
    client.destroy();
  }
}

async function usernameOf(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  Username: string,
): Promise<string | undefined> {
  try {
    return (await client.send(new AdminGetUserCommand({ UserPoolId, Username }))).Username;
  } catch (error) {
    if (error instanceof UserNotFoundException) return undefined;
    throw error;
  }
}

async function createPerson(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  email: string,
): Promise<string> {
  const { User } = await client.send(
    new AdminCreateUserCommand({
      UserPoolId,
      Username: email,
      MessageAction: 'SUPPRESS',
      UserAttributes: [
        { Name: 'email', Value: email },
        { Name: 'email_verified', Value: 'true' },
      ],
    }),
  );
  if (User?.Username === undefined) throw new Error('the sandbox made no user');
  return User.Username;
}

// Signed by the sandbox itself: signing in would mean to set the person's password.
async function mint(sandbox: SandboxAddress, claims: object): Promise<string> {
  const url = `${sandbox.endpoint}/_sandbox/tokens?pool=${sandbox.userPoolId}`;
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify(claims) });
  const answer: unknown = await reply.json();
  if (typeof answer === 'object' && answer !== null && 'token' in answer) {
    return String(answer.token);
  }
  throw new Error(`the sandbox gave no token: ${JSON.stringify(answer)}`);
}
