import { normaliseEmail } from '../../domain/email.ts';
import { emailOf, isUnverifiedSignUp, type Registration } from '../../domain/registration.ts';
import type { Person, Tokens } from '../../domain/session.ts';
import { DatabaseError } from '../../ledger/database-error.ts';
import { findByUserId } from '../../ledger/registrations/account-events.ts';
import { recordEmailVerified } from '../../ledger/registrations/email-verification.ts';
import type { AppDeps } from '../app-deps.ts';

type Deps = Pick<AppDeps, 'db' | 'sessions' | 'signupVerification'>;

/** A person as the door shows them, with their registration. */
export interface KnownPerson {
  readonly person: Person;
  /** null: Registrar did not register this person. */
  readonly row: Registration | null;
}

/**
 * Compares the pool with the ledger. An address in the pool that is not the ledger's counts as unproved.
 * One that the pool says is proved, and the ledger does not yet, is recorded: the process that proved it
 * may have ended in between.
 */
export async function compareWithLedger(
  { db }: Pick<AppDeps, 'db'>,
  inPool: Person,
): Promise<KnownPerson> {
  const row = await findByUserId(db, inPool.userId);
  const emailVerified = inPool.emailVerified && hasAddressOf(inPool, row);
  if (row && emailVerified && !row.emailVerified) {
    const { userId } = inPool;
    await recordEmailVerified(db, { userId, email: emailOf(row), actor: userId });
  }
  return { person: { ...inPool, emailVerified }, row };
}

/** Whether the pool has the ledger's address of a person. */
export function hasAddressOf(
  { email }: Pick<Person, 'email'>,
  row: Pick<Registration, 'id' | 'email'> | null,
): boolean {
  return row === null || normaliseEmail(email) === emailOf(row);
}

/** Whether the ledger alone says that this person gets no tokens yet (SIGNUP_VERIFICATION). */
export function isWithheld(
  { signupVerification }: Pick<AppDeps, 'signupVerification'>,
  row: Registration | null,
): boolean {
  return signupVerification === 'required' && row !== null && isUnverifiedSignUp(row);
}

/** The person whom tokens belong to, if they may have them; null: signed out a moment ago, or the
 * address has to be proved first. */
export async function permittedPerson(deps: Deps, tokens: Tokens): Promise<Person | null> {
  const inPool = await deps.sessions.personOf(tokens.accessToken);
  if (!inPool) return null;
  const isRequired = deps.signupVerification === 'required';
  const compared = compareWithLedger(deps, inPool);
  const { person, row } = await (isRequired ? compared : compared.catch(unlessAway(inPool)));
  const mustProve = isRequired && row?.door === 'signup';
  return mustProve && !person.emailVerified ? null : person;
}

/** Without PostgreSQL a sign-in succeeds; whether the pool's address is the ledger's is not known then. */
function unlessAway(inPool: Person): (error: unknown) => KnownPerson {
  return (error) => {
    if (!(error instanceof DatabaseError) || error.definitive) throw error;
    return { person: { ...inPool, emailVerified: false }, row: null };
  };
}

/** Ends a session whose tokens are given to nobody. First records an address that the pool says is
 * proved, so that the next sign-in succeeds. */
export async function discard(deps: Deps, tokens: Tokens): Promise<void> {
  await permittedPerson(deps, tokens);
  await deps.sessions.revoke(tokens.refreshToken);
}
