import {
  ProfileUnavailable,
  type ProfileOwner,
  type ProfileRequest,
} from '../../src/domain/profile.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import { emailOf, type Registration } from '../../src/domain/registration.ts';
import { jitteredBackoffMs, type StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';

/** The policy's longest interval: what a service asks for beyond it would outlast the budget. */
const MAX_DELAY_MS = 10_000;

/** What a call of the profile service needs, in a step or outside. */
export type ProfileContext = Pick<
  StepContext,
  'db' | 'log' | 'profiles' | 'graceMs' | 'signal' | 'attempt' | 'slow'
>;

/** @throws ProfileUnavailable where the setting was turned off while the row was open */
export function profilesOf({ profiles }: Pick<StepContext, 'profiles'>): ProfileService {
  if (!profiles) throw new ProfileUnavailable('no profile service is configured', false);
  return profiles;
}

export function profileRequestOf(row: Registration): ProfileRequest {
  const { id: registrationId, username, firstName, lastName } = row;
  // A profile is asked for only once the row notes the user.
  const userId = row.userId ?? '';
  return { registrationId, userId, username, email: emailOf(row), firstName, lastName };
}

export function profileOwnerOf({ id, userId, username, email }: Registration): ProfileOwner {
  return { registrationId: id, userId, username, email };
}

/** What a profile service that did not decide is to a step; other errors are thrown on. */
export function profileFailure(
  ctx: ProfileContext,
  { id: registrationId }: Registration,
  error: unknown,
): StepFailure {
  if (!(error instanceof ProfileUnavailable)) throw error;
  const { reason, retryAfterMs } = error;
  ctx.log.warn({ registrationId, reason }, 'the profile service did not decide');
  return unavailable(ctx, retryAfterMs);
}

/** With jitter: a service that was away would meet everybody at once. */
export function unavailable(
  { attempt, slow }: Pick<StepContext, 'attempt' | 'slow'>,
  retryAfterMs = 0,
): StepFailure {
  const delayMs = Math.max(jitteredBackoffMs(attempt), Math.min(MAX_DELAY_MS, retryAfterMs));
  return new StepFailure('profile_unavailable', slow ? null : delayMs);
}
