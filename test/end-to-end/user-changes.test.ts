import { randomBytes, randomUUID } from 'node:crypto';
import {
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import type { Answer, Api, Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { eventually } from '../support/eventually.ts';
import { tokensOf } from '../support/pool-people.ts';

/** What administrators do to people, with nothing scripted: API, worker, Temporal and the pool. */

const PASSWORD = 'Analytical1';
const WAIT = { prefer: 'wait=30' };
/** A bearer token that was cut off is refused this soon, everywhere. */
const CUT_OFF_WITHIN_MS = 5000;

test.override('deploymentOptions', {
  env: {
    DOORS: 'users,step,session',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
    RETRY_BUDGET_SECONDS: '1',
    PROPAGATION_GRACE_SECONDS: '1',
  },
});

let api: Api;
test.beforeAll(async ({ deployment }) => {
  api = await deployment.api();
  await api.says(/"worker is polling"/);
});
test.afterEach(({ deployment }) => deployment.pool.clearFaults());

interface Somebody {
  readonly id: string;
  readonly email: string;
  readonly userId: string;
}

async function register(
  deployment: Deployment,
  roles: readonly string[],
  more: object = {},
): Promise<Somebody> {
  const email = `${randomUUID()}@example.com`;
  const body = { email, roles, ...more };
  const answer = await deployment.call(api, 'POST', '/registrations', body, WAIT);
  expect([answer.status, answer.body]).toMatchObject([201, { status: 'completed' }]);
  return { id: String(answer.body['id']), email, userId: String(answer.body['userId']) };
}

const at = ({ pool }: Deployment, Username: string) => ({ UserPoolId: pool.userPoolId, Username });
async function groupsOf(deployment: Deployment, email: string): Promise<string[]> {
  const { Groups = [] } = await deployment.pool.client.send(
    new AdminListGroupsForUserCommand(at(deployment, email)),
  );
  return Groups.map(({ GroupName = '' }) => GroupName).toSorted();
}
async function isEnabled(deployment: Deployment, email: string): Promise<boolean | undefined> {
  const user = await deployment.pool.client.send(new AdminGetUserCommand(at(deployment, email)));
  return user.Enabled;
}
const isThere = async (deployment: Deployment, email: string): Promise<boolean> =>
  (await deployment.users()).some((user) => user.email === email);

const as = (token: string) => ({ authorization: `Bearer ${token}` });
const statusOf = async (deployment: Deployment, answer: Answer): Promise<unknown> => {
  const path = answer.headers.get('location') ?? '';
  return (await deployment.call(api, 'GET', path)).body['status'];
};
const stepsOf = ({ body }: Answer) =>
  (body['steps'] as { name: string; status: string }[]).map(
    ({ name, status }) => `${name} ${status}`,
  );

test('a person gets other roles, is disabled, enabled, signed out and deleted, and the address is free', async ({
  deployment,
}) => {
  const { id, email, userId } = await register(deployment, ['viewer'], {
    password: PASSWORD,
    emailVerified: true,
  });
  const change = async (method: string, path: string, body?: object) => {
    const answer = await deployment.call(api, method, `/users/${userId}${path}`, body, WAIT);
    expect([answer.status, answer.body]).toMatchObject([200, { status: 'completed', userId }]);
    return answer;
  };
  const roles = await change('PUT', '/roles', { roles: ['researcher'], reason: 'moved' });
  expect(stepsOf(roles)).toEqual([
    'assignRole:researcher done',
    'removeRole:viewer done',
    'complete done',
  ]);
  expect(await groupsOf(deployment, email)).toEqual(['researcher']);

  const { AccessToken, RefreshToken = '' } = await tokensOf(deployment.pool, email, PASSWORD);
  const profile = () => deployment.call(api, 'GET', '/profile', undefined, as(AccessToken));
  expect((await profile()).status).toBe(200);
  expect(stepsOf(await change('POST', '/disable'))).toEqual([
    'disableUser done',
    'signOut done',
    'complete done',
  ]);
  expect(await isEnabled(deployment, email)).toBe(false);
  expect((await profile()).status).toBe(401);
  const refresh = { refresh_token: RefreshToken };
  expect((await deployment.call(api, 'POST', '/auth/refresh', refresh)).status).toBe(401);
  const login = { username: email, password: PASSWORD };
  expect((await deployment.call(api, 'POST', '/auth/login', login)).status).toBe(401);

  await change('POST', '/enable');
  expect((await deployment.call(api, 'POST', '/auth/login', login)).status).toBe(200);
  await change('POST', '/sign-out', { reason: 'lost the telephone' });

  const deletion = await change('DELETE', '', { reason: 'left' });
  expect(stepsOf(deletion)).toEqual([
    'disableUser done',
    'signOut done',
    'deleteUser done',
    'complete done',
  ]);
  expect(await isThere(deployment, email)).toBe(false);
  const receipt = await deployment.call(api, 'GET', `/registrations/${id}`);
  expect(receipt.body).toMatchObject({ email: null, username: null, userId });
  expect(JSON.stringify(deletion.body)).not.toContain(email);
  const gone = await deployment.call(api, 'GET', `/users/${userId}`);
  expect([gone.status, gone.body['code']]).toEqual([404, 'user_not_found']);
  const again = await deployment.register(api, email, WAIT);
  expect([again.status, again.body['status']]).toEqual([201, 'completed']);
  expect(again.body['userId']).not.toBe(userId);
});

test('a disabled administrator’s token is refused within 5 s and registers nobody', async ({
  deployment,
}) => {
  const { email, userId } = await register(deployment, ['admin'], {
    password: PASSWORD,
    emailVerified: true,
  });
  await register(deployment, ['admin']);
  const { AccessToken } = await tokensOf(deployment.pool, email, PASSWORD);
  const created = await deployment.call(api, 'GET', '/roles', undefined, as(AccessToken));
  expect(created.status).toBe(200);
  const disabled = await deployment.call(api, 'POST', `/users/${userId}/disable`, {}, WAIT);
  expect(disabled.status).toBe(200);
  const isRefused = async () =>
    (await deployment.call(api, 'GET', '/roles', undefined, as(AccessToken))).status === 401;
  await eventually(isRefused, CUT_OFF_WITHIN_MS);
  const victim = `${randomUUID()}@example.com`;
  const body = { email: victim, roles: ['admin'] };
  const refused = await deployment.call(api, 'POST', '/registrations', body, as(AccessToken));
  expect(refused.status).toBe(401);
  const { body: page } = await deployment.call(api, 'GET', `/registrations?email=${victim}`);
  expect(page).toMatchObject({ total: 0 });
});

test('a change of roles that is parked does not hold up a disable, and ends cancelled', async ({
  deployment,
}) => {
  const { email, userId } = await register(deployment, ['viewer']);
  await deployment.pool.setFaults([
    { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } },
  ]);
  const path = `/users/${userId}`;
  const roles = await deployment.call(
    api,
    'PUT',
    `${path}/roles`,
    { roles: ['researcher'] },
    { prefer: 'wait=60' },
  );
  expect([roles.status, roles.body]).toMatchObject([
    202,
    { status: 'parked', failure: { code: 'identity_provider_unavailable' } },
  ]);
  const behind = await deployment.call(api, 'POST', `${path}/enable`);
  expect(behind.status).toBe(202);

  const disabled = await deployment.call(api, 'POST', `${path}/disable`, {}, WAIT);
  expect([disabled.status, disabled.body['status']]).toEqual([200, 'completed']);
  expect(await isEnabled(deployment, email)).toBe(false);
  await deployment.pool.clearFaults();
  await eventually(async () => (await statusOf(deployment, roles)) === 'cancelled');
  expect(await groupsOf(deployment, email)).toEqual(['viewer']);
  await eventually(async () => (await statusOf(deployment, behind)) === 'completed');
});

test('two administrators who remove each other at once leave one', async ({ deployment }) => {
  const both = await Promise.all([1, 2].map(() => register(deployment, ['admin'])));
  const isOneOfBoth = (email: string) => both.some((one) => one.email === email);
  // Administrators of the tests before do not count.
  for (const { email, roles } of await deployment.users()) {
    if (!roles.includes('admin') || isOneOfBoth(email)) continue;
    const { body } = await deployment.call(api, 'GET', `/users?email=${email}`);
    const [user] = body['items'] as { userId: string }[];
    await deployment.call(api, 'POST', `/users/${user?.userId}/disable`, {}, WAIT);
  }
  const tokens = await Promise.all(
    both.map(({ userId }) =>
      deployment.pool.token({ sub: userId, username: userId, 'cognito:groups': ['admin'] }),
    ),
  );
  const answers = await Promise.all(
    both.map((_one, index) =>
      deployment.call(api, 'DELETE', `/users/${both[1 - index]?.userId}`, undefined, {
        ...WAIT,
        ...as(tokens[index] ?? ''),
      }),
    ),
  );
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
  const refused = answers.find(({ status }) => status === 409);
  expect(refused?.body['code']).toBe('last_administrator');
  const left = (await deployment.users()).filter(({ email }) => isOneOfBoth(email));
  expect(left).toMatchObject([{ roles: ['admin'] }]);
});

test('a registration of an address whose holder is being deleted is refused clearly, and accepted afterwards', async ({
  deployment,
}) => {
  const { email, userId } = await register(deployment, ['viewer']);
  await deployment.pool.setFaults([
    { operation: 'AdminDeleteUser', times: 1, fault: { kind: 'latency', ms: 1500 } },
  ]);
  const deletion = deployment.call(api, 'DELETE', `/users/${userId}`, undefined, WAIT);
  const answers = new Set<string>();
  let created: Answer | undefined;
  while (!created) {
    const answer = await deployment.register(api, email, WAIT);
    answers.add(`${answer.status} ${String(answer.body['code'] ?? answer.body['status'])}`);
    if (answer.status === 201) created = answer;
  }
  expect((await deletion).status).toBe(200);
  expect([...answers].toSorted()).toEqual(['201 completed', '409 email_taken']);
  const users = (await deployment.users()).filter((user) => user.email === email);
  expect(users).toEqual([{ email, mark: created.body['id'], roles: ['viewer'] }]);
});

test('the step door adds roles to the person of the users door, and takes them back when that fails', async ({
  deployment,
}) => {
  const email = `${randomUUID()}@example.com`;
  const made = await deployment.call(api, 'POST', '/api/users', { email, roles: ['viewer'] });
  expect([made.status, made.body['roles']]).toEqual([201, []]);
  const id = made.body['user_id'];
  const step = (roles: readonly string[]) =>
    deployment.call(api, 'POST', '/api/step/users', { email, roles });
  const first = await step(['viewer']);
  expect([first.status, first.body]).toEqual([
    201,
    { id, email, roles: ['viewer'], status: 'completed' },
  ]);
  const second = await step(['researcher']);
  const both = ['researcher', 'viewer'];
  expect([second.status, second.body]).toMatchObject([201, { id, status: 'completed' }]);
  expect((second.body['roles'] as string[]).toSorted()).toEqual(both);
  expect(await groupsOf(deployment, email)).toEqual(both);

  await deployment.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      match: { group: 'manager' },
      fault: { kind: 'error', error: 'InvalidParameterException', status: 400 },
    },
  ]);
  const failed = await step(['admin', 'manager']);
  expect([failed.status, failed.body['code']]).toEqual([500, 'registration_failed']);
  expect(await groupsOf(deployment, email)).toEqual(both);
  expect(await isThere(deployment, email)).toBe(true);
  expect(await statusOf(deployment, failed)).toBe('failed');
});

test('a person who deletes the own account is gone, with every session', async ({ deployment }) => {
  const { email } = await register(deployment, ['viewer'], {
    password: PASSWORD,
    emailVerified: true,
  });
  const { AccessToken, RefreshToken } = await tokensOf(deployment.pool, email, PASSWORD);
  const body = { password: PASSWORD };
  const answer = await deployment.call(api, 'DELETE', '/profile', body, as(AccessToken));
  expect(answer.status).toBe(202);
  await eventually(async () => (await statusOf(deployment, answer)) === 'completed');
  expect(await isThere(deployment, email)).toBe(false);
  const profile = await deployment.call(api, 'GET', '/profile', undefined, as(AccessToken));
  expect(profile.status).toBe(401);
  const refresh = { refresh_token: RefreshToken };
  expect((await deployment.call(api, 'POST', '/auth/refresh', refresh)).status).toBe(401);
  expect((await deployment.register(api, email, WAIT)).status).toBe(201);
});
