import { isProved } from '../../src/domain/email.ts';
import { emailOf, type Registration } from '../../src/domain/registration.ts';
import {
  decideDeletion,
  readReplaced,
  recordDisabling,
  recordEnabling,
  recordReplacedDeleted,
  recordReplacedKept,
  recordReplacementAnswered,
} from '../../src/ledger/registrations/replacement.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import type { Quota } from '../../src/ledger/quota.ts';
import type { ProviderUser } from '../../src/cognito/adapter.ts';
import { stepFailure, verdictOn, type StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';

/** What came of an attempt to replace an account: the row goes on, the address was proved, or a write
 * without a reply has to be waited for. */
export type Replaced =
  | { readonly kind: 'deleted' | 'proved' | 'overtaken'; readonly row: Registration }
  | { readonly kind: 'wait'; readonly waitMs: number };

/**
 * Deletes the account of the unverified sign-up that a registration replaces, before its own user is
 * created. The account is disabled first: Cognito refuses a code of a disabled user, so nobody can prove
 * the address between the read that decides and the deletion. Safe to repeat at every point.
 * @throws StepFailure, QuotaSpent, DatabaseError
 */
export async function replaceAccount(ctx: StepContext, row: Registration): Promise<Replaced> {
  const old = await readReplaced(ctx.db, row);
  const username = old.cognitoUsername ?? '';
  if (row.replacement === 'requested' || row.replacement === 'disabling') {
    const user = await read(ctx, row, username);
    if (!user && isYoung(ctx, old)) throw new StepFailure('not_visible_yet');
    if (user) {
      // Somebody gave it another mark, so that it is not the sign-up's any more.
      if (user.mark !== old.id) return await keep(ctx, row, username);
      await ctx.acquireQuota('update');
      const disabling = await recordDisabling(ctx.db, row.id, user.enabled);
      if (!disabling) return { kind: 'overtaken', row: await readRow(ctx.db, row.id) };
      await send(ctx, row, (signal) => ctx.provider.disableUser(username, signal));
      await recordReplacementAnswered(ctx.db, row, disabling);
      const disabled = await read(ctx, row, username);
      const { replacementOpenAt } = row;
      if (disabled && isProved(disabled, emailOf(row))) {
        return await keep(ctx, { ...disabling, replacementOpenAt }, username);
      }
    }
    const decision = await decideDeletion(ctx.db, row);
    if (decision === 'overtaken') return { kind: decision, row: await readRow(ctx.db, row.id) };
    if (decision === 'proved') return await keep(ctx, await readRow(ctx.db, row.id), username);
  }
  return { kind: 'deleted', row: await deleteReplaced(ctx, row, username, 'update') };
}

/**
 * Compensation: the replaced account is as it was, or, once that was decided, gone.
 * @returns how long to wait first, for a write without a reply
 */
export async function restoreReplaced(ctx: StepContext, row: Registration): Promise<number> {
  if (row.replacement !== 'disabling' && row.replacement !== 'deleting') return 0;
  const { cognitoUsername } = await readReplaced(ctx.db, row);
  const username = cognitoUsername ?? '';
  if (row.replacement === 'deleting') {
    await deleteReplaced(ctx, row, username, 'compensation');
    return 0;
  }
  const kept = await keep(ctx, row, username);
  return kept.kind === 'wait' ? kept.waitMs : 0;
}

/** Enables the account again where it was enabled before. */
async function keep(ctx: StepContext, row: Registration, username: string): Promise<Replaced> {
  const openAt = row.replacementOpenAt?.getTime();
  const waitMs = openAt === undefined ? 0 : openAt + ctx.graceMs - nowOf(row);
  // The account may be disabled after it was enabled, or enabled after the next one disabled it.
  if (waitMs > 0) return { kind: 'wait', waitMs: Math.ceil(waitMs) };
  let last = row;
  if (row.replacedWasEnabled) {
    await ctx.acquireQuota('compensation');
    last = unlessOvertaken(await recordEnabling(ctx.db, row.id, row.replacementOpenAt));
    await send(ctx, row, (signal) => ctx.provider.enableUser(username, signal));
  }
  const kept = unlessOvertaken(await recordReplacedKept(ctx.db, row.id, last.replacementOpenAt));
  return { kind: 'proved', row: kept };
}

/** Another attempt may have written to the account since: the next one looks again. */
function unlessOvertaken(row: Registration | null): Registration {
  if (!row) throw new StepFailure('not_visible_yet');
  return row;
}

async function deleteReplaced(
  ctx: StepContext,
  row: Registration,
  username: string,
  quota: Quota,
): Promise<Registration> {
  ctx.log.warn(
    { registrationId: row.id, replaces: row.replaces },
    'deleting the account of an unverified sign-up',
  );
  await ctx.acquireQuota(quota);
  await send(ctx, row, (signal) => ctx.provider.deleteUser(username, signal));
  return await recordReplacedDeleted(ctx.db, row);
}

/** A user who is gone needs no write. */
async function send(
  ctx: StepContext,
  row: Registration,
  call: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    await call(ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
  }
}

async function read(
  ctx: StepContext,
  row: Registration,
  username: string,
): Promise<ProviderUser | null> {
  try {
    return await ctx.provider.readUser(username, ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'deleteUser', row, error);
    throw stepFailure(ctx, verdict.kind === 'fail' ? verdict.failure : 'unknown_error');
  }
}

function isYoung(ctx: StepContext, { userCreatedAt, ...row }: Registration): boolean {
  return userCreatedAt !== null && nowOf(row) - userCreatedAt.getTime() < ctx.graceMs;
}
