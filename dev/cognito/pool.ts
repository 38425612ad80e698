import {
  type CognitoIdentityProviderClient,
  CreateGroupCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  SetUserPoolMfaConfigCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { clientSettings } from '../../src/cognito/app-client.ts';
import { clientIdName, poolIdTag } from './given-id.ts';

export const ROLES: Readonly<Record<string, string>> = {
  admin: 'Full access; may register anyone',
  manager: 'Runs projects',
  researcher: 'Works on projects',
  viewer: 'Reads',
};

export interface MadePool {
  readonly userPoolId: string;
  readonly clientId: string;
  /** null: the client has none. */
  readonly clientSecret: string | null;
}

export interface PoolOptions {
  /** The ids and the secret to give it; the sandbox chooses them otherwise. */
  readonly given?: MadePool;
  /** It is kept: its client has a secret, and nobody deletes it by mistake. */
  readonly lasting?: boolean;
}

/** Makes a pool as Registrar wants it, with its roles and, as the last, its client. */
export async function makePool(
  client: CognitoIdentityProviderClient,
  name: string,
  { given, lasting = false }: PoolOptions = {},
): Promise<MadePool> {
  const { UserPool } = await client.send(
    new CreateUserPoolCommand({
      PoolName: name,
      ...(given && { UserPoolTags: poolIdTag(given.userPoolId) }),
      UsernameAttributes: ['email'],
      UsernameConfiguration: { CaseSensitive: false },
      AutoVerifiedAttributes: ['email'],
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
      AccountRecoverySetting: { RecoveryMechanisms: [{ Name: 'verified_email', Priority: 1 }] },
      DeletionProtection: lasting ? 'ACTIVE' : 'INACTIVE',
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
  const UserPoolId = UserPool?.Id;
  if (UserPoolId === undefined) throw new Error('the sandbox made no pool');
  await client.send(
    new SetUserPoolMfaConfigCommand({
      UserPoolId,
      MfaConfiguration: 'OPTIONAL',
      SoftwareTokenMfaConfiguration: { Enabled: true },
    }),
  );
  for (const [GroupName, Description] of Object.entries(ROLES)) {
    await client.send(new CreateGroupCommand({ UserPoolId, GroupName, Description }));
  }
  const secret = given?.clientSecret ? { ClientSecret: given.clientSecret } : {};
  const { UserPoolClient } = await client.send(
    new CreateUserPoolClientCommand({
      ...clientSettings(UserPool ?? {}),
      UserPoolId,
      ClientName: given ? clientIdName(given.clientId) : name,
      ...(lasting && !given ? { GenerateSecret: true } : secret),
    }),
  );
  const { ClientId, ClientSecret = null } = UserPoolClient ?? {};
  if (ClientId === undefined) throw new Error('the sandbox made no client');
  return { userPoolId: UserPoolId, clientId: ClientId, clientSecret: ClientSecret };
}
