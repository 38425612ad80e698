import type { Database } from '../../src/db/client.ts';
import { FAILURES } from '../../src/domain/failure.ts';
import {
  deferInvitation,
  claimInvitations,
  noteInvitation,
  type DueInvitation,
} from '../../src/ledger/outbox.ts';
import { classify } from '../classify.ts';
import { REQUEST_TIMEOUT_MS, type IdentityProvider } from '../cognito.ts';
import { ProviderError } from '../provider-error.ts';
import type { StepLog } from '../step-context.ts';
import { pause, POLL_MS } from './pause.ts';

const BATCH = 20;
/** Longer than a batch takes: who claims and dies is followed by another after this. */
const CLAIM_MS = 120_000;
/** Slow: 5 s, doubling, at most an hour apart. The default mailer's quota is counted in days. */
const FIRST_DELAY_MS = 5000;
const MAX_DELAY_MS = 3_600_000;

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
    const due = await claimInvitations(deps.db, BATCH, CLAIM_MS);
    for (const invitation of due) {
      if (over.aborted) return;
      await deliver(deps, invitation);
    }
    if (due.length < BATCH) await pause(POLL_MS, over);
  }
}

/** One attempt to send one invitation. */
async function deliver(deps: InvitationDeps, due: DueInvitation): Promise<void> {
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    await deps.provider.sendInvitation(due.cognitoUsername, signal);
    await noteInvitation(deps.db, due, 'mailed');
  } catch (thrown) {
    await notDelivered(deps, due, thrown);
  }
  deps.changed(due.registrationId);
}

async function notDelivered(
  deps: InvitationDeps,
  due: DueInvitation,
  thrown: unknown,
): Promise<void> {
  if (!(thrown instanceof ProviderError)) throw thrown;
  const verdict = classify('invitation', thrown, {
    sinceCreatedMs: due.userCreatedAt ? Date.now() - due.userCreatedAt.getTime() : null,
    graceMs: deps.propagationGraceSeconds * 1000,
    parkedBefore: false,
  });
  const fields = { registrationId: due.registrationId, error: thrown.name, verdict };
  // Confirmed by now, or gone for longer than the grace: there is nobody to invite.
  if (verdict.kind !== 'fail') {
    deps.log.info(fields, 'invitation not needed');
    await noteInvitation(deps.db, due, 'not_needed');
    return;
  }
  deps.log.warn(fields, 'invitation deferred');
  const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(due.attempts, 20));
  await deferInvitation(deps.db, due, FAILURES[verdict.failure].code, delayMs);
}
