import type { Database } from '../../src/db/client.ts';
import type { PasswordRecovery } from '../../src/domain/account.ts';
import { normaliseEmail } from '../../src/domain/email.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import { emailOf, namesRegistration, type Registration } from '../../src/domain/registration.ts';
import { classify, type Verdict } from '../../src/cognito/classify.ts';
import type { IdentityProvider, ProviderUser } from '../../src/cognito/adapter.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import {
  claimRecovery,
  forgetDelivery,
  recordMailAttempt,
  recordRecoveryBegun,
  recordTemporaryPasswordMailed,
  type DueAccountDelivery,
} from '../../src/ledger/outbox/account-deliveries.ts';
import {
  deferDelivery,
  deferralMs,
  deferUnanswered,
} from '../../src/ledger/outbox/cognito-deliveries.ts';
import { giveBackMail, takeMail, type MailRequest } from '../../src/ledger/mail-limits.ts';
import { findLiving, hasEmail, hasUsername } from '../../src/ledger/registrations/living.ts';
import { readRegistration } from '../../src/ledger/registrations/read.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { QuotaSpent, type AcquireQuota } from '../quota.ts';
import type { StepLog } from '../step-context.ts';
import { pause, POLL_MS } from './pause.ts';

/** All calls of one attempt; the lease of its claim is longer. */
const ATTEMPT_MS = 50_000;
/** Each attempt without a reply may have sent a mail and replaced the temporary password. */
const MAX_UNANSWERED = 3;
/** A mail that could not be sent for so long is of no use: the person has asked again, or given up. */
const GIVEN_UP_MS = 86_400_000;
const QUOTA_DELAY_MS = 1000;
/** Cognito's own rules: no proved address, a disabled user, a limit of this person. */
const ALLOWS_NO_CODE = new Set([
  'InvalidParameterException',
  'NotAuthorizedException',
  'LimitExceededException',
  'UserNotFoundException',
]);

export interface RecoveryDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly recovery: Pick<PasswordRecovery<unknown>, 'mailCode'>;
  /** Of calls that belong to no registration: they take what registrations leave. */
  readonly acquireQuota: (signal: AbortSignal) => AcquireQuota;
  /** What public mails may take of the mailer's day; null: no bound. */
  readonly publicMailsPerDay: number | null;
  readonly log: StepLog;
  readonly propagationGraceSeconds: number;
}

/** Does what was promised to people who forgot their password. */
export async function recoverPasswords(deps: RecoveryDeps, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const due = await claimRecovery(deps.db);
    if (due) await recover(deps, due);
    else await pause(POLL_MS, over);
  }
}

/** What a person gets who forgot the password: nothing where nobody may, or can, be mailed. */
export function recoveryOf(
  user: ProviderUser | null,
  registration: Registration | null,
): 'nothing' | 'code' | 'temporary_password' {
  if (!user?.enabled) return 'nothing';
  if (registration === null) return 'code';
  const { status, userDeletedAt, releasedAt, replacedBy, cognitoUsername } = registration;
  const isTheirs = status === 'completed' && userDeletedAt === null && releasedAt === null;
  if (!isTheirs || replacedBy !== null || cognitoUsername !== user.username) return 'nothing';
  // The mailbox of the pool's address may be the one of somebody who took the account over.
  if (normaliseEmail(user.email) !== emailOf(registration)) return 'nothing';
  if (user.status === 'FORCE_CHANGE_PASSWORD') return 'temporary_password';
  // Others sign in elsewhere: setting a password would make local users of them.
  const hasPassword = user.status === 'CONFIRMED' || user.status === 'RESET_REQUIRED';
  return hasPassword && !user.emailVerified ? 'temporary_password' : 'code';
}

interface Account {
  readonly user: ProviderUser | null;
  readonly registration: Registration | null;
}

