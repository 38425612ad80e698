import {
  CreateUserPoolClientCommand,
  DescribeUserPoolClientCommand,
  paginateListUserPoolClients,
  type CognitoIdentityProviderClient,
  type CreateUserPoolClientRequest,
  type UserPoolClientType,
  type UserPoolType,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from './adapter.ts';
import type { Change } from './change.ts';

const CLIENT_NAME = 'registrar';
/** What people may change of themselves. Not the username: it is unique in the ledger, and the profile
 * shows what the pool has. Not the e-mail: with it a stolen access token becomes the account. */
const WRITABLE = ['given_name', 'family_name', 'locale'];

/** How the client that Registrar signs in with is made. */
export function clientSettings(
  pool: UserPoolType,
): Partial<CreateUserPoolClientRequest> & { WriteAttributes: string[] } {
  return {
    // Without ALLOW_REFRESH_TOKEN_AUTH: that flow knows no rotation, and AWS takes one of the two.
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds: 0 },
    AccessTokenValidity: 30,
    IdTokenValidity: 30,
    RefreshTokenValidity: 7,
    TokenValidityUnits: { AccessToken: 'minutes', IdToken: 'minutes', RefreshToken: 'days' },
    EnableTokenRevocation: true,
    PreventUserExistenceErrors: 'ENABLED',
    // AWS keeps what a pool requires writable by every client; a list without it may be refused.
    WriteAttributes: [...new Set([...WRITABLE, ...requiredAttributes(pool)])],
  };
}

/** What nobody can be without in this pool, but the `sub`, which is nobody's to write. */
export function requiredAttributes({ SchemaAttributes = [] }: UserPoolType): string[] {
  const required = SchemaAttributes.filter(({ Required, Name }) => Required && Name !== 'sub');
  return required.flatMap(({ Name }) => Name ?? []);
}

/** Every app client of the pool, with its settings. */
export async function appClients(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
): Promise<UserPoolClientType[]> {
  const found: UserPoolClientType[] = [];
  for await (const page of paginateListUserPoolClients(
    { client },
    { UserPoolId, MaxResults: 60 },
  )) {
    for (const { ClientId } of page.UserPoolClients ?? []) {
      const { UserPoolClient } = await client.send(
        new DescribeUserPoolClientCommand({ UserPoolId, ClientId }),
      );
      if (UserPoolClient) found.push(UserPoolClient);
    }
  }
  return found;
}

/** The client that Registrar signs in with: the one that is named, or the one that setup has made. */
export function ownClient(
  clients: readonly UserPoolClientType[],
  clientId: string | null,
): UserPoolClientType | undefined {
  return clients.find(({ ClientId, ClientName }) =>
    clientId === null ? ClientName === CLIENT_NAME : ClientId === clientId,
  );
}

/** Makes the client of our own. */
export function makeClient(
  client: CognitoIdentityProviderClient,
  pool: UserPoolType,
  print: (line: string) => void,
): Change {
  const settings = clientSettings(pool);
  const writable = settings.WriteAttributes.includes('email') ? '' : 'email or ';
  return {
    missing: `Cognito: an app client named ${CLIENT_NAME} (a secret, access token 30 minutes, refresh token 7 days with rotation, no write access to ${writable}${MARK_ATTRIBUTE})`,
    apply: async () => {
      const made = await client.send(
        new CreateUserPoolClientCommand({
          ...settings,
          UserPoolId: pool.Id,
          ClientName: CLIENT_NAME,
          GenerateSecret: true,
        }),
      );
      for (const line of clientVariables(pool.Id, made.UserPoolClient)) print(line);
    },
  };
}

/** What to tell the processes about the client. Not the secret itself: the output of a release job is
 * kept where more people read it. */
export function clientVariables(
  UserPoolId: string | undefined,
  client: UserPoolClientType | undefined,
): string[] {
  const { ClientId, ClientSecret } = client ?? {};
  const command = `aws cognito-idp describe-user-pool-client --user-pool-id ${UserPoolId} --client-id ${ClientId} --query UserPoolClient.ClientSecret --output text`;
  return [
    `Set COGNITO_CLIENT_ID=${ClientId}`,
    ...(ClientSecret ? [`Set COGNITO_CLIENT_SECRET to the output of: ${command}`] : []),
  ];
}
