import type { Database } from '../../src/db/client.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import {
  claimInvitation,
  giveUpInvitation,
  recordInvitation,
  recordInvitationUnanswered,
  type DueInvitation,
} from '../../src/ledger/outbox/outbox.ts';
import { deferDelivery, deferralMs } from '../../src/ledger/outbox/cognito-deliveries.ts';
import { giveBackMail, takeMail } from '../../src/ledger/mail-limits.ts';
import { classify } from '../../src/cognito/classify.ts';
import { INVITATION_TIMEOUT_MS, type IdentityProvider } from '../../src/cognito/adapter.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import type { StepLog } from '../step-context.ts';
import { pause, POLL_MS } from './pause.ts';

/** The call, and before it the wait for the quota. */
const ATTEMPT_MS = INVITATION_TIMEOUT_MS + 5000;
/** Each attempt without a reply may have sent a mail and replaced the temporary password. */
const MAX_UNANSWERED = 3;

export interface InvitationDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly log: StepLog;
  readonly changed: (registrationId: string) => void;
  readonly propagationGraceSeconds: number;
}

/** Sends the invitations of the outbox. */
export async function sendInvitations(deps: InvitationDeps, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    // One at a time: a claim counts as an attempt, and what is left behind it stays due.
    const due = await claimInvitation(deps.db);
    if (due) await deliver(deps, due);
    else await pause(POLL_MS, over);
  }
}

/** One attempt to send one invitation. */
async function deliver(deps: InvitationDeps, due: DueInvitation): Promise<void> {
  const { cognitoUsername } = due;
  if (cognitoUsername === null) {
    await recordInvitation(deps.db, due, 'not_needed');
  } else if (due.unanswered > MAX_UNANSWERED) {
    // The process that made the last attempt died with it.
    await giveUp(deps, due);
  } else if (await isAllowed(deps, due)) {
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS);
      await deps.provider.sendInvitation(cognitoUsername, signal);
      await recordInvitation(deps.db, due, 'mailed');
    } catch (thrown) {
      await notDelivered(deps, due, thrown);
    }
  }
  deps.changed(due.registrationId);
}

/** An address that got its mails of this hour waits for the next one. */
async function isAllowed(deps: InvitationDeps, due: DueInvitation): Promise<boolean> {
  const allowance = await takeMail(deps.db, { email: due.email, publicPerDay: null });
  if (allowance.kind === 'allowed') return true;
  const delayMs = allowance.retryAfterSeconds * 1000;
  await deferDelivery(deps.db, due, FAILURES.mail_deferred.code, delayMs);
  return false;
}

async function notDelivered(
  deps: InvitationDeps,
  due: DueInvitation,
  thrown: unknown,
): Promise<void> {
  if (!(thrown instanceof ProviderError)) throw thrown;
  const verdict = classify('invitation', thrown, {
    sinceCreatedMs: due.sinceCreatedMs,
    graceMs: deps.propagationGraceSeconds * 1000,
    parkedBefore: false,
  });
  const fields = { registrationId: due.registrationId, error: thrown.name, verdict };
  if (verdict.kind !== 'fail' || verdict.failure !== 'reply_lost') {
    await giveBackMail(deps.db, { email: due.email, publicPerDay: null });
  }
  // Confirmed by now, or gone for longer than the grace: there is nobody to invite.
  if (verdict.kind !== 'fail') {
    deps.log.info(fields, 'invitation not needed');
    await recordInvitation(deps.db, due, 'not_needed');
    return;
  }
  const { code } = FAILURES[verdict.failure];
  if (verdict.failure === 'reply_lost') {
    deps.log.warn({ ...fields, unanswered: due.unanswered }, 'invitation not confirmed by Cognito');
    if (due.unanswered < MAX_UNANSWERED) await recordInvitationUnanswered(deps.db, due, code);
    else await giveUp(deps, due);
    return;
  }
  deps.log.warn(fields, 'invitation deferred');
  await deferDelivery(deps.db, due, code, deferralMs(due.attempts));
}

async function giveUp(deps: InvitationDeps, due: DueInvitation): Promise<void> {
  deps.log.error({ registrationId: due.registrationId }, 'invitation given up');
  await giveUpInvitation(deps.db, due, FAILURES.reply_lost.code);
}
