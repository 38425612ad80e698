import {
  AdminAddUserToGroupCommand,
  AdminRemoveUserFromGroupCommand,
  type CognitoIdentityProviderClient,
  paginateAdminListGroupsForUser,
  paginateListGroups,
  paginateListUsersInGroup,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Role, RoleMember } from '../domain/role.ts';
import { atProvider, LARGEST_PAGE, valueOf } from './call.ts';
import { ProviderError } from './provider-error.ts';

/** Cognito's name for a missing group, and for a missing pool. */
const NO_GROUP = 'ResourceNotFoundException';

/** Who has which role. Every method throws ProviderError. */
export interface RoleAdministration {
  addRole(username: string, role: string, signal: AbortSignal): Promise<void>;
  removeRole(username: string, role: string, signal: AbortSignal): Promise<void>;
  /** The user's groups, as they are. */
  rolesOf(username: string, signal: AbortSignal): Promise<string[]>;
  /** All enabled users who have a role, in no order; eventually consistent. A role that the pool does not
   * have has none. */
  usersInRole(role: string, signal: AbortSignal): Promise<RoleMember[]>;
  listRoles(signal: AbortSignal): Promise<Role[]>;
}

/** Groups of Cognito are called roles here. */
export function createRoleAdministration(
  client: CognitoIdentityProviderClient,
  userPoolId: string,
): RoleAdministration {
  const pool = { UserPoolId: userPoolId };
  return {
    addRole: (username, role, signal) =>
      atProvider(signal, async (abortSignal) => {
        const group = { ...pool, Username: username, GroupName: role };
        await client.send(new AdminAddUserToGroupCommand(group), { abortSignal });
      }),
    removeRole: (username, role, signal) =>
      atProvider(signal, async (abortSignal) => {
        const group = { ...pool, Username: username, GroupName: role };
        await client.send(new AdminRemoveUserFromGroupCommand(group), { abortSignal });
      }),
    rolesOf: (username, signal) =>
      atProvider(signal, async (abortSignal) => {
        const names: string[] = [];
        for await (const { Groups = [] } of paginateAdminListGroupsForUser(
          { client },
          { ...pool, Username: username, Limit: LARGEST_PAGE },
          { abortSignal },
        )) {
          for (const { GroupName } of Groups) if (GroupName) names.push(GroupName);
        }
        return names;
      }),
    usersInRole: async (role, signal) => {
      try {
        return await atProvider(signal, async (abortSignal) => {
          const members: RoleMember[] = [];
          for await (const { Users = [] } of paginateListUsersInGroup(
            { client },
            { ...pool, GroupName: role, Limit: LARGEST_PAGE },
            { abortSignal },
          )) {
            for (const { Username = '', Attributes, Enabled } of Users) {
              if (Enabled === false) continue;
              members.push({ username: Username, userId: valueOf(Attributes, 'sub') });
            }
          }
          return members;
        });
      } catch (error) {
        const missing = error instanceof ProviderError && error.name === NO_GROUP;
        if (missing && !error.aboutPool) return [];
        throw error;
      }
    },
    listRoles: (signal) =>
      atProvider(signal, async (abortSignal) => {
        const roles: Role[] = [];
        for await (const page of paginateListGroups(
          { client },
          { ...pool, Limit: LARGEST_PAGE },
          { abortSignal },
        )) {
          for (const group of page.Groups ?? []) {
            if (!group.GroupName) continue;
            roles.push({ name: group.GroupName, description: group.Description ?? null });
          }
        }
        return roles.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      }),
  };
}
