import type { Registration } from '../../src/domain/registration.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import {
  recordGroups,
  recordRemovalAttempt,
  recordRoleRemoved,
  recordRolesAssigned,
} from '../../src/ledger/registrations/roles.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { stepDone } from '../../src/ledger/work/steps.ts';
import type { GraceWait } from '../contract.ts';
import { hiddenOrVanished, usernameOf } from './created-user.ts';
import { owesConfirmation } from './registration-progress.ts';
import { mayAct, stepFailure, verdictOn, type StepContext } from '../step-context.ts';

/** Step assignRole. Safe to repeat: adding a user to a group it is in changes nothing. */
export async function assignRole(ctx: StepContext, id: string, role: string): Promise<void> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || !row.roles.includes(role) || row.rolesAssigned.includes(role)) return;
  await addRole(ctx, row, role);
  const step = `assignRole:${role}`;
  const attempts = attemptsWith(row.steps[step], ctx.attempt);
  await recordRolesAssigned(ctx.db, id, [role], { [step]: stepDone(attempts) });
}

/** Step removeRole, for a role that was wanted once and is not any more. Safe to repeat: removing a
 * user from a group it is not in changes nothing. */
export async function removeRole(ctx: StepContext, id: string, role: string): Promise<void> {
  const row = await readRow(ctx.db, id);
  const left = row.rolesTouched.includes(role) && !row.rolesRemoved.includes(role);
  if (!mayAct(row) || row.roles.includes(role) || !left) return;
  await ctx.acquireQuota('update');
  await recordRemovalAttempt(ctx.db, id, role);
  try {
    await ctx.provider.removeRole(usernameOf(row), role, ctx.signal);
  } catch (error) {
    await giveVerdict(ctx, 'removeRole', row, error);
  }
  const step = `removeRole:${role}`;
  const attempts = attemptsWith(row.steps[step], ctx.attempt);
  await recordRoleRemoved(ctx.db, id, role, { [step]: stepDone(attempts) });
}

/**
 * After roles were replaced, an earlier write to the user's groups whose reply was lost may still land
 * and contradict what is wanted now. Once the grace after the replacement is over, the groups are read;
 * writes that they contradict are made again. Safe to repeat: it only reads.
 * @returns how long the grace still is; null when the groups were read, or need not be
 */
export async function confirmRoles(ctx: StepContext, id: string): Promise<GraceWait | null> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || !owesConfirmation(row)) return null;
  const waitMs = (row.rolesReplacedAt?.getTime() ?? 0) + ctx.graceMs - nowOf(row);
  if (waitMs > 0) return { graceMs: Math.ceil(waitMs) };
  let groups: readonly string[];
  try {
    groups = await ctx.provider.rolesOf(usernameOf(row), ctx.signal);
  } catch (error) {
    const verdict = verdictOn(ctx, 'assignRole', row, error);
    if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
    throw await hiddenOrVanished(ctx, 'assignRole', row);
  }
  await recordGroups(ctx.db, row, groups);
  return null;
}

/** The call alone; the caller records it. @throws StepFailure, QuotaSpent */
export async function addRole(ctx: StepContext, row: Registration, role: string): Promise<void> {
  await ctx.acquireQuota('update');
  try {
    await ctx.provider.addRole(usernameOf(row), role, ctx.signal);
  } catch (error) {
    await giveVerdict(ctx, 'assignRole', row, error);
  }
}

async function giveVerdict(
  ctx: StepContext,
  step: 'assignRole' | 'removeRole',
  row: Registration,
  error: unknown,
): Promise<void> {
  const verdict = verdictOn(ctx, step, row, error);
  if (verdict.kind === 'done') return;
  if (verdict.kind === 'fail') throw stepFailure(ctx, verdict.failure);
  throw await hiddenOrVanished(ctx, step, row);
}
