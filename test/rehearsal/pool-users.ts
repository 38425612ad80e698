import {
  AdminListGroupsForUserCommand,
  type CognitoIdentityProviderClient,
  paginateListUsers,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from '../../src/cognito/adapter.ts';

export interface PoolUser {
  /** Cognito's own. */
  readonly username: string;
  readonly email: string;
  readonly sub: string;
  readonly mark: string | null;
  readonly roles: readonly string[];
  /** `FORCE_CHANGE_PASSWORD`, `CONFIRMED`, … */
  readonly status: string;
  readonly enabled: boolean;
  readonly emailVerified: boolean;
}

/** Everybody in the pool, with roles in order. */
export async function allUsers(
  client: CognitoIdentityProviderClient,
  UserPoolId: string,
): Promise<PoolUser[]> {
  const users: PoolUser[] = [];
  for await (const page of paginateListUsers({ client }, { UserPoolId, Limit: 60 })) {
    for (const { Username = '', Attributes = [], ...user } of page.Users ?? []) {
      const of = (name: string) => Attributes.find(({ Name }) => Name === name)?.Value;
      const { Groups = [] } = await client.send(
        new AdminListGroupsForUserCommand({ UserPoolId, Username }),
      );
      users.push({
        username: Username,
        email: of('email') ?? '',
        sub: of('sub') ?? '',
        mark: of(MARK_ATTRIBUTE) ?? null,
        roles: Groups.map(({ GroupName = '' }) => GroupName).toSorted(),
        status: user.UserStatus ?? '',
        enabled: user.Enabled ?? true,
        emailVerified: of('email_verified') === 'true',
      });
    }
  }
  return users;
}
