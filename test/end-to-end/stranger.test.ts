import { randomBytes, randomUUID } from 'node:crypto';
import { AdminSetUserPasswordCommand } from '@aws-sdk/client-cognito-identity-provider';
import postgres from 'postgres';
import { afterAll, expect } from 'vitest';
import type { Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { eventually } from '../support/eventually.ts';
import { addUser, portrait, userIdOf } from '../support/pool-user.ts';

/** The worst bug would be to change somebody whom Registrar did not register. */

test.override('deploymentOptions', {
  env: {
    ENVIRONMENT: 'local',
    DOORS: 'users,step,signup,session,seeding',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
    REGISTER_LIMIT_PER_MINUTE: '1000',
    RETRY_BUDGET_SECONDS: '1',
    PROPAGATION_GRACE_SECONDS: '1',
  },
});

type Json = { readonly [key: string]: unknown };
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Json }> };
}

let sql: postgres.Sql;
let api: Api;
test.beforeAll(async ({ database, deployment }) => {
  sql = postgres(database.url, { max: 2 });
  api = await deployment.api();
  await api.says(/"worker is polling"/);
});
afterAll(() => sql.end());

test('a stranger in the pool stays as they are, byte by byte, whatever operation names them', async ({
  deployment,
}) => {
  const { pool } = deployment;
  const email = `${randomUUID()}@example.com`;
  await addUser(pool, email, { role: 'viewer' });
  const own = { UserPoolId: pool.userPoolId, Username: email };
  const permanent = { Password: 'Strangers-Own-1', Permanent: true };
  await pool.client.send(new AdminSetUserPasswordCommand({ ...own, ...permanent }));
  const userId = await userIdOf(pool, email);
  const before = await portrait(pool, email);

  const { body: document } = await deployment.call(api, 'GET', '/openapi.json');
  const operations = Object.entries(document['paths'] as Record<string, Json>).flatMap(
    ([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        operation: operation as Operation,
      })),
  );
  const named: string[] = [];
  const refused: Record<string, number> = {};
  for (const { method, path, operation } of operations) {
    for (const name of [email, userId]) {
      const filled = path.replaceAll(/\{\w+\}/g, encodeURIComponent(name));
      const schema = operation.requestBody?.content['application/json']?.schema;
      const body = schema && filledBody(document, schema, { email, name });
      if (filled !== path || JSON.stringify(body ?? {}).includes(name)) {
        named.push(operation.operationId);
      }
      const query = (operation.parameters ?? [])
        .filter(
          (parameter) => parameter.in === 'query' && /email|username|userId/i.test(parameter.name),
        )
        .map((parameter) => `${parameter.name}=${encodeURIComponent(name)}`)
        .slice(0, 1);
      const answer = await fetch(`${api.url}${filled}?${query.join('&')}`, {
        method,
        headers: {
          authorization: `Bearer ${deployment.token}`,
          prefer: 'wait=10',
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      await answer.body?.cancel();
      refused[operation.operationId] = answer.status;
      expect([operation.operationId, answer.status < 500]).toEqual([operation.operationId, true]);
    }
  }
  const changing = ['replaceUserRoles', 'disableUser', 'enableUser', 'signOutUser', 'deleteUser'];
  for (const operationId of changing)
    expect([operationId, refused[operationId]]).toEqual([operationId, 409]);
  expect(named).toEqual(
    expect.arrayContaining([
      ...changing,
      'createRegistration',
      'doorCreateUserWithRoles',
      'doorSignUp',
    ]),
  );

  const open = async (table: string) => {
    const [row] = await sql.unsafe<{ n: number }[]>(`SELECT count(*)::int AS n FROM ${table}
      WHERE status NOT IN ('completed', 'failed', 'cancelled')`);
    return row?.n;
  };
  await eventually(async () => (await open('registrations')) === 0);
  await eventually(async () => (await open('changes')) === 0);
  expect(await sql`SELECT 1 FROM changes WHERE user_id = ${userId}`).toHaveLength(0);
  expect(await portrait(pool, email)).toBe(before);
});

/** A body that fits the schema as far as names of fields tell, about this person. */
function filledBody(document: Json, schema: Json, about: { email: string; name: string }): Json {
  const values: Json = {
    email: about.email,
    username: about.name,
    full_name: 'Some Body',
    first_name: 'Some',
    last_name: 'Body',
    roles: ['researcher'],
    password: 'Analytical-Engine-1',
    confirm_password: 'Analytical-Engine-1',
    current_password: 'Analytical-Engine-1',
    new_password: 'Analytical-Engine-2',
    code: '123456',
    challenge: 'NEW_PASSWORD_REQUIRED',
    session: 'a-session',
    refresh_token: 'a-token',
    replaceUnverified: true,
  };
  const { properties = {} } = resolved(document, schema) as { properties?: Json };
  return Object.fromEntries(
    Object.keys(properties).flatMap((name) =>
      Object.hasOwn(values, name) && !(name === 'password' && 'invite' in properties)
        ? [[name, values[name]]]
        : [],
    ),
  );
}

function resolved(document: Json, schema: Json): Json {
  const name = typeof schema['$ref'] === 'string' ? schema['$ref'].split('/').at(-1) : undefined;
  if (name === undefined) return schema;
  const { schemas } = document['components'] as { schemas: Record<string, Json> };
  return schemas[name] ?? {};
}
