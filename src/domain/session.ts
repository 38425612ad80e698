/** What somebody holds who has signed in. Tokens are the pool's own. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Of the access token, as it says itself. */
  readonly expiresAt: Date;
}

/** Somebody as the pool knows them now. */
export interface Person {
  /** The Cognito sub. */
  readonly userId: string;
  readonly username: string | null;
  readonly email: string;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly emailVerified: boolean;
}

/** The challenges that the session door can finish, as Cognito names them. */
export const CHALLENGES = [
  'NEW_PASSWORD_REQUIRED',
  'SOFTWARE_TOKEN_MFA',
  'SMS_MFA',
  'EMAIL_OTP',
  'SELECT_MFA_TYPE',
  'MFA_SETUP',
] as const;
export type ChallengeName = (typeof CHALLENGES)[number];

/** What the pool wants beside the password. */
export interface Challenge {
  /** One of CHALLENGES, or one that the door cannot finish. */
  readonly name: string;
  /** Cognito's own session of this sign-in. */
  readonly session: string;
  /** The pool's own name of the user, which the answer must name. */
  readonly poolName: string;
  /** SELECT_MFA_TYPE: the second factors to choose from. */
  readonly options: readonly string[] | null;
  /** Where a code was sent, masked. */
  readonly destination: string | null;
  /** MFA_SETUP: the new secret for the person's authenticator. */
  readonly secret: string | null;
}

/** `refused` is one word for a wrong password, nobody of that name, and a disabled user.
 * `challenge`: the pair is right, and the pool wants more: a new password, a second factor. */
export type SignIn =
  | { readonly kind: 'signed_in'; readonly tokens: Tokens }
  | { readonly kind: 'refused' }
  | { readonly kind: 'challenge'; readonly challenge: Challenge };

/** `wrong_code`: the session is right, so that somebody guesses the code, or mistyped it. */
export type ChallengeAnswer =
  | SignIn
  | { readonly kind: 'wrong_code' }
  | { readonly kind: 'password_rejected' };

/** What is sent for a challenge: a new password, or a code; for SELECT_MFA_TYPE the chosen factor. */
export type ChallengeReply<Password> =
  | { readonly newPassword: Password }
  | { readonly code: string };

/** `limited`: the pool allows this user no more changes for now. */
export type PasswordChange = 'changed' | 'wrong_password' | 'password_rejected' | 'limited';

/** The pool's own sessions, and what a person does with them; `Password` is what a password has become
 * by then. Each throws ProviderUnavailable (src/domain/role.ts) when the pool does not answer, or not to
 * us: then nobody knows whether a write took effect. */
export interface Sessions<Password> {
  /** @param name an e-mail address, or the pool's own name of a user */
  signIn(name: string, password: Password): Promise<SignIn>;
  /** The pool checks that the session belongs to this user and this challenge. */
  answerChallenge(
    challenge: Pick<Challenge, 'session' | 'poolName'> & { readonly name: ChallengeName },
    reply: ChallengeReply<Password>,
  ): Promise<ChallengeAnswer>;
  /** null where the refresh token is dead, or none. */
  refresh(refreshToken: string): Promise<Tokens | null>;
  /** null where the access token counts no more. */
  personOf(accessToken: string): Promise<Person | null>;
  /** Ends the session of the refresh token, and whatever else the access token belongs to.
   * @returns `everywhere` if every session of the person was ended */
  signOut(accessToken: string, refreshToken: string): Promise<'session' | 'everywhere'>;
  /** Ends the session of a refresh token. */
  revoke(refreshToken: string): Promise<void>;
  /** Ends every session of the person. @returns false where the access token counts no more */
  endSessions(accessToken: string): Promise<boolean>;
  /** Mails a code to the person's address in the pool. @returns false where the pool sends none */
  mailCode(accessToken: string): Promise<boolean>;
  /** Proves the address in the pool. @returns false for a wrong or expired code, or a limit of the pool */
  verifyEmail(accessToken: string, code: string): Promise<boolean>;
  changePassword(accessToken: string, current: Password, next: Password): Promise<PasswordChange>;
  /** Changes those names that are not undefined. @returns false where the access token counts no more */
  rename(
    accessToken: string,
    names: { readonly firstName?: string | undefined; readonly lastName?: string | undefined },
  ): Promise<boolean>;
}
