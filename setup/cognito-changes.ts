import {
  AddCustomAttributesCommand,
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  CreateGroupCommand,
  DescribeUserPoolCommand,
  paginateListGroups,
  UserNotFoundException,
  type CognitoIdentityProviderClient,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from '../activities/cognito.ts';
import type { Config } from '../src/config.ts';
import { openDatabase, type Database } from '../src/db/client.ts';
import { append } from '../src/ledger/audit-trail.ts';
import { atEdge } from '../src/ledger/database-error.ts';
import { listAuditEvents } from '../src/ledger/read.ts';
import { clientsThatMayMark, ownClient, unfitForDoors } from './app-client.ts';
import type { Change } from './change.ts';
import { findingsOf, hasMarkAttribute, WrongPool } from './pool.ts';

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
  for (const name of await clientsThatMayMark(client, UserPoolId)) {
    wishes.print(
      `Unsafe: app client ${name} may write ${MARK_ATTRIBUTE}: whoever signs in there could pass for a leftover of ours, and be deleted. Take it from the client's WriteAttributes`,
    );
  }
  const changes: Change[] = [];
  if (!hasMarkAttribute(UserPool ?? {})) changes.push(addMark(client, UserPoolId));
  const { clientId } = wishes.config.cognito;
  if (clientId === null) {
    changes.push(...(await ownClient(client, UserPoolId, wishes.print)));
  } else {
    for (const text of await unfitForDoors(
      client,
      UserPoolId,
      clientId,
      wishes.config.http.doors,
    )) {
      wishes.print(`Unsafe: ${text}`);
    }
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
  const sub = await subOf(client, user);
  if (sub !== null && (await isAdministrator(client, user)) && (await isRecorded(config, sub))) {
    return [];
  }
  return [
    {
      missing: `Cognito: administrator ${email} (invited by e-mail when new; role ${ADMINISTRATORS}; recorded in the audit trail)`,
      apply: async () => {
        const made = sub ?? (await createUser(client, UserPoolId, email));
        await client.send(new AdminAddUserToGroupCommand({ ...user, GroupName: ADMINISTRATORS }));
        await withDatabase(config, (db) =>
          append(db, {
            event: 'administrator.created',
            registrationId: null,
            userId: made,
            actor: 'setup',
            details: { role: ADMINISTRATORS },
          }),
        );
      },
    },
  ];
}

async function isAdministrator(
  client: CognitoIdentityProviderClient,
  user: { UserPoolId: string; Username: string },
): Promise<boolean> {
  const { Groups } = await client.send(new AdminListGroupsForUserCommand(user));
  return Groups?.some(({ GroupName }) => GroupName === ADMINISTRATORS) ?? false;
}

async function isRecorded(config: Config, userId: string): Promise<boolean> {
  const filter = { userId, event: 'administrator.created', limit: 1 };
  return await withDatabase(config, async (db) => (await listAuditEvents(db, filter)).length > 0);
}

async function withDatabase<T>(config: Config, work: (db: Database) => Promise<T>): Promise<T> {
  const pool = openDatabase(config.database.url, 1);
  try {
    return await atEdge(() => work(pool.db));
  } finally {
    await pool.close();
  }
}

async function subOf(
  client: CognitoIdentityProviderClient,
  user: { UserPoolId: string; Username: string },
): Promise<string | null> {
  try {
    const { UserAttributes } = await client.send(new AdminGetUserCommand(user));
    return UserAttributes?.find(({ Name }) => Name === 'sub')?.Value ?? null;
  } catch (error) {
    if (error instanceof UserNotFoundException) return null;
    throw error;
  }
}

async function createUser(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
  email: string,
): Promise<string | null> {
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
}
