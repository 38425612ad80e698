/** A role is a Cognito group; the two words meet only in src/cognito/roles.ts. */
export interface Role {
  readonly name: string;
  readonly description: string | null;
}

/** Somebody who has a role. */
export interface RoleMember {
  /** Cognito's. */
  readonly username: string;
  /** The Cognito sub. */
  readonly userId: string;
}

export const MAX_ROLES = 20;
/** Cognito's own rule for a group name: 1–128 letters, marks, symbols, numbers or punctuation. */
export const ROLE_NAME = /^[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,128}$/u;

/** The pool's roles, cached; asks the provider on a miss. Throws ProviderUnavailable when it must ask and cannot. */
export interface RoleCatalogue {
  /** By name. */
  list(): Promise<readonly Role[]>;
  /** Those of `names` that the pool does not have. */
  unknown(names: readonly string[]): Promise<readonly string[]>;
}

/** The provider was needed to answer and did not. */
export class ProviderUnavailable extends Error {
  override readonly name = 'ProviderUnavailable';
}
