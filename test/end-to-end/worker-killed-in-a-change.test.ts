import { expect } from 'vitest';
import { userWorkflowIdOf } from '../../src/domain/change.ts';
import { activityHolder } from '../support/activity-holder.ts';
import { test } from '../support/two-workers-test.ts';

/** An attempt of 5 s, and the task of the killed worker's run. */
const OVERTAKEN_MS = 20_000;
const EMAIL = 'changed@example.com';

/** How often the API calls them itself before it accepts a change. */
const READS: Readonly<Record<string, number>> = { AdminGetUser: 1, AdminListGroupsForUser: 1 };

/** Every activity of a deletion and of a change of roles that calls Cognito, by the call. */
test.for([
  ['DELETE', 'begin', 'AdminGetUser'],
  ['DELETE', 'disableUser', 'AdminDisableUser'],
  ['DELETE', 'signOut', 'AdminUserGlobalSignOut'],
  ['DELETE', 'deleteUser', 'AdminDeleteUser'],
  ['PUT', 'begin', 'AdminListGroupsForUser'],
  ['PUT', 'assignRole:researcher', 'AdminAddUserToGroup'],
  ['PUT', 'removeRole:viewer', 'AdminRemoveUserFromGroup'],
] as const)(
  'a worker killed in a change by %s, in its activity %s, leaves it to another, which completes it once',
  async ([method, step, operation], { client, site: { deployment, api, workers } }) => {
    const { body: registered } = await deployment.register(api, EMAIL, { prefer: 'wait=30' });
    const userId = String(registered['userId']);
    await deployment.pool.setFaults([
      { operation, after: READS[operation] ?? 0, times: 1, fault: { kind: 'latency', ms: 60_000 } },
    ]);
    const [path, wanted] =
      method === 'PUT'
        ? [`/users/${userId}/roles`, { roles: ['researcher'] }]
        : [`/users/${userId}`];
    const { status, body } = await deployment.call(api, method, path, wanted);
    expect(status).toBe(202);
    const holder = await activityHolder(client, workers, userWorkflowIdOf(userId), step);
    await holder.kill();
    await deployment.untilStatus(api, String(body['id']), 'completed', OVERTAKEN_MS, 'changes');
    const { body: events } = await deployment.call(api, 'GET', `/audit-events?userId=${userId}`);
    const names = (events['items'] as { event: string }[]).map(({ event }) => event);
    const told = method === 'PUT' ? 'user.roles_changed' : 'user.deleted';
    expect(names.filter((name) => name === told)).toEqual([told]);
    const users = await deployment.users();
    expect(users.map(({ roles }) => roles)).toEqual(method === 'PUT' ? [['researcher']] : []);
  },
);
