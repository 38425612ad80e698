import {
  failureOfRefusal,
  owesProfile,
  ProfileUnavailable,
  type ProfileAnswer,
  type ProfileDecision,
} from '../../src/domain/profile.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import {
  recordProfileAttempt,
  recordProfileNotMade,
  recordProfileReply,
  type ProfileAttempt,
} from '../../src/ledger/registrations/profile.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { pause } from '../relay/pause.ts';
import { mayAct, type StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { deleteStrayProfile, deleteStrayProfiles } from './delete-profile.ts';
import { profileFailure, profileRequestOf, profilesOf, unavailable } from './profile-call.ts';

const FIRST_LOOK_MS = 50;
const MAX_LOOK_MS = 500;

/**
 * Step createProfile. Safe to repeat: the service creates one profile per registration, and the row says
 * what was decided and which attempts have no reply.
 * @returns the row; one that no longer goes forward comes back without the profile
 * @throws StepFailure, DatabaseError
 */
export async function createProfile(ctx: StepContext, row: Registration): Promise<Registration> {
  if (!mayAct(row) || !owesProfile(row)) return row;
  throwIfRefused(row);
  const straysLeft = await deleteStrayProfiles(ctx, row);
  // A reply that comes later could refuse the person because of a profile that is to be deleted.
  if (straysLeft && ctx.profiles?.learnsOfDeletionBy !== 'call') throw unavailable(ctx);
  const attempt = await recordProfileAttempt(ctx.db, row);
  if (!attempt) return await overtaken(ctx, row);
  const answer = await ask(ctx, attempt);
  if (answer.kind === 'awaits_reply') return await awaitReply(ctx, row);
  if (straysLeft && answer.kind === 'refused' && answer.failure !== 'profile_rejected') {
    // The stray profile may be the one that has the address or the username.
    await recordProfileNotMade(ctx.db, attempt);
    throw unavailable(ctx);
  }
  return await settle(ctx, attempt, answer);
}

function throwIfRefused({ profileOutcome }: Registration): void {
  if (profileOutcome === null || profileOutcome === 'created') return;
  throw new StepFailure(failureOfRefusal(profileOutcome));
}

/** Another attempt was recorded meanwhile, or the row was decided: it says what holds now. */
async function overtaken(ctx: StepContext, { id }: Registration): Promise<Registration> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || !owesProfile(row)) return row;
  throwIfRefused(row);
  throw unavailable(ctx);
}

async function ask(ctx: StepContext, attempt: ProfileAttempt): Promise<ProfileAnswer> {
  const row = attempt.registration;
  try {
    return await profilesOf(ctx).create(profileRequestOf(row), ctx.signal);
  } catch (error) {
    if (error instanceof ProfileUnavailable && !error.mayHaveEffect) {
      await recordProfileNotMade(ctx.db, attempt);
    }
    throw profileFailure(ctx, row, error);
  }
}

/** Looks at the row until the consumer of replies has written the decision to it. */
async function awaitReply(ctx: StepContext, { id }: Registration): Promise<Registration> {
  for (
    let waitMs = FIRST_LOOK_MS;
    !ctx.signal.aborted;
    waitMs = Math.min(MAX_LOOK_MS, waitMs * 2)
  ) {
    await pause(waitMs, ctx.signal);
    const row = await readRow(ctx.db, id);
    if (!mayAct(row) || !owesProfile(row)) return row;
    throwIfRefused(row);
  }
  ctx.log.info({ registrationId: id }, 'the profile service has not replied yet');
  throw new StepFailure('profile_unavailable');
}

async function settle(
  ctx: StepContext,
  attempt: ProfileAttempt,
  decision: ProfileDecision,
): Promise<Registration> {
  const { id, steps } = attempt.registration;
  const attempts = attemptsWith(steps['createProfile'], ctx.attempt);
  const reply = await recordProfileReply(ctx.db, id, decision, attempt, attempts);
  if (reply === 'contradicts') {
    ctx.log.error({ registrationId: id }, 'the profile service contradicts its earlier answer');
  }
  const row = await readRow(ctx.db, id);
  if (row.profileStrayAt !== null) await deleteStray(ctx, row);
  if (mayAct(row)) throwIfRefused(row);
  return row;
}

/** The registration was closed meanwhile. What fails here is the sweep's. */
async function deleteStray(ctx: StepContext, row: Registration): Promise<void> {
  try {
    await deleteStrayProfile(ctx, row);
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
  }
}
