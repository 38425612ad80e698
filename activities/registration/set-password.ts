import { owesPassword, type Registration } from '../../src/domain/registration.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import { recordPasswordSet, readSealed } from '../../src/ledger/registrations/password.ts';
import { SealLost } from '../../src/secrets/sealing.ts';
import type { Secret } from '../../src/secrets/secret.ts';
import { mailFirstCode } from './first-code.ts';
import { hiddenOrVanished, readCreated, usernameOf } from './created-user.ts';
import {
  mayAct,
  stepFailure,
  verdictOn,
  type PasswordContext,
  type StepContext,
} from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';

/**
 * Step setPassword. Safe to repeat: the row says whether it is done, setting the same password again
 * changes nothing, and where the pool's history forbids that, or the seal is lost, the user's state
 * says that it was set.
 * @returns the row
 * @throws StepFailure, DatabaseError
 */
export async function setPassword(ctx: PasswordContext, id: string): Promise<Registration> {
  // Row and seal of one moment: an earlier attempt, still on its way, may be wiping it.
  const { row, sealed } = await readSealed(ctx.db, id);
  if (!mayAct(row) || !owesPassword(row)) return row;
  const password = open(ctx, id, sealed);
  if (password) {
    await set(ctx, row, password);
    // Before the seal is wiped: a process that dies here leaves the step, and so the code, to be repeated.
    if (row.mailsCode) await mailFirstCode(ctx, row, password);
  }
  // The seal is gone. That is fine where an earlier attempt set the password.
  else if (!(await wasSet(ctx, row))) throw new StepFailure('seal_lost');
  return await recordPasswordSet(ctx.db, id, attemptsWith(row.steps['setPassword'], ctx.attempt));
}

/** null: the seal is lost. */
function open(ctx: PasswordContext, id: string, sealed: Uint8Array | null): Secret | null {
  try {
    return sealed && ctx.sealing.open(sealed, id);
  } catch (error) {
    if (!(error instanceof SealLost)) throw error;
    ctx.log.error({ registrationId: id, reason: error.reason }, 'the password cannot be decrypted');
    return null;
  }
}

async function set(ctx: StepContext, row: Registration, password: Secret): Promise<void> {
  try {
    await ctx.provider.setPassword(usernameOf(row), password, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'setPassword', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
    if (verdict.kind === 'ask') throw await hiddenOrVanished(ctx, 'setPassword', row);
    const there = await wasSet(ctx, row);
    if (there === null) throw new StepFailure('not_visible_yet');
    if (!there) throw new StepFailure('password_rejected');
  }
}

// Nobody but this step gives a new user a password: one that the pool has seen is ours, of an attempt
// whose reply was lost, unless the user still has the temporary one. null: the user is not visible.
async function wasSet(ctx: StepContext, row: Registration): Promise<boolean | null> {
  const user = await readCreated(ctx, 'setPassword', row);
  return user && user.status !== 'FORCE_CHANGE_PASSWORD';
}
