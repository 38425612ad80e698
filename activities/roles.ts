import type { Registration } from '../src/domain/registration.ts';
import { attemptsWith } from '../src/domain/step.ts';
import { done, noteRoleRemoved, noteRolesAssigned, readRow } from '../src/ledger/run.ts';
import { hiddenOrVanished, usernameOf } from './created-user.ts';
import { mayAct, stepFailure, verdictOn, type StepContext } from './step-context.ts';

/** Step assignRole. Safe to repeat: adding a user to a group it is in changes nothing. */
export async function assignRole(ctx: StepContext, id: string, role: string): Promise<void> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || !row.roles.includes(role) || row.rolesAssigned.includes(role)) return;
  await addRole(ctx, row, role);
  const step = `assignRole:${role}`;
  const attempts = attemptsWith(row.steps[step], ctx.attempt);
  await noteRolesAssigned(ctx.db, id, [role], { [step]: done(attempts) });
}

/** Step removeRole, for a role that was wished once and is not any more. Safe to repeat: removing a
 * user from a group it is not in changes nothing. */
export async function removeRole(ctx: StepContext, id: string, role: string): Promise<void> {
  const row = await readRow(ctx.db, id);
  if (!mayAct(row) || row.roles.includes(role) || !row.rolesTouched.includes(role)) return;
  await ctx.turn('update');
  try {
    await ctx.provider.removeRole(usernameOf(row), role, ctx.signal);
  } catch (error) {
    await giveVerdict(ctx, 'removeRole', row, error);
  }
  const step = `removeRole:${role}`;
  const attempts = attemptsWith(row.steps[step], ctx.attempt);
  await noteRoleRemoved(ctx.db, id, role, { [step]: done(attempts) });
}

/** The call alone; the caller notes it. @throws StepFailure, QuotaSpent */
export async function addRole(ctx: StepContext, row: Registration, role: string): Promise<void> {
  await ctx.turn('update');
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
