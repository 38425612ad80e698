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

/** `refused` is one word for a wrong password, nobody of that name, and a disabled user.
 * `challenge`: the pair is right, and the pool wants more: a new password, a second factor. */
export type SignIn =
  | { readonly kind: 'signed_in'; readonly tokens: Tokens }
  | { readonly kind: 'refused' }
  | { readonly kind: 'challenge' };

/** The pool's own sessions; `Password` is what a password has become by then. Each throws ProviderUnavailable (src/domain/role.ts) when the pool does
 * not answer, or not to us. */
export interface Sessions<Password> {
  /** @param name an e-mail address, or the pool's own name of a user */
  signIn(name: string, password: Password): Promise<SignIn>;
  /** null where the refresh token is dead, or none. */
  refresh(refreshToken: string): Promise<Tokens | null>;
  /** null where the access token counts no more. */
  personOf(accessToken: string): Promise<Person | null>;
  /** Ends the session of the refresh token, and whatever else the access token belongs to. */
  signOut(accessToken: string, refreshToken: string): Promise<void>;
}
