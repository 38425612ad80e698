import {
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import type {
  RegistrationActivities,
  RegistrationRef,
  RunView,
  StepFailureReport,
} from '../activities/contract.ts';
import type { FailureName } from '../src/domain/failure.ts';
import { isCompensating } from '../src/domain/status.ts';
import { budgeted, SLOW, UNENDING } from './activity-options.ts';
import { inTurn } from './quota.ts';
import { reportOf } from './step-error.ts';
import { step } from './steps.ts';
import { showStatus, type Wake } from './wake.ts';

const row = proxyActivities<RegistrationActivities>(UNENDING);

export interface Cause {
  readonly failure: FailureName;
  readonly failed: readonly StepFailureReport[];
}

/**
 * Takes back what the run did: shielded from cancel, and never swallowed. The row decides whether it
 * happens at all; the returned view may say that it completed before.
 */
export async function compensate(ref: RegistrationRef, cause: Cause, wake: Wake): Promise<RunView> {
  return await CancellationScope.nonCancellable(async () => {
    const run = await row.beginCompensation({ ...ref, ...cause });
    if (!isCompensating(run.status)) return run;
    showStatus(run.status);
    const failed =
      run.status === 'compensating'
        ? await deleteWithin(ref, run.retry.compensationAttempts)
        : null;
    if (failed) showStatus((await row.requireCleanup({ ...ref, failed })).status);
    if (failed || run.status === 'cleanup_required') await deleteWithoutEnd(ref, wake);
    return await row.close(ref);
  });
}

async function deleteWithin(
  ref: RegistrationRef,
  attempts: number,
): Promise<StepFailureReport | null> {
  try {
    await inTurn(attempts, (left, from) =>
      step(budgeted(left), 'deleteUser').deleteUser({ ...ref, ...from }),
    );
    return null;
  } catch (error) {
    return reportOf('deleteUser', error);
  }
}

/** Every 60 s until it is done; an operator's retry starts it anew at once. */
async function deleteWithoutEnd(ref: RegistrationRef, wake: Wake): Promise<void> {
  for (;;) {
    const round = new CancellationScope();
    const deleted = round.run(async () => {
      try {
        await step(SLOW, 'deleteUser').deleteUser(ref);
        return true;
      } catch (error) {
        // An attempt in flight that fails after the retry arrives as an ordinary failure.
        if (isCancellation(error) || round.consideredCancelled) return false;
        throw error;
      }
    });
    await Promise.race([deleted, round.run(() => woken(wake))]);
    round.cancel();
    if (await deleted) return;
    wake.by = null;
    await row.takeWish(ref);
  }
}

async function woken(wake: Wake): Promise<void> {
  try {
    await condition(() => wake.by === 'operator');
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}
