/** An address as the pool has it. */
export interface PoolAddress {
  readonly email: string;
  readonly verified: boolean;
}

/** The few questions the API asks the identity provider about one user. Each throws
 * ProviderUnavailable (src/domain/role.ts) when it is away. */
export interface Directory {
  /** Whether a user with this Cognito username is there. */
  userExists(cognitoUsername: string): Promise<boolean>;
  /** The address in the pool; null: no such user. */
  addressOf(cognitoUsername: string): Promise<PoolAddress | null>;
  /** Marks the address in the pool as proved. */
  verifyEmail(cognitoUsername: string): Promise<void>;
  /** `owes_password`: an invitation is due; `has_password`: the person has set one; null: no such user. */
  passwordState(cognitoUsername: string): Promise<'owes_password' | 'has_password' | null>;
}
