import type { ProviderStep } from '../../src/cognito/classify.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import { stepFailure, verdictOn, type StepContext, type StepSubject } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';

/** Cognito's name of the user that the row noted. */
export function usernameOf(row: Pick<StepSubject, 'cognitoUsername'>): string {
  // The saga's later steps begin only after the row noted the user.
  if (!row.cognitoUsername) throw new StepFailure('not_visible_yet');
  return row.cognitoUsername;
}

/** The user as the pool has it; null: not there, or not visible yet. @throws StepFailure */
export async function readCreated(
  ctx: StepContext,
  step: ProviderStep,
  row: StepSubject,
): Promise<ProviderUser | null> {
  try {
    return await ctx.provider.readUser(usernameOf(row), ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, step, row, error);
    throw stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
  }
}

/** What a 404 means once the grace is spent: there, but not for this operation, waits parked and not
 * in a loop; not there at all is definitive. */
export async function hiddenOrVanished(
  ctx: StepContext,
  step: ProviderStep,
  row: StepSubject,
): Promise<StepFailure> {
  return (await readCreated(ctx, step, row))
    ? new StepFailure('not_visible_parked')
    : new StepFailure('user_vanished');
}
