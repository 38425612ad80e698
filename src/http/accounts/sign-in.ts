import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Challenge, Person, SignIn, Tokens } from '../../domain/session.ts';
import { recordAccountEvents } from '../../ledger/registrations/account-events.ts';
import { emailHash } from '../../secrets/email-hash.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { password, sent } from '../public-form/fields.ts';
import { accountOf, nameOf, type SignInAccount } from './account.ts';
import { discard, isWithheld, permittedPerson } from './admission.ts';
import { encodeSession } from './challenge-session.ts';
import { waitForEvenTime } from './even-time.ts';

/** `refused`: a wrong password or code, nobody of that name, or a person who gets no tokens. */
export type SignInOutcome =
  | { readonly kind: 'signed_in'; readonly tokens: Tokens; readonly person: Person }
  | {
      readonly kind: 'challenge';
      /** `session` is what the answer has to repeat. */
      readonly challenge: Omit<Challenge, 'poolName'>;
    }
  | { readonly kind: 'refused' };

export const credentialsOf = ({ secret }: Pick<AppDeps, 'secret'>) =>
  z
    .object({
      username: sent(320).openapi({ description: 'The username or the e-mail address.' }),
      password: password(secret),
    })
    .openapi('Credentials', { example: { username: 'ada@example.com', password: 'Analytical1' } });
export type Credentials = z.infer<ReturnType<typeof credentialsOf>>;

/** What follows a right password or code: the tokens if the person may have them; otherwise their
 * session is ended. */
export async function outcomeOf(
  deps: AppDeps,
  account: Pick<SignInAccount, 'countedAs'>,
  signIn: SignIn,
): Promise<SignInOutcome> {
  if (signIn.kind === 'refused') return signIn;
  if (signIn.kind === 'challenge') {
    const { name, options, destination, secret } = signIn.challenge;
    const session = encodeSession(account, signIn.challenge);
    return { kind: 'challenge', challenge: { name, session, options, destination, secret } };
  }
  const { tokens } = signIn;
  const person = await permittedPerson(deps, tokens);
  if (person) return { kind: 'signed_in', tokens, person };
  deps.afterwards(() => discard(deps, tokens));
  return { kind: 'refused' };
}

/** Signs in with a password. @throws RateLimited, ProviderUnavailable, DatabaseError */
export async function signInWithPassword(
  deps: AppDeps,
  c: Context<AppEnv>,
  credentials: Credentials,
): Promise<SignInOutcome> {
  const begun = performance.now();
  const refuse = async (): Promise<SignInOutcome> => {
    await waitForEvenTime(begun);
    return { kind: 'refused' };
  };
  const name = nameOf(credentials.username);
  c.set('emailHash', emailHash(name));
  const address = deps.clientAddress(c);
  await deps.limits.sessionCall(address);
  const account = await accountOf(deps, name);
  const giveBack = await deps.limits.passwordCheck(address, account.countedAs);
  const signIn = await deps.sessions.signIn(account.poolName, credentials.password);
  if (signIn.kind === 'refused') return await refuse();
  // The count stays as for a wrong password: a prober must not learn that the account is their own.
  const isMailed = signIn.kind === 'challenge' && signIn.challenge.name === 'NEW_PASSWORD_REQUIRED';
  if (isWithheld(deps, account.row) && !isMailed) {
    if (signIn.kind === 'signed_in') deps.afterwards(() => discard(deps, signIn.tokens));
    return await refuse();
  }
  const outcome = await outcomeOf(deps, account, signIn);
  if (outcome.kind === 'refused') return await refuse();
  await giveBack();
  return outcome;
}

/** @returns null where the refresh token is dead, or the person may have no tokens any more */
export async function refreshTokens(deps: AppDeps, refreshToken: string): Promise<Tokens | null> {
  const tokens = await deps.sessions.refresh(refreshToken);
  if (!tokens) return null;
  // A session from before the address had to be proved.
  if (deps.signupVerification === 'required' && !(await permittedPerson(deps, tokens))) {
    deps.afterwards(() => deps.sessions.revoke(tokens.refreshToken));
    return null;
  }
  return tokens;
}

/** Ends the session of a refresh token, and records it if that ended every session of the person. */
export async function signOut(
  { sessions, db }: Pick<AppDeps, 'sessions' | 'db'>,
  userId: string,
  { accessToken, refreshToken }: Pick<Tokens, 'accessToken' | 'refreshToken'>,
): Promise<void> {
  const ended = await sessions.signOut(accessToken, refreshToken);
  if (ended === 'everywhere') {
    await recordAccountEvents(db, userId, userId, ['user.signed_out_everywhere']);
  }
}