async function recover(deps: RecoveryDeps, due: DueAccountDelivery): Promise<void> {
  const signal = AbortSignal.timeout(ATTEMPT_MS);
  if (due.ageMs > GIVEN_UP_MS || due.unanswered >= MAX_UNANSWERED) {
    deps.log.error({ outboxId: due.outboxId }, 'password recovery given up');
    return await forgetDelivery(deps.db, due.outboxId);
  }
  let account: Account = { user: null, registration: null };
  try {
    account = await findAccount(deps, due.name, signal);
    const { user, registration } = account;
    if (!user && registration && isYoung(deps, registration)) {
      return await deferDelivery(deps.db, due, FAILURES.not_visible_yet.code, deferralMs(0));
    }
    const what = recoveryOf(user, registration);
    if (!user || what === 'nothing') return await forgetDelivery(deps.db, due.outboxId);
    if (what === 'code') return await mailCode(deps, due, user, signal);
    if (registration) await mailTemporaryPassword(deps, due, { user, registration }, signal);
  } catch (error) {
    await notDone(deps, due, account, error);
  }
}

/** By the ledger first: the pool may have another address than the one that was sent. */
async function findAccount(
  { db, provider }: RecoveryDeps,
  name: string,
  signal: AbortSignal,
): Promise<Account> {
  const email = normaliseEmail(name);
  const holder =
    name === '' ? null : await findLiving(db, email ? hasEmail(email) : hasUsername(name));
  const poolName = holder?.cognitoUsername ?? email;
  if (poolName === null) return { user: null, registration: holder };
  const user = await provider.readUser(poolName, signal);
  if (!user || user.mark === holder?.id) return { user, registration: holder };
  const marked = user.mark !== null && namesRegistration(user.mark);
  return { user, registration: marked ? await readRegistration(db, user.mark) : null };
}

/** Cognito's own flow: it decides, and an address that is not proved gets nothing. */
async function mailCode(
  deps: RecoveryDeps,
  due: DueAccountDelivery,
  user: ProviderUser,
  signal: AbortSignal,
): Promise<void> {
  await withMail(deps, due, user.email, async (beginMail) => {
    await beginMail();
    try {
      await deps.recovery.mailCode(user.username, signal);
    } catch (error) {
      if (!(error instanceof Error) || !ALLOWS_NO_CODE.has(error.name)) throw error;
      await giveBackMail(deps.db, mailTo(deps, user.email));
    }
    await forgetDelivery(deps.db, due.outboxId);
  });
}

/** Makes the account the property of whoever owns the mailbox. */
async function mailTemporaryPassword(
  deps: RecoveryDeps,
  due: DueAccountDelivery,
  { user, registration }: { readonly user: ProviderUser; readonly registration: Registration },
  signal: AbortSignal,
): Promise<void> {
  const { db, provider } = deps;
  const { username } = user;
  const address = emailOf(registration);
  // An earlier mail of this request arrived, and the person has chosen a password with it.
  if (due.unanswered > 0 && user.status !== 'FORCE_CHANGE_PASSWORD') {
    return await forgetDelivery(db, due.outboxId);
  }
  await withMail(deps, due, address, async (beginMail) => {
    const acquireQuota = deps.acquireQuota(signal);
    await provider.replacePassword(username, signal);
    await acquireQuota('update');
    await provider.endSessions(username, signal);
    const holder = { registrationId: registration.id, userId: user.sub };
    await recordRecoveryBegun(db, due, holder);
    // Until its sessions ended, somebody else could add a second factor, or change the address that the
    // mail goes to.
    const now = await provider.readUser(username, signal);
    if (!now || recoveryOf(now, registration) !== 'temporary_password') {
      await giveBackMail(db, mailTo(deps, address));
      return await forgetDelivery(db, due.outboxId);
    }
    const { phoneNumber, secondFactors: factors } = now;
    const isOwnPhone = phoneNumber !== (registration.attributes['phone_number'] ?? null);
    await acquireQuota('update');
    await provider.removeSecondFactors(
      username,
      { factors, phoneNumber: phoneNumber !== null && isOwnPhone },
      signal,
    );
    await acquireQuota('update');
    await provider.forgetDevices(username, signal);
    await beginMail(registration.id);
    await provider.sendInvitation(username, signal);
    await recordTemporaryPasswordMailed(db, due, registration.id);
  });
}

