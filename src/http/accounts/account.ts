import { createHash, randomUUID } from 'node:crypto';
import { normaliseEmail } from '../../domain/email.ts';
import { emailOf, type Registration } from '../../domain/registration.ts';
import { caseless } from '../../domain/username.ts';
import { findLiving, hasEmail, hasUsername } from '../../ledger/registrations/living.ts';
import type { AppDeps } from '../app-deps.ts';
import { usernameFault } from '../request/fields.ts';

/** The normalised name for a sign-in; empty if no account can have it. */
export function nameOf(sentName: string): string {
  const username = usernameFault(sentName) === null ? sentName.trim() : '';
  return normaliseEmail(sentName) ?? username;
}

export interface SignInAccount {
  /** The e-mail address for both names of an account, so that they share their count. */
  readonly countedAs: string;
  /** The username for the call to Cognito. */
  readonly poolName: string;
  /** The registration that has this name, if there is one. Of an e-mail address it is read only where
   * sign-ups have to prove it: else a sign-in by e-mail needs no PostgreSQL. */
  readonly row: Registration | null;
}

/** An unknown name is looked up, counted and sent to Cognito like a known one, so that neither the
 * response nor its time shows which accounts exist. @param name what `nameOf` returned */
export async function accountOf(
  { db, signupVerification }: Pick<AppDeps, 'db' | 'signupVerification'>,
  name: string,
): Promise<SignInAccount> {
  const needsLedger = signupVerification === 'required' || normaliseEmail(name) === null;
  return needsLedger
    ? await accountInLedger(db, name)
    : { countedAs: name, poolName: name, row: null };
}

/** The same, where the registration is needed by whatever name. */
export async function accountInLedger(db: AppDeps['db'], name: string): Promise<SignInAccount> {
  if (normaliseEmail(name) !== null) {
    return { countedAs: name, poolName: name, row: await findLiving(db, hasEmail(name)) };
  }
  const row = await findLiving(db, hasUsername(name));
  const countedAs = row ? emailOf(row) : name;
  return { countedAs, poolName: row?.cognitoUsername ?? randomUUID(), row };
}

/** One text for every name of an account, which contains none of them. */
export function accountDigest({ countedAs }: Pick<SignInAccount, 'countedAs'>): string {
  return createHash('sha256').update(caseless(countedAs)).digest('base64url');
}
