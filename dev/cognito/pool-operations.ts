import { clientIdFor, newClientSecret, poolIdFor } from './given-id.ts';
import type { AppClient, Body, Engine, Group, Operation, Pool, SchemaAttribute } from './model.ts';
import { customAttribute, schemaOf, withDefaults } from './pool-defaults.ts';
import { invalidParameter, ServiceError } from './service-error.ts';

/** Operations on pools, their app clients and groups. */
export const POOL_OPERATIONS: Readonly<Record<string, Operation>> = {
  DescribeUserPool: async (_engine, pool) => ({ UserPool: pool.options }),
  UpdateUserPool: updateUserPool,
  async DeleteUserPool(engine, pool) {
    await engine.deletePool(pool.options.Id);
    return {};
  },
  AddCustomAttributes: addCustomAttributes,
  CreateUserPoolClient: createUserPoolClient,
  UpdateUserPoolClient: updateUserPoolClient,
  DescribeUserPoolClient: async (engine, pool, body) => ({
    UserPoolClient: await clientOf(engine, pool, body),
  }),
  async DeleteUserPoolClient(engine, pool, body) {
    await engine.clients.delete((await clientOf(engine, pool, body)).ClientId);
    return {};
  },
  async ListUserPoolClients(engine, pool) {
    const clients = await engine.clients.ofPool(pool.options.Id);
    return {
      UserPoolClients: clients.map(({ ClientId, ClientName, UserPoolId }) => ({
        ClientId,
        ClientName,
        UserPoolId,
      })),
    };
  },
  CreateGroup: createGroup,
  async ListGroups(_engine, pool) {
    return { Groups: (await pool.listGroups()).map((group) => groupAnswer(pool, group)) };
  },
};

export async function createUserPool(engine: Engine, body: Body): Promise<Body> {
  const { PoolName, Schema, ...settings } = body;
  const Id = poolIdFor(body['UserPoolTags'] as Record<string, string> | undefined);
  const now = new Date();
  const pool = await engine.createPool({
    ...withDefaults(settings),
    Id,
    Name: PoolName,
    Arn: `arn:aws:cognito-idp:local:local:userpool/${Id}`,
    SchemaAttributes: schemaOf((Schema ?? []) as SchemaAttribute[]),
    CreationDate: now,
    LastModifiedDate: now,
  });
  return { UserPool: pool.options };
}

/** What UpdateUserPool does not change; everything else it does not name gets its default. */
const FIXED = [
  'Name',
  'Arn',
  'SchemaAttributes',
  'AliasAttributes',
  'UsernameAttributes',
  'UsernameConfiguration',
  'SmsMfaConfiguration',
  'SoftwareTokenMfaConfiguration',
  'EmailMfaConfiguration',
  'CreationDate',
];

async function updateUserPool(_engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const { options } = pool;
  const { UserPoolId: _, ...settings } = body;
  const fixed = FIXED.filter((name) => name in options).map((name) => [name, options[name]]);
  await pool.updateOptions({
    ...withDefaults(settings),
    ...Object.fromEntries(fixed),
    Id: options.Id,
    LastModifiedDate: new Date(),
  });
  return {};
}

async function addCustomAttributes(_engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const asked = (body['CustomAttributes'] ?? []) as SchemaAttribute[];
  if (asked.length < 1 || asked.length > 25) {
    throw invalidParameter("1 validation error detected: Value at 'customAttributes' is not valid");
  }
  const known = pool.options.SchemaAttributes ?? [];
  const added = asked.map(customAttribute);
  for (const { Name } of added) {
    if (known.some((attribute) => attribute.Name === Name)) {
      throw invalidParameter(`${Name}: Existing attribute already has name ${Name}.`);
    }
  }
  const changed = { SchemaAttributes: [...known, ...added], LastModifiedDate: new Date() };
  await pool.updateOptions({ ...pool.options, ...changed });
  return {};
}

async function createUserPoolClient(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const { GenerateSecret, ...settings } = body;
  const now = new Date();
  const client: AppClient = {
    ...settings,
    ...clientIdFor(String(body['ClientName'])),
    ...(GenerateSecret === true && { ClientSecret: newClientSecret() }),
    UserPoolId: pool.options.Id,
    CreationDate: now,
    LastModifiedDate: now,
  };
  await engine.clients.save(client);
  return { UserPoolClient: client };
}

/** Settings that the request does not name get their defaults, as in the service. */
async function updateUserPoolClient(engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const { ClientName, ClientSecret, CreationDate, ...old } = await clientOf(engine, pool, body);
  const client: AppClient = {
    ...(ClientName !== undefined && { ClientName }),
    ...(ClientSecret !== undefined && { ClientSecret }),
    ...body,
    ClientId: old.ClientId,
    UserPoolId: old.UserPoolId,
    CreationDate,
    LastModifiedDate: new Date(),
  };
  await engine.clients.save(client);
  return { UserPoolClient: client };
}

async function clientOf(engine: Engine, pool: Pool, body: Body): Promise<AppClient> {
  const client = await engine.client(String(body['ClientId']));
  if (client?.UserPoolId === pool.options.Id) return client;
  throw new ServiceError('ResourceNotFoundException', 'User pool client does not exist.');
}

async function createGroup(_engine: Engine, pool: Pool, body: Body): Promise<Body> {
  const { GroupName, Description, Precedence, RoleArn } = body;
  const now = new Date();
  const group: Group = {
    GroupName: String(GroupName),
    Description,
    Precedence,
    RoleArn,
    CreationDate: now,
    LastModifiedDate: now,
  };
  await pool.saveGroup(group);
  return { Group: groupAnswer(pool, group) };
}

/** A group as an answer shows it. */
export function groupAnswer(pool: Pool, group: Group): Body {
  return { ...group, members: undefined, UserPoolId: pool.options.Id };
}
