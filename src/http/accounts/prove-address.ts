import { emailOf, hasMailedPassword } from '../../domain/registration.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import type { Person } from '../../domain/session.ts';
import { findByUserId } from '../../ledger/registrations/account-events.ts';
import { recordEmailVerified } from '../../ledger/registrations/email-verification.ts';
import { giveBackMail, takeMail } from '../../ledger/mail-limits.ts';
import type { AppDeps } from '../app-deps.ts';
import { compareWithLedger, hasAddressOf, type KnownPerson } from './admission.ts';

/**
 * Mails a code to somebody whose address is not proved. Nobody gets one whose address in the pool is not
 * the ledger's, or who has had the mails of this hour.
 */
export async function mailVerificationCode(
  deps: Pick<AppDeps, 'db' | 'sessions' | 'publicMailsPerDay'>,
  accessToken: string,
): Promise<void> {
  const { db, sessions, publicMailsPerDay: publicPerDay } = deps;
  const inPool = await sessions.personOf(accessToken);
  if (!inPool) return;
  const { person, row } = await compareWithLedger(deps, inPool);
  if (person.emailVerified || !hasAddressOf(person, row)) return;
  const mail = { email: row ? emailOf(row) : person.email, publicPerDay };
  if ((await takeMail(db, mail)).kind !== 'allowed') return;
  if (!(await sessions.mailCode(accessToken))) await giveBackMail(db, mail);
}

/**
 * Proves the address of a person with a code. Repeatable: where an earlier request proved it and its
 * response was lost, the pool says so and any code will do.
 * @returns the person, or null for a wrong code, or an address that is not the ledger's
 */
export async function proveWithCode(
  deps: Pick<AppDeps, 'db' | 'sessions'>,
  accessToken: string,
  inPool: Person,
  code: string,
): Promise<KnownPerson | null> {
  const { person, row } = await compareWithLedger(deps, inPool);
  if (person.emailVerified) return { person, row };
  if (!hasAddressOf(person, row)) return null;
  if (!(await deps.sessions.verifyEmail(accessToken, code))) return null;
  // Whose address it is now: with the token of the same session it may have been changed meanwhile.
  const proved = await deps.sessions.personOf(accessToken);
  if (!proved?.emailVerified) throw new ProviderUnavailable('session');
  const known = await compareWithLedger(deps, proved);
  return known.person.emailVerified ? known : null;
}

/**
 * The first password was set with a temporary one. If Registrar mailed that, its owner reads the
 * mailbox, so the address is proved: in the pool first, since the next sign-in repeats the rest. While
 * the pool does not answer, the address stays unproved, and a code proves it.
 */
export async function proveByMailedPassword(
  { db, accounts, logger }: Pick<AppDeps, 'db' | 'accounts' | 'logger'>,
  poolName: string,
): Promise<void> {
  const row = await findByUserId(db, poolName);
  if (!row || row.emailVerified || !hasMailedPassword(row)) return;
  try {
    const user = await accounts.read(poolName);
    if (!user || !hasAddressOf(user, row)) return;
    await accounts.verifyEmail(user.username);
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    logger.warn({ registrationId: row.id }, 'the address could not be marked as proved');
    return;
  }
  await recordEmailVerified(db, { userId: poolName, email: emailOf(row), actor: poolName });
}
