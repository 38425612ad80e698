import {
  type CognitoIdentityProviderClient,
  CreateGroupCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { clientIdWish, poolIdWish } from './wished-id.ts';

export const ROLES: Readonly<Record<string, string>> = {
  admin: 'Everything, and registers anybody',
  manager: 'Runs projects',
  researcher: 'Works on projects',
  viewer: 'Reads',
};

export interface MadePool {
  readonly userPoolId: string;
  readonly clientId: string;
}

/**
 * Makes a pool as Registrar wants it, with its roles and, as the last, its client. The sandbox
 * chooses the ids unless they are wished.
 */
export async function makePool(
  client: CognitoIdentityProviderClient,
  name: string,
  wished?: MadePool,
): Promise<MadePool> {
  const { UserPool } = await client.send(
    new CreateUserPoolCommand({
      PoolName: name,
      ...(wished && { UserPoolTags: poolIdWish(wished.userPoolId) }),
      UsernameAttributes: ['email'],
      UsernameConfiguration: { CaseSensitive: false },
      AutoVerifiedAttributes: ['email'],
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
      Policies: {
        PasswordPolicy: {
          MinimumLength: 8,
          RequireUppercase: false,
          RequireLowercase: false,
          RequireNumbers: false,
          RequireSymbols: false,
          TemporaryPasswordValidityDays: 7,
        },
      },
      Schema: [
        {
          Name: 'registration_id',
          AttributeDataType: 'String',
          Mutable: true,
          StringAttributeConstraints: { MinLength: '0', MaxLength: '64' },
        },
      ],
    }),
  );
  const userPoolId = UserPool?.Id;
  if (userPoolId === undefined) throw new Error('the sandbox made no pool');
  for (const [GroupName, Description] of Object.entries(ROLES)) {
    await client.send(new CreateGroupCommand({ UserPoolId: userPoolId, GroupName, Description }));
  }
  const made = await client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: userPoolId,
      ClientName: wished ? clientIdWish(wished.clientId) : name,
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
      AccessTokenValidity: 30,
      IdTokenValidity: 30,
      RefreshTokenValidity: 7,
      TokenValidityUnits: { AccessToken: 'minutes', IdToken: 'minutes', RefreshToken: 'days' },
      EnableTokenRevocation: true,
      PreventUserExistenceErrors: 'ENABLED',
      // Everything a person may change of themselves; not the mark, nor the username: it is unique
      // in the ledger, and the profile shows what the pool has.
      WriteAttributes: ['email', 'given_name', 'family_name', 'locale'],
    }),
  );
  const clientId = made.UserPoolClient?.ClientId;
  if (clientId === undefined) throw new Error('the sandbox made no client');
  return { userPoolId, clientId };
}
