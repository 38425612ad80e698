import {
  CreateUserPoolClientCommand,
  DescribeUserPoolClientCommand,
  paginateListUserPoolClients,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from '../activities/cognito.ts';
import type { Change } from './change.ts';

const CLIENT_NAME = 'registrar';

/** Names of the clients that may write our mark. Without WriteAttributes a client may write the
 * standard attributes only, and the mark is none. */
export async function clientsThatMayMark(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
): Promise<string[]> {
  const names: string[] = [];
  for await (const page of paginateListUserPoolClients(
    { client },
    { UserPoolId, MaxResults: 60 },
  )) {
    for (const { ClientId } of page.UserPoolClients ?? []) {
      const { UserPoolClient: found } = await client.send(
        new DescribeUserPoolClientCommand({ UserPoolId, ClientId }),
      );
      if (found?.WriteAttributes?.includes(MARK_ATTRIBUTE)) {
        names.push(`${found.ClientName} (${ClientId})`);
      }
    }
  }
  return names;
}

/** The client of our own, where it is missing; prints its id where it is there. */
export async function ownClient(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  print: (line: string) => void,
): Promise<Change[]> {
  for await (const page of paginateListUserPoolClients(
    { client },
    { UserPoolId, MaxResults: 60 },
  )) {
    const ours = page.UserPoolClients?.find(({ ClientName }) => ClientName === CLIENT_NAME);
    if (ours) {
      print(`Set COGNITO_CLIENT_ID=${ours.ClientId}`);
      return [];
    }
  }
  return [
    {
      missing: `Cognito: an app client named ${CLIENT_NAME} (access token 30 minutes, refresh token 7 days, may not write ${MARK_ATTRIBUTE})`,
      apply: async () => {
        const { UserPoolClient } = await client.send(
          new CreateUserPoolClientCommand({
            UserPoolId,
            ClientName: CLIENT_NAME,
            ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
            AccessTokenValidity: 30,
            IdTokenValidity: 30,
            RefreshTokenValidity: 7,
            TokenValidityUnits: {
              AccessToken: 'minutes',
              IdToken: 'minutes',
              RefreshToken: 'days',
            },
            EnableTokenRevocation: true,
            PreventUserExistenceErrors: 'ENABLED',
            // Not the username: it is unique in the ledger, and the profile shows what the pool has.
            WriteAttributes: ['email', 'given_name', 'family_name', 'locale'],
          }),
        );
        print(`Set COGNITO_CLIENT_ID=${UserPoolClient?.ClientId}`);
      },
    },
  ];
}

/** What of a client that setup did not make, and so does not edit, the open doors cannot work with. */
export async function unfitForDoors(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  ClientId: string,
  doors: ReadonlySet<string>,
): Promise<string[]> {
  if (!doors.has('session') && !doors.has('signup')) return [];
  const { UserPoolClient: found } = await client.send(
    new DescribeUserPoolClientCommand({ UserPoolId, ClientId }),
  );
  const wrong: string[] = [];
  if (!found?.ExplicitAuthFlows?.includes('ALLOW_USER_PASSWORD_AUTH')) {
    wrong.push('does not allow ALLOW_USER_PASSWORD_AUTH: nobody can sign in at the open doors');
  }
  if (found?.EnableTokenRevocation === false) {
    wrong.push('has token revocation off: a sign-out would leave its refresh token alive');
  }
  if (found?.PreventUserExistenceErrors !== 'ENABLED') {
    wrong.push(
      'does not have PreventUserExistenceErrors ENABLED: it tells by its time who is there',
    );
  }
  return wrong.map((text) => `app client ${found?.ClientName} (${ClientId}) ${text}`);
}
