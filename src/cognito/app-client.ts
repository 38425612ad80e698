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
/** The attributes that users may change themselves. Not the username: the ledger keeps it unique. Not
 * the e-mail address: with a stolen access token, an attacker could take over the account. */
const WRITABLE = ['given_name', 'family_name', 'locale'];

/** The settings of the app client that Registrar signs in with. */
export function clientSettings(
  pool: UserPoolType,
): Partial<CreateUserPoolClientRequest> & { WriteAttributes: string[] } {
  return {
    // Without ALLOW_REFRESH_TOKEN_AUTH: AWS accepts either that flow or rotation, not both.
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
    RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds: 0 },
    AccessTokenValidity: 30,
    IdTokenValidity: 30,
    RefreshTokenValidity: 7,
    TokenValidityUnits: { AccessToken: 'minutes', IdToken: 'minutes', RefreshToken: 'days' },
    EnableTokenRevocation: true,
    PreventUserExistenceErrors: 'ENABLED',
    // Every client may write the required attributes of a pool; AWS may refuse a list without them.
    WriteAttributes: [...new Set([...WRITABLE, ...requiredAttributes(pool)])],
  };
}

/** The required attributes of this pool, without `sub`, which no client can write. */
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

/** The app client that Registrar signs in with: the configured one, or the one that setup created. */
export function ownClient(
  clients: readonly UserPoolClientType[],
  clientId: string | null,
): UserPoolClientType | undefined {
  return clients.find(({ ClientId, ClientName }) =>
    clientId === null ? ClientName === CLIENT_NAME : ClientId === clientId,
  );
}

/** Whether setup created this client. Cognito keeps no other sign of who created a client. */
export function isMadeBySetup({ ClientName }: UserPoolClientType): boolean {
  return ClientName === CLIENT_NAME;
}

/** Creates the app client of Registrar. */
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

/** The variables to set for the client. Without the secret itself: more people can read the output of a
 * release job. */
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
