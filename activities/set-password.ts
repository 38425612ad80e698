import { owesPassword, type Registration } from '../src/domain/registration.ts';
import { attemptsWith } from '../src/domain/step.ts';
import { notePasswordSet, readSealed } from '../src/ledger/password.ts';
import { SealLost } from '../src/secrets/sealing.ts';
import type { Secret } from '../src/secrets/secret.ts';
import { hiddenOrVanished, readCreated, usernameOf } from './created-user.ts';
import { mayAct, stepFailure, verdictOn, type StepContext } from './step-context.ts';
import { StepFailure } from './step-failure.ts';

/**
 * Step setPassword. Safe to repeat: the row says whether it is done, setting the same password again
 * changes nothing, and where the pool's history forbids that, the user's state says that it was set.
 * @returns the row
 * @throws StepFailure, DatabaseError
 */
export async function setPassword(ctx: StepContext, id: string): Promise<Registration> {
  // Row and seal of one moment: an earlier attempt, still on its way, may be wiping it.
  const { row, sealed } = await readSealed(ctx.db, id);
  if (!mayAct(row) || !owesPassword(row)) return row;
  const username = usernameOf(row);
  const password = open(ctx, id, sealed);
  try {
    await ctx.provider.setPassword(username, password, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'setPassword', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
    if (verdict.kind === 'ask') throw await hiddenOrVanished(ctx, 'setPassword', row);
    await refuseUnlessSet(ctx, row);
  }
  return await notePasswordSet(ctx.db, id, attemptsWith(row.steps['setPassword'], ctx.attempt));
}

function open(ctx: StepContext, id: string, sealed: Uint8Array | null): Secret {
  try {
    if (sealed) return ctx.sealing.open(sealed, id);
  } catch (error) {
    if (!(error instanceof SealLost)) throw error;
    ctx.log.error({ registrationId: id, reason: error.reason }, 'the seal does not open');
  }
  throw new StepFailure('seal_lost');
}

// Nobody but this step gives a new user a password: one that the pool has seen is ours, of an attempt
// whose reply was lost, unless the user still has the temporary one.
async function refuseUnlessSet(ctx: StepContext, row: Registration): Promise<void> {
  const user = await readCreated(ctx, 'setPassword', row);
  if (!user) throw new StepFailure('not_visible_yet');
  if (user.status !== 'CONFIRMED') throw new StepFailure('password_rejected');
}
