import type { Database } from '../../src/db/client.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import { classify } from '../../src/cognito/classify.ts';
import type { IdentityProvider } from '../../src/cognito/adapter.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import {
  claimSignOut,
  forgetDelivery,
  recordSignedOut,
  type DueAccountDelivery,
} from '../../src/ledger/outbox/account-deliveries.ts';
import { recordAccountEvents } from '../../src/ledger/registrations/account-events.ts';
import { SYSTEM_ACTOR } from '../../src/domain/audit-event.ts';
import { deferDelivery, deferralMs } from '../../src/ledger/outbox/cognito-deliveries.ts';
import { namesRegistration } from '../../src/domain/registration.ts';
import { QuotaSpent, type AcquireQuota } from '../quota.ts';
import type { StepLog } from '../step-context.ts';
import { pause, POLL_MS } from './pause.ts';

/** Below the lease of its claim. */
const ATTEMPT_MS = 12_000;
const MAX_DELAY_MS = 60_000;

export interface SignOutDeps {
  readonly db: Database;
  readonly provider: Pick<IdentityProvider, 'readUser' | 'endSessions'>;
  readonly acquireQuota: (signal: AbortSignal) => AcquireQuota;
  readonly log: StepLog;
}

/** Ends the sessions of accounts whose password was reset, or may have been, by a process that did not
 * get so far. Without end: while it fails, a thief may be signed in. */
export async function endPromisedSessions(deps: SignOutDeps, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const due = await claimSignOut(deps.db);
    if (due) await endSessionsOf(deps, due);
    else await pause(POLL_MS, over);
  }
}

async function endSessionsOf(deps: SignOutDeps, due: DueAccountDelivery): Promise<void> {
  const { db, provider, log } = deps;
  const signal = AbortSignal.timeout(ATTEMPT_MS);
  try {
    const user = await provider.readUser(due.name, signal);
    if (!user) return await forgetDelivery(db, due.outboxId);
    await deps.acquireQuota(signal)('update');
    await provider.endSessions(user.username, signal);
    const registrationId = user.mark !== null && namesRegistration(user.mark) ? user.mark : null;
    const holder = { registrationId, userId: user.sub };
    const by = due.kind === 'password_reset' ? 'relay' : 'unconfirmed';
    if (due.kind === 'password_change') {
      const about = { key: due.outboxId, details: { by } };
      await recordAccountEvents(db, user.sub, SYSTEM_ACTOR, ['user.password_changed'], about);
    }
    await recordSignedOut(db, due.outboxId, holder, by);
  } catch (error) {
    if (error instanceof QuotaSpent) {
      return await deferDelivery(db, due, FAILURES.throttled.code, 1000);
    }
    if (!(error instanceof ProviderError)) throw error;
    const lag = { sinceCreatedMs: null, graceMs: 0, parkedBefore: false };
    const verdict = classify('deleteUser', error, lag);
    // The user is gone, and every session with it.
    if (verdict.kind === 'done') return await forgetDelivery(db, due.outboxId);
    log.warn({ outboxId: due.outboxId, error: error.name }, 'ending the sessions failed');
    const code = FAILURES[verdict.kind === 'fail' ? verdict.failure : 'unknown_error'].code;
    await deferDelivery(db, due, code, Math.min(MAX_DELAY_MS, deferralMs(due.attempts)));
  }
}