/** Counts the mail before anything is done for it, and gives it back where it was not sent. */
async function withMail(
  deps: RecoveryDeps,
  due: DueAccountDelivery,
  email: string,
  send: (beginMail: (temporaryPasswordOf?: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const mail = mailTo(deps, email);
  const allowance = await takeMail(deps.db, mail);
  if (allowance.kind === 'refused' && allowance.by === 'address') {
    // It got its mails of this hour: they lead to the account as well as this one would.
    deps.log.info(
      { outboxId: due.outboxId },
      'password recovery not mailed: mails of the hour spent',
    );
    return await forgetDelivery(deps.db, due.outboxId);
  }
  if (allowance.kind === 'refused') {
    deps.log.warn(
      { outboxId: due.outboxId },
      'public mails of the day are spent; see MAIL_PER_DAY',
    );
    const delayMs = allowance.retryAfterSeconds * 1000;
    return await deferDelivery(deps.db, due, FAILURES.mail_deferred.code, delayMs);
  }
  let mayBeSent = false;
  try {
    await send(async (temporaryPasswordOf) => {
      const isOurs = await recordMailAttempt(deps.db, due, temporaryPasswordOf ?? null);
      if (!isOurs) throw new Overtaken('another relay has it');
      mayBeSent = true;
    });
  } catch (error) {
    const unanswered = error instanceof ProviderError && isUnanswered(verdictOn(error));
    if (!mayBeSent || !unanswered) await giveBackMail(deps.db, mail);
    throw error;
  }
}

/** The lease was over, and another relay claimed the delivery. */
class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

async function notDone(
  deps: RecoveryDeps,
  due: DueAccountDelivery,
  { registration }: Account,
  error: unknown,
): Promise<void> {
  if (error instanceof Overtaken) return;
  if (error instanceof QuotaSpent) {
    return await deferDelivery(deps.db, due, FAILURES.throttled.code, QUOTA_DELAY_MS);
  }
  if (!(error instanceof ProviderError)) throw error;
  const verdict = verdictOn(error);
  const fields = { registrationId: registration?.id ?? null, error: error.name };
  if (verdict.kind === 'done') {
    deps.log.error(fields, 'the pool refuses to mail a temporary password; see docs/production.md');
  }
  // Gone, or refused for good.
  if (verdict.kind !== 'fail') return await forgetDelivery(deps.db, due.outboxId);
  const { code } = FAILURES[verdict.failure];
  deps.log.warn(fields, 'password recovery deferred');
  if (!isUnanswered(verdict)) {
    return await deferDelivery(deps.db, due, code, deferralMs(due.attempts));
  }
  // A password that is set late would replace the one that is mailed next.
  const seconds = Math.max(deps.propagationGraceSeconds, deferralMs(0) / 1000);
  await deferUnanswered(deps.db, due, code, seconds);
}

function mailTo({ publicMailsPerDay }: RecoveryDeps, email: string): MailRequest {
  return { email, publicPerDay: publicMailsPerDay };
}

function isYoung(deps: RecoveryDeps, registration: Registration): boolean {
  const { userCreatedAt } = registration;
  const graceMs = deps.propagationGraceSeconds * 1000;
  return userCreatedAt !== null && nowOf(registration) - userCreatedAt.getTime() < graceMs;
}

function verdictOn(error: ProviderError): Verdict {
  return classify('invitation', error, { sinceCreatedMs: null, graceMs: 0, parkedBefore: false });
}

function isUnanswered(verdict: Verdict): boolean {
  return verdict.kind === 'fail' && verdict.failure === 'reply_lost';
}
