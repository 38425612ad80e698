import { changeAttributes, permittedChanges } from './attributes.ts';
import type { Body, Group, Operation, Pool, User } from './model.ts';
import { groupAnswer } from './pool-operations.ts';
import { ServiceError, userNotFound } from './service-error.ts';
import { userFilter } from './user-filter.ts';
import { groupsOf, mfaSettingsOf, saveChanged, userAnswer } from './users.ts';

/** What an administrator does with users and their groups. */
export const USER_OPERATIONS: Readonly<Record<string, Operation>> = {
  async AdminGetUser(_engine, pool, body) {
    const user = await userOf(pool, body);
    const { Attributes, ...shown } = userAnswer(user);
    return { ...shown, UserAttributes: Attributes, ...mfaSettingsOf(user) };
  },
  async AdminDeleteUser(_engine, pool, body) {
    await pool.deleteUser(await userOf(pool, body));
    return {};
  },
  AdminEnableUser: (_engine, pool, body) => enable(pool, body, true),
  AdminDisableUser: (_engine, pool, body) => enable(pool, body, false),
  async AdminSetUserPassword(_engine, pool, body) {
    await saveChanged(pool, await userOf(pool, body), {
      Password: String(body['Password']),
      ...(body['Permanent'] === true
        ? { UserStatus: 'CONFIRMED' }
        : { UserStatus: 'FORCE_CHANGE_PASSWORD', TemporaryPasswordSetAt: pool.now() }),
    });
    return {};
  },
  async AdminUpdateUserAttributes(engine, pool, body) {
    const user = await userOf(pool, body);
    const changes = await permittedChanges(pool, user, body);
    await changeAttributes(engine, pool, user, changes, []);
    return {};
  },
  async ListUsers(_engine, pool, body) {
    const fits = userFilter(body['Filter']);
    return { Users: (await pool.listUsers()).filter(fits).map(userAnswer) };
  },
  async ListUsersInGroup(_engine, pool, body) {
    const { members = [] } = await groupOf(pool, body);
    const users = await pool.listUsers();
    return { Users: users.filter(({ Username }) => members.includes(Username)).map(userAnswer) };
  },
  async AdminListGroupsForUser(_engine, pool, body) {
    const { Username } = await userOf(pool, body);
    return { Groups: (await groupsOf(pool, Username)).map((group) => groupAnswer(pool, group)) };
  },
  AdminAddUserToGroup: (_engine, pool, body) =>
    changeMembers(pool, body, (members, username) => [...new Set([...members, username])]),
  AdminRemoveUserFromGroup: (_engine, pool, body) =>
    changeMembers(pool, body, (members, username) => members.filter((name) => name !== username)),
};

async function userOf(pool: Pool, body: Body): Promise<User> {
  const user = await pool.getUserByUsername(String(body['Username']));
  if (user === null) throw userNotFound();
  return user;
}

async function groupOf(pool: Pool, body: Body): Promise<Group> {
  const group = await pool.getGroupByGroupName(String(body['GroupName']));
  if (group === null) throw new ServiceError('ResourceNotFoundException', 'Group not found.');
  return group;
}

async function enable(pool: Pool, body: Body, Enabled: boolean): Promise<Body> {
  await saveChanged(pool, await userOf(pool, body), { Enabled });
  return {};
}

async function changeMembers(
  pool: Pool,
  body: Body,
  change: (members: readonly string[], username: string) => string[],
): Promise<Body> {
  const group = await groupOf(pool, body);
  const { Username } = await userOf(pool, body);
  await pool.saveGroup({ ...group, members: change(group.members ?? [], Username) });
  return {};
}
