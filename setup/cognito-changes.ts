import {
  AddCustomAttributesCommand,
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminListGroupsForUserCommand,
  CreateGroupCommand,
  CreateUserPoolClientCommand,
  DescribeUserPoolCommand,
  paginateListGroups,
  paginateListUserPoolClients,
  UserNotFoundException,
  UsernameExistsException,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from '../activities/cognito.ts';
import type { Config } from '../src/config.ts';
import { openDatabase } from '../src/db/client.ts';
import { append } from '../src/ledger/audit-trail.ts';
import type { Change } from './change.ts';
import { findingsOf, hasMarkAttribute, WrongPool } from './pool.ts';

const CLIENT_NAME = 'registrar';
const ADMINISTRATORS = 'admin';

export interface CognitoWishes {
  readonly config: Config;
  /** E-mail of the first administrator. */
  readonly admin: string | null;
  readonly print: (line: string) => void;
}

/** What the pool lacks. Edits no client, policy or group that setup did not make. */
export async function cognitoChanges(
  client: CognitoIdentityProviderClient,
  wishes: CognitoWishes,
): Promise<Change[]> {
  const UserPoolId = wishes.config.cognito.userPoolId;
  const { UserPool } = await client.send(new DescribeUserPoolCommand({ UserPoolId }));
  const { wrong, unsafe } = findingsOf(UserPool ?? {});
  if (wrong.length > 0) throw new WrongPool(wrong.join('\n'));
  for (const text of unsafe) wishes.print(`Unsafe: ${text}`);
  const changes: Change[] = [];
  if (!hasMarkAttribute(UserPool ?? {})) changes.push(addMark(client, UserPoolId));
  if (wishes.config.cognito.clientId === null) {
    changes.push(...(await ownClient(client, UserPoolId, wishes.print)));
  }
  changes.push(...(await missingRoles(client, UserPoolId, rolesNamedIn(wishes.config))));
  if (wishes.admin !== null) {
    changes.push(...(await administrator(client, UserPoolId, wishes.admin, wishes.config)));
  }
  return changes;
}

function addMark(client: CognitoIdentityProviderClient, UserPoolId: string): Change {
  return {
    missing: `Cognito: attribute ${MARK_ATTRIBUTE} (string, mutable), for good: Cognito keeps attributes for ever`,
    apply: async () => {
      await client.send(
        new AddCustomAttributesCommand({
          UserPoolId,
          CustomAttributes: [
            {
              Name: MARK_ATTRIBUTE.replace('custom:', ''),
              AttributeDataType: 'String',
              Mutable: true,
              StringAttributeConstraints: { MinLength: '0', MaxLength: '64' },
            },
          ],
        }),
      );
    },
  };
}

async function ownClient(
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
            WriteAttributes: ['email', 'given_name', 'family_name', 'preferred_username', 'locale'],
          }),
        );
        print(`Set COGNITO_CLIENT_ID=${UserPoolClient?.ClientId}`);
      },
    },
  ];
}

function rolesNamedIn({ grants }: Config): string[] {
  const named = grants.flatMap(({ subject, roles }) => [
    ...(subject.kind === 'group' ? [subject.name] : []),
    ...(roles === '*' ? [] : roles),
  ]);
  return [...new Set([ADMINISTRATORS, ...named])].toSorted();
}

async function missingRoles(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  wanted: readonly string[],
): Promise<Change[]> {
  const there = new Set<string>();
  for await (const page of paginateListGroups({ client }, { UserPoolId, Limit: 60 })) {
    for (const { GroupName } of page.Groups ?? []) if (GroupName) there.add(GroupName);
  }
  return wanted
    .filter((role) => !there.has(role))
    .map((role) => ({
      missing: `Cognito: role ${role} (a group)`,
      apply: async () => {
        await client.send(new CreateGroupCommand({ UserPoolId, GroupName: role }));
      },
    }));
}

async function administrator(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  email: string,
  config: Config,
): Promise<Change[]> {
  const user = { UserPoolId, Username: email };
  try {
    const { Groups } = await client.send(new AdminListGroupsForUserCommand(user));
    if (Groups?.some(({ GroupName }) => GroupName === ADMINISTRATORS)) return [];
  } catch (error) {
    if (!(error instanceof UserNotFoundException)) throw error;
  }
  return [
    {
      missing: `Cognito: administrator ${email} (invited by e-mail when new; role ${ADMINISTRATORS})`,
      apply: async () => {
        const sub = await createOrFind(client, UserPoolId, email);
        await client.send(new AdminAddUserToGroupCommand({ ...user, GroupName: ADMINISTRATORS }));
        const database = openDatabase(config.database.url, 1);
        try {
          await append(database.db, {
            event: 'administrator.created',
            registrationId: null,
            userId: sub,
            actor: 'setup',
            details: { role: ADMINISTRATORS },
          });
        } finally {
          await database.close();
        }
      },
    },
  ];
}

async function createOrFind(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  email: string,
): Promise<string | null> {
  try {
    const { User } = await client.send(
      new AdminCreateUserCommand({
        UserPoolId,
        Username: email,
        DesiredDeliveryMediums: ['EMAIL'],
        UserAttributes: [
          { Name: 'email', Value: email },
          { Name: 'email_verified', Value: 'true' },
        ],
      }),
    );
    return User?.Attributes?.find(({ Name }) => Name === 'sub')?.Value ?? null;
  } catch (error) {
    // There already: only the role is missing.
    if (error instanceof UsernameExistsException) return null;
    throw error;
  }
}
