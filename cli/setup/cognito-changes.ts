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
  type UserPoolClientType,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from '../../src/cognito/adapter.ts';
import type { Config } from '../../src/config/config.ts';
import { openDatabase, type Database } from '../../src/db/client.ts';
import { appendAuditEvent } from '../../src/ledger/audit/audit-trail.ts';
import { atEdge } from '../../src/ledger/database-error.ts';
import { listAuditEvents } from '../../src/ledger/registrations/read.ts';
import {
  appClients,
  clientVariables,
  makeClient,
  ownClient,
} from '../../src/cognito/app-client.ts';
import type { Change } from '../../src/cognito/change.ts';
import { mendClient } from '../../src/cognito/mend-client.ts';
import { clientFindings, poolFindings, type Findings } from '../../src/cognito/pool-findings.ts';
import { hasMarkAttribute, WrongPool } from '../../src/cognito/pool.ts';

const ADMINISTRATORS = 'admin';

export interface CognitoSetup {
  readonly config: Config;
  /** The changes are not applied. */
  readonly check: boolean;
  /** E-mail of the first administrator. */
  readonly admin: string | null;
  readonly print: (line: string) => void;
}

/** The changes that the pool needs, and findings about it; without `check`, those that remain after the
 * changes. Never edits a client, policy or group that setup did not create. */
export async function cognitoChanges(
  client: CognitoIdentityProviderClient,
  setup: CognitoSetup,
): Promise<{ changes: Change[]; findings: Omit<Findings, 'wrong'> }> {
  const { config, print } = setup;
  const { userPoolId: UserPoolId, clientId } = config.cognito;
  const { UserPool: pool = {} } = await client.send(new DescribeUserPoolCommand({ UserPoolId }));
  const { wrong, unsafe, advice } = poolFindings(pool);
  if (wrong.length > 0) throw new WrongPool(wrong.join('\n'));
  const clients = await appClients(client, UserPoolId);
  const own = ownClient(clients, clientId);
  if (clientId !== null && own === undefined) {
    throw new WrongPool(`COGNITO_CLIENT_ID: pool ${UserPoolId} has no app client ${clientId}`);
  }
  const changes: Change[] = [];
  if (!hasMarkAttribute(pool)) changes.push(addMark(client, UserPoolId));
  if (clientId === null) {
    if (own === undefined) changes.push(makeClient(client, pool, print));
    else for (const line of clientVariables(UserPoolId, own)) print(line);
  }
  const mend = own && mendClient(client, pool, own);
  if (mend) changes.push(mend.change);
  changes.push(...(await missingRoles(client, UserPoolId, rolesNamedIn(config))));
  if (setup.admin !== null) {
    changes.push(...(await administrator(client, UserPoolId, setup.admin, setup)));
  }
  const after = (one: UserPoolClientType) =>
    mend && !setup.check && one === own ? mend.mended : one;
  const ofClients = clientFindings(pool, clients.map(after), own && after(own), config);
  return { changes, findings: { unsafe: [...unsafe, ...ofClients], advice } };
}

function addMark(client: CognitoIdentityProviderClient, UserPoolId: string): Change {
  return {
    missing: `Cognito: attribute ${MARK_ATTRIBUTE} (string, mutable). Cognito never removes an attribute`,
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
  { config, print }: CognitoSetup,
): Promise<Change[]> {
  const user = { UserPoolId, Username: email };
  const sub = await subOf(client, user);
  if (sub !== null && (await isAdministrator(client, user)) && (await isRecorded(config, sub))) {
    return [];
  }
  return [
    {
      missing: `Cognito: administrator ${email} (role ${ADMINISTRATORS}; invited by e-mail if new; recorded in the audit trail)`,
      apply: async () => {
        const made = sub ?? (await createUser(client, UserPoolId, email));
        await client.send(new AdminAddUserToGroupCommand({ ...user, GroupName: ADMINISTRATORS }));
        await withDatabase(config, (db) =>
          appendAuditEvent(db, {
            event: 'administrator.created',
            registrationId: null,
            userId: made,
            actor: 'setup',
            details: { role: ADMINISTRATORS },
          }),
        );
        if (sub === null) {
          print(
            `Cognito mails ${email} a temporary password. For the first sign-in and a token: npm run --silent login -- --email ${email}`,
          );
        }
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
  return await withDatabase(
    config,
    async (db) => (await listAuditEvents(db, filter)).items.length > 0,
  );
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
