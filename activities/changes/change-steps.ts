import {
  changeStepsLeft,
  stepsToRepeat,
  targetOf,
  upsets,
} from '../../src/domain/change-progress.ts';
import { isOpenChange, roleOfStep, type Change } from '../../src/domain/change.ts';
import { attemptsWith, WAITING } from '../../src/domain/step.ts';
import { readChangeRow, recordChangeSteps } from '../../src/ledger/changes/transitions.ts';
import { openWritesOf, recordWrite, recordWriteAnswered } from '../../src/ledger/changes/writes.ts';
import { nowOf } from '../../src/ledger/registrations/row.ts';
import { stepDone } from '../../src/ledger/work/steps.ts';
import { mayStillLand, type ProviderStep } from '../../src/cognito/classify.ts';
import { ProviderError } from '../../src/cognito/provider-error.ts';
import type { GraceWait } from '../contract.ts';
import { hiddenOrVanished, usernameOf } from '../registration/created-user.ts';
import { stepFailure, verdictOn, type StepContext } from '../step-context.ts';
import { StepFailure } from '../step-failure.ts';
import { asked, readChanged, readPerson, type ChangedPerson } from './changed-person.ts';

/**
 * One write to the account. It is recorded before it is sent, and forgotten when it was answered: what is
 * recorded in between may land late. Safe to repeat: every write sets what may be set already, and a
 * change that was decided otherwise meanwhile sends nothing.
 * @throws StepFailure, QuotaSpent, DatabaseError
 */
export async function changeStep(ctx: StepContext, changeId: string, step: string): Promise<void> {
  const person = await readChanged(ctx, changeId);
  const { change } = person;
  if (
    !mayAct(change) ||
    !changeStepsLeft(change)
      .flat()
      .some((left) => left === step)
  )
    return;
  const quota = step === 'deleteUser' ? 'compensation' : 'update';
  await ctx.acquireQuota(quota);
  // Directly before it is gone for good: somebody may have put another user in its place.
  const gone = step === 'deleteUser' && (await readPerson(ctx, person)) === null;
  if (!gone && !(await write(ctx, person, step))) return;
  const attempts = attemptsWith(change.steps[step], ctx.attempt);
  await recordChangeSteps(ctx.db, changeId, { [step]: stepDone(attempts) });
}

/** Whether the change may write in the direction that its row says. */
function mayAct(change: Change): boolean {
  return isOpenChange(change.status) && change.begunAt !== null;
}

/** @returns false where the change was decided otherwise meanwhile, and nothing was sent */
async function write(ctx: StepContext, person: ChangedPerson, step: string): Promise<boolean> {
  const { change } = person;
  const direction = change.restoresAs === null ? 'forward' : 'restore';
  const recorded = await recordWrite(ctx.db, change.id, step, direction);
  if (!recorded) return false;
  try {
    await send(ctx, usernameOf(person.subject), step);
  } catch (error) {
    const lands = !(error instanceof ProviderError) || mayStillLand(error);
    if (!lands) await recordWriteAnswered(ctx.db, recorded);
    await unlessDone(ctx, person, step, error);
    return true;
  }
  await recordWriteAnswered(ctx.db, recorded);
  return true;
}

async function send({ provider, signal }: StepContext, username: string, step: string) {
  const role = roleOfStep(step) ?? '';
  switch (providerStepOf(step)) {
    case 'assignRole':
      return await provider.addRole(username, role, signal);
    case 'removeRole':
      return await provider.removeRole(username, role, signal);
    case 'disableUser':
      return await provider.disableUser(username, signal);
    case 'enableUser':
      return await provider.enableUser(username, signal);
    case 'signOut':
      return await provider.endSessions(username, signal);
    case 'deleteUser':
      return await provider.deleteUser(username, signal);
    default:
      throw new StepFailure('unknown_error');
  }
}

/** As the failures of Cognito are classified. */
function providerStepOf(step: string): ProviderStep {
  const [name] = step.split(':', 1);
  return name as ProviderStep;
}

/** @throws StepFailure unless nothing remains to be done */
async function unlessDone(
  ctx: StepContext,
  { change, subject }: ChangedPerson,
  step: string,
  error: unknown,
): Promise<void> {
  const provider = providerStepOf(step);
  const verdict = verdictOn(ctx, provider, subject, error);
  if (verdict.kind === 'done') return;
  const failure =
    verdict.kind === 'fail'
      ? stepFailure(ctx, verdict.failure)
      : await hiddenOrVanished(ctx, provider, subject);
  if (isPointless(change, failure.failure)) return;
  throw failure;
}

/** Somebody who is gone has nothing to be put back, and needs no more to be disabled before a deletion;
 * a group that is gone can be given back to nobody. */
function isPointless({ kind, restoresAs }: Change, failure: StepFailure['failure']): boolean {
  if (failure === 'user_vanished') return restoresAs !== null || kind === 'delete';
  return failure === 'role_missing' && restoresAs !== null;
}

/**
 * Before a change ends: a write without an answer, of this change or of an earlier one, may land late and
 * upset what the change has made of the account. Once none can land any more, the account is read, and
 * steps whose effect is not there are left again. Safe to repeat: it only reads.
 * @returns how long such a write may still land; else the change as it is
 */
export async function confirmChange(
  ctx: StepContext,
  changeId: string,
): Promise<GraceWait | { readonly change: Change }> {
  const person = await readChanged(ctx, changeId);
  const { change } = person;
  const begunMs = change.begunAt?.getTime();
  if (!mayAct(change) || begunMs === undefined) return { change };
  const target = targetOf(change);
  // Also what may have landed since the change began: it read the account then.
  const sinceBegunMs = Math.max(0, nowOf(change) - begunMs);
  const seconds = (ctx.graceMs + sinceBegunMs) / 1000;
  const late = (await openWritesOf(ctx.db, change.userId, seconds)).filter(({ step }) =>
    upsets(target, step),
  );
  if (late.length === 0) return { change };
  const leftMs = Math.max(...late.map((open) => open.leftMs)) - sinceBegunMs;
  if (leftMs > 0) return { graceMs: Math.ceil(leftMs) };
  const user = await readPerson(ctx, person);
  if (!user && change.restoresAs === null) throw new StepFailure('user_vanished');
  if (!user) return { change };
  const roles = target.roles
    ? await asked(ctx, 'readUser', person.subject, (signal) =>
        ctx.provider.rolesOf(usernameOf(person.subject), signal),
      )
    : [];
  const again = stepsToRepeat(
    target,
    late.map(({ step }) => step),
    { roles, enabled: user.enabled },
  );
  if (again.length === 0) return { change };
  ctx.log.warn({ registrationId: person.subject.id, changeId, again }, 'a write landed late');
  const records = again.map((step) => [step, { ...(change.steps[step] ?? WAITING), ...AGAIN }]);
  await recordChangeSteps(ctx.db, changeId, Object.fromEntries(records));
  return { change: await readChangeRow(ctx.db, changeId) };
}

const AGAIN = { status: 'waiting', attempts: 0 } as const;
