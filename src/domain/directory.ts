import type { RoleMember } from './role.ts';

/** A user, as the pool has it now. */
export interface PoolUser {
  /** The Cognito sub. */
  readonly userId: string;
  /** The ownership mark: the registration that created the user, unless somebody else wrote it. */
  readonly mark: string | null;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly enabled: boolean;
  /** As Cognito names it: `CONFIRMED`, `FORCE_CHANGE_PASSWORD`, … */
  readonly status: string;
  readonly createdAt: Date;
}

/** The few questions the API asks the identity provider about one user. Each throws
 * ProviderUnavailable (src/domain/role.ts) when it is away. */
export interface Directory {
  /** Whether a user with this Cognito username is there. */
  userExists(cognitoUsername: string): Promise<boolean>;
  /** `owes_password`: an invitation is due; `has_password`: the person has set one; null: no such user. */
  passwordState(cognitoUsername: string): Promise<'owes_password' | 'has_password' | null>;
  /** By Cognito username or e-mail; null: no such user. Paced, and throws too when the quota is spent. */
  readUser(cognitoUsername: string): Promise<PoolUser | null>;
  /** By name; null: no such user. Paced as `readUser` is. */
  rolesOf(cognitoUsername: string): Promise<readonly string[] | null>;
  /** All enabled users who have a role; eventually consistent. Paced as `readUser` is. */
  usersInRole(role: string): Promise<readonly RoleMember[]>;
}
