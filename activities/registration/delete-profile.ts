import { mayHaveProfile, type ProfileDeletion } from '../../src/domain/profile.ts';
import type { Registration } from '../../src/domain/registration.ts';
import { isCompensating } from '../../src/domain/status.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import {
  recordProfileDeleted,
  recordStrayProfileDeleted,
  MAX_STRAYS,
  strayProfilesBefore,
} from '../../src/ledger/registrations/profile.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { stepDone, type StepUpdates } from '../../src/ledger/work/steps.ts';
import type { GraceWait } from '../contract.ts';
import type { StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { profileFailure, profileOwnerOf, profilesOf, type ProfileContext } from './profile-call.ts';

/** Less than an attempt has, so that one deletion without an answer leaves time to create the profile. */
const STRAYS_WITHIN_MS = 1000;

/**
 * Compensation of createProfile: takes the profile of a compensating row back. Safe to repeat: gone is
 * done.
 * @returns when to delete again; null when it is gone, or was decided otherwise
 * @throws StepFailure, always worth another try
 */
export async function deleteProfile(ctx: StepContext, id: string): Promise<GraceWait | null> {
  const row = await readRow(ctx.db, id);
  if (!isCompensating(row.status)) return null;
  const attempts = attemptsWith(row.steps['deleteProfile'], ctx.attempt);
  return await takeBack(ctx, row, { deleteProfile: stepDone(attempts) });
}

/** The row of a completed registration, where the profile service has to be told that its person is
 * deleted. `user.deleted` tells one that listens to events, and there may be none any more. */
async function rowToTell(ctx: StepContext, registrationId: string): Promise<Registration | null> {
  if (ctx.profiles?.learnsOfDeletionBy !== 'call') return null;
  const row = await readRow(ctx.db, registrationId);
  return mayHaveProfile(row) ? row : null;
}

export async function mustTellOfDeletion(
  ctx: StepContext,
  registrationId: string,
): Promise<boolean> {
  return (await rowToTell(ctx, registrationId)) !== null;
}

/**
 * Tells the profile service of a completed registration that its person is deleted. Safe to repeat.
 * @throws StepFailure, always worth another try
 */
export async function deleteProfileOf(ctx: StepContext, registrationId: string): Promise<void> {
  const row = await rowToTell(ctx, registrationId);
  const wait = row && (await takeBack(ctx, row));
  // A create that was never answered: its registration completed less than the grace ago.
  if (wait) throw new StepFailure('profile_unavailable', Math.max(1, wait.graceMs));
}

/** How long a create without a reply may still land. */
function openForMs({ graceMs }: ProfileContext, row: Registration): number {
  return (row.profileUnansweredAt?.getTime() ?? 0) + graceMs - nowOf(row);
}

/** While a create without a reply may still land, the deletion is repeated after its grace. */
async function takeBack(
  ctx: StepContext,
  row: Registration,
  steps: StepUpdates = {},
): Promise<GraceWait | null> {
  if (!mayHaveProfile(row)) return null;
  const openMs = openForMs(ctx, row);
  const deletion = await callDelete(ctx, row);
  if (deletion === 'final_after_grace' && openMs > 0) return { graceMs: Math.ceil(openMs) };
  return (await recordProfileDeleted(ctx.db, row, steps)) ? null : { graceMs: 0 };
}

/**
 * Deletes profiles of closed registrations that hold the address or the username of this one: replies
 * came after they were closed, or their users are gone. One that cannot be deleted must not keep everybody
 * else from a profile. Safe to repeat.
 * @returns whether some may be left
 * @throws DatabaseError
 */
export async function deleteStrayProfiles(ctx: StepContext, row: Registration): Promise<boolean> {
  const strays = await strayProfilesBefore(ctx.db, row);
  if (strays.length === 0) return false;
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(STRAYS_WITHIN_MS)]);
  const results = await Promise.allSettled(
    strays.map((stray) => deleteStrayProfile({ ...ctx, signal }, stray)),
  );
  for (const result of results) {
    if (result.status === 'rejected' && !(result.reason instanceof StepFailure)) {
      throw result.reason;
    }
  }
  return strays.length === MAX_STRAYS || results.some(({ status }) => status === 'rejected');
}

/**
 * Deletes the profile that a closed registration left. Safe to repeat: gone is done.
 * @returns whether it is gone for good; a create without a reply may still land
 * @throws StepFailure, DatabaseError
 */
export async function deleteStrayProfile(ctx: ProfileContext, row: Registration): Promise<boolean> {
  ctx.log.warn({ registrationId: row.id, status: row.status }, 'deleting a stray profile');
  const openMs = openForMs(ctx, row);
  const deletion = await callDelete(ctx, row);
  if (deletion === 'final_after_grace' && openMs > 0) return false;
  await recordStrayProfileDeleted(ctx.db, row);
  return true;
}

async function callDelete(ctx: ProfileContext, row: Registration): Promise<ProfileDeletion> {
  try {
    return await profilesOf(ctx).delete(profileOwnerOf(row), ctx.signal);
  } catch (error) {
    throw profileFailure(ctx, row, error);
  }
}
