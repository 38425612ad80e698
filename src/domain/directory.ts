/** The few questions the API asks the identity provider about one user. Each throws
 * ProviderUnavailable (src/domain/role.ts) when it is away. */
export interface Directory {
  /** Whether a user with this Cognito username is there. */
  userExists(cognitoUsername: string): Promise<boolean>;
  /** `owes_password`: an invitation is due; `has_password`: the person has set one; null: no such user. */
  passwordState(cognitoUsername: string): Promise<'owes_password' | 'has_password' | null>;
}
