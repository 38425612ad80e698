import { namesRegistration, type Registration } from '../src/domain/registration.ts';
import { isCompensating } from '../src/domain/status.ts';
import { noteUserDeleted } from '../src/ledger/compensation.ts';
import { attemptsWith } from '../src/domain/step.ts';
import { done, readRow } from '../src/ledger/run.ts';
import type { ProviderUser } from './cognito.ts';
import { stepFailure, verdictOn, type StepContext } from './step-context.ts';
import { StepFailure } from './step-failure.ts';

/**
 * The one compensation. Deletes the user of a compensating row, by the Username read together with
 * the mark and only when the mark is this registration's. Safe to repeat: gone is done.
 * @throws StepFailure, always worth another try
 */
export async function deleteUser(ctx: StepContext, id: string): Promise<void> {
  const row = await readRow(ctx.db, id);
  if (!isCompensating(row.status) || !mayBeThere(row)) return;
  const found = await find(ctx, row);
  if (found && found.mark !== id) {
    // A mark of somebody else's making may say anything.
    const mark = found.mark === null || namesRegistration(found.mark) ? found.mark : 'no id';
    ctx.log.warn({ registrationId: id, mark }, 'not ours: nothing deleted');
  }
  if (found && found.mark === id) {
    await remove(ctx, row, found.username);
  } else if (!row.userDeletedAt) {
    confirmAbsence(ctx, row);
  }
  const attempts = attemptsWith(row.steps['deleteUser'], ctx.attempt);
  await noteUserDeleted(ctx.db, id, { deleteUser: done(attempts) });
}

// Expired credentials must not turn every refusal into cleanup_required: where no create can have
// had an effect, Cognito is not asked.
function mayBeThere(row: Registration): boolean {
  if (!row.createAttemptedAt) return false;
  const refused = row.createOutcome === 'taken' || row.createOutcome === 'refused';
  return !refused || row.createUnansweredAt !== null;
}

async function find(ctx: StepContext, row: Registration): Promise<ProviderUser | null> {
  try {
    return await ctx.provider.readUser(row.cognitoUsername ?? row.email, ctx.signal);
  } catch (error) {
    throw verdictAsFailure(ctx, row, error);
  }
}

async function remove(ctx: StepContext, row: Registration, username: string): Promise<void> {
  await ctx.turn('compensation');
  try {
    await ctx.provider.deleteUser(username, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    if (verdict.kind !== 'done') throw verdictAsFailure(ctx, row, error);
  }
}

// A create without a reply may still land, and a fresh user may not be visible yet: within the
// grace, absence proves nothing.
function confirmAbsence(ctx: StepContext, row: Registration): void {
  const open = row.createOutcome === null ? row.createAttemptedAt : row.createUnansweredAt;
  const errored = row.createOutcome === 'errored' ? row.createAttemptedAt : null;
  const latest = Math.max(...[open, errored, row.userCreatedAt].map((at) => at?.getTime() ?? 0));
  const waitMs = latest + ctx.graceMs - Date.now();
  if (waitMs > 0) throw new StepFailure('absence_unconfirmed', waitMs);
}

function verdictAsFailure(ctx: StepContext, row: Registration, error: unknown): StepFailure {
  const verdict = verdictOn(ctx, 'deleteUser', row, error);
  return stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
}
