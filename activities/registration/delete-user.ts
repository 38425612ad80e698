import { mayHaveCreatedUser, openCreateAt } from '../../src/domain/create-attempt.ts';
import { emailOf, namesRegistration, type Registration } from '../../src/domain/registration.ts';
import { isCompensating } from '../../src/domain/status.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import { recordAbsence, recordUserDeleted } from '../../src/ledger/registrations/compensation.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { stepDone, type StepUpdates } from '../../src/ledger/work/steps.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import type { GraceWait } from '../contract.ts';
import { stepFailure, verdictOn, type StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { restoreReplaced } from './replace-account.ts';
import { deleteStrays } from './stray-users.ts';

/** Users of one address with our mark: no more creates than these can have persisted in one grace. */
const MAX_TWINS = 5;
const LAGGING_READ_MS = 2000;

/**
 * The one compensation: deletes every user with the mark of a compensating row, by the Username read
 * together with the mark. While a create may still land, the deletion is followed by a look by e-mail
 * after the grace, and only that look proves that nothing is left. Safe to repeat: gone is done.
 * @returns when to look again; null when it is proved, or was decided otherwise
 * @throws StepFailure, always worth another try
 */
export async function deleteUser(ctx: StepContext, id: string): Promise<GraceWait | null> {
  let row = await readRow(ctx.db, id);
  if (!isCompensating(row.status)) return null;
  const restoresInMs = await restoreReplaced(ctx, row);
  if (restoresInMs > 0) return { graceMs: restoresInMs };
  if (row.strayUsernames.length > 0) row = await deleteStrays(ctx, row);
  if (mayHaveCreatedUser(row)) {
    // By the recorded name first: it needs no alias to be visible.
    if (row.cognitoUsername !== null) row = await deleteOurs(ctx, row, row.cognitoUsername);
    const openAt = openCreateAt(row);
    let waitMs = openAt === null ? hiddenFor(ctx, row) : openAt + ctx.graceMs - nowOf(row);
    if (openAt !== null && waitMs > 0) row = await deleteOurs(ctx, row, emailOf(row));
    if (openAt !== null && waitMs <= 0) ({ row, waitMs } = await deleteAllOurs(ctx, row));
    if (waitMs > 0) return { graceMs: Math.ceil(waitMs) };
  }
  const steps = stepRecord(ctx, row, row.userDeletedAt !== null);
  return (await recordAbsence(ctx.db, row, steps)) ? null : { graceMs: 0 };
}

/** The user was recorded a moment ago and nobody could be found to delete: it may not be visible yet. */
function hiddenFor(ctx: StepContext, row: Registration): number {
  if (row.userDeletedAt !== null || row.userCreatedAt === null) return 0;
  return row.userCreatedAt.getTime() + ctx.graceMs - nowOf(row);
}

/** Until nobody is found under the address, or a stranger. A read may lag behind the deletion. */
async function deleteAllOurs(
  ctx: StepContext,
  row: Registration,
): Promise<{ readonly row: Registration; readonly waitMs: number }> {
  const deleted = new Set<string>();
  let known = row;
  while (deleted.size < MAX_TWINS) {
    const found = await find(ctx, known, emailOf(known));
    if (found?.mark !== known.id) return { row: known, waitMs: 0 };
    if (deleted.has(found.username)) break;
    known = await remove(ctx, known, found.username);
    deleted.add(found.username);
  }
  const sinceMs = nowOf(known) - (known.userDeletedAt?.getTime() ?? 0);
  if (sinceMs > ctx.graceMs) throw new StepFailure('not_visible_yet');
  return { row: known, waitMs: LAGGING_READ_MS };
}

async function deleteOurs(
  ctx: StepContext,
  row: Registration,
  username: string,
): Promise<Registration> {
  const found = await find(ctx, row, username);
  return found?.mark === row.id ? await remove(ctx, row, found.username) : row;
}

async function find(
  ctx: StepContext,
  row: Registration,
  username: string,
): Promise<ProviderUser | null> {
  try {
    const found = await ctx.provider.readUser(username, ctx.signal);
    if (found && found.mark !== row.id) {
      // A mark of somebody else's making may say anything.
      const mark = found.mark === null || namesRegistration(found.mark) ? found.mark : 'no id';
      ctx.log.warn(
        { registrationId: row.id, mark },
        'user was not created by this registration; not deleted',
      );
    }
    return found;
  } catch (error) {
    throw verdictAsFailure(ctx, row, error);
  }
}

async function remove(
  ctx: StepContext,
  row: Registration,
  username: string,
): Promise<Registration> {
  await ctx.acquireQuota('compensation');
  try {
    await ctx.provider.deleteUser(username, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    if (verdict.kind !== 'done') throw verdictAsFailure(ctx, row, error);
  }
  return await recordUserDeleted(ctx.db, row.id, stepRecord(ctx, row, true));
}

/** A step that found nothing to delete, and never failed, is not part of the receipt. */
function stepRecord(ctx: StepContext, row: Registration, deleted: boolean): StepUpdates {
  const known = row.steps['deleteUser'];
  if (!deleted && !known && ctx.attempt === 1) return {};
  if (known?.status === 'done') return {};
  return { deleteUser: stepDone(attemptsWith(known, ctx.attempt)) };
}

function verdictAsFailure(ctx: StepContext, row: Registration, error: unknown): StepFailure {
  const verdict = verdictOn(ctx, 'deleteUser', row, error);
  return stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
}
