/**
 * What an administrator may do to one user of the pool. Each call is safe to repeat and throws
 * ProviderError. `username` is Cognito's, which no alias can change.
 */
export interface AccountAdministration {
  disableUser(username: string, signal: AbortSignal): Promise<void>;
  enableUser(username: string, signal: AbortSignal): Promise<void>;
  /** Replaces the password with a random one that nobody knows; the next sign-in needs a mailed one. */
  replacePassword(username: string, signal: AbortSignal): Promise<void>;
  /** Ends every session: refresh tokens, and access tokens where Cognito is asked. */
  endSessions(username: string, signal: AbortSignal): Promise<void>;
  /** Removes what a sign-in asks for beside the password. */
  removeSecondFactors(
    username: string,
    which: {
      /** As Cognito names them. */
      readonly factors: readonly string[];
      /** Whether the phone number goes too: a pool that requires MFA sends its codes there. */
      readonly phoneNumber: boolean;
    },
    signal: AbortSignal,
  ): Promise<void>;
  /** Forgets the devices that a sign-in does not ask for a second factor. */
  forgetDevices(username: string, signal: AbortSignal): Promise<void>;
  /** Marks the address of the user as proved. */
  verifyEmail(username: string, signal: AbortSignal): Promise<void>;
}

/** An account, as the pool has it now. */
export interface PoolAccount {
  /** Cognito's. */
  readonly username: string;
  /** The Cognito sub. */
  readonly userId: string;
  readonly email: string;
}

/** What the API does to an account by itself; it takes of the quota what registrations leave. Each
 * throws ProviderUnavailable (src/domain/role.ts). */
export interface Accounts {
  /** By Cognito username or e-mail; null: nobody. */
  read(username: string): Promise<PoolAccount | null>;
  /** The roles of a user now, by the sub. */
  rolesOf(userId: string): Promise<readonly string[]>;
  endSessions(username: string): Promise<void>;
  verifyEmail(username: string): Promise<void>;
}

/** Cognito's own flow for a forgotten password, which needs a proved address. */
export interface PasswordRecovery<Password> {
  /** Cognito mails a code where its own rules allow it. @throws ProviderError */
  mailCode(username: string, signal: AbortSignal): Promise<void>;
  /** Sets a new password with a mailed code. */
  confirm(username: string, code: string, password: Password): Promise<Confirmation>;
  /** Sets the first password with a mailed temporary one. A second factor that is asked for after it
   * changes nothing: the password is set. */
  confirmTemporary(
    username: string,
    temporary: Password,
    password: Password,
  ): Promise<Confirmation>;
}

/**
 * `refused`: a wrong or expired code, a limit of the pool, or nobody of that name. `unknown`: Cognito did
 * not answer, so the password may be set. `unavailable`: it refused us, not the person; nothing is set.
 */
export type Confirmation = 'done' | 'refused' | 'password_rejected' | 'unavailable' | 'unknown';
