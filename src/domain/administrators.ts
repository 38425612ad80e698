import type { Grant } from './grants.ts';
import type { RoleMember } from './role.ts';

/** The roles whose holders may assign every role: `group:<role>=*` in ROLE_GRANTS. */
export function administratorRoles(grants: readonly Grant[]): string[] {
  const names = grants
    .filter(({ subject, roles }) => subject.kind === 'group' && roles === '*')
    .map(({ subject }) => subject.name);
  return [...new Set(names)];
}

/**
 * Reads now who may assign every role: the subs of all enabled users who hold one of these roles.
 * @param usersInRole reads the enabled users of a role from the pool
 */
export async function readAdministrators(
  roles: readonly string[],
  usersInRole: (role: string) => Promise<readonly RoleMember[]>,
): Promise<string[]> {
  const members = await Promise.all(roles.map(usersInRole));
  return [...new Set(members.flat().map(({ userId }) => userId))];
}
