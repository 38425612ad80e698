import { CancellationScope } from '@temporalio/workflow';
import type {
  RegistrationRef,
  RegistrationProgress,
  StepFailureReport,
} from '../activities/contract.ts';
import type { FailureName } from '../src/domain/failure.ts';
import { isCompensating } from '../src/domain/status.ts';
import { budgeted, SLOW } from './activity-options.ts';
import { ledgerOf, step } from './proxies.ts';
import { afterGrace, withQuota } from './quota.ts';
import { reportOf } from './step-error.ts';
import { showCompensation } from './shown.ts';
import { untilOperatorWakes, type Wake } from './wake.ts';

export interface Cause {
  readonly failure: FailureName;
  readonly failed: readonly StepFailureReport[];
}

/**
 * Takes back what the run did: shielded from cancel, and never swallowed. The row decides whether it
 * happens at all; the returned view may say that it completed before.
 */
export async function compensate(
  ref: RegistrationRef,
  cause: Cause,
  wake: Wake,
): Promise<RegistrationProgress> {
  return await CancellationScope.nonCancellable(async () => {
    const ledger = ledgerOf(ref);
    let run = await ledger.beginCompensation({ ...ref, ...cause });
    // The row stays open while a user may be left: one that was recorded since is looked for again.
    while (isCompensating(run.status)) {
      showCompensation(ref, run);
      if (run.status === 'cleanup_required') {
        await deleteWithoutEnd(ref, wake);
        run = await ledger.close(ref);
        continue;
      }
      const failed = await deleteWithin(ref, run.retry.compensationAttempts);
      run = failed ? await ledger.requireCleanup({ ...ref, failed }) : await ledger.close(ref);
    }
    return run;
  });
}

async function deleteWithin(
  ref: RegistrationRef,
  attempts: number,
): Promise<StepFailureReport | null> {
  try {
    await afterGrace(() =>
      withQuota(attempts, (left, from) =>
        step(ref, budgeted(left), 'deleteUser').deleteUser({ ...ref, ...from }),
      ),
    );
    return null;
  } catch (error) {
    return reportOf('deleteUser', error);
  }
}

/** Every 60 s until it is done; an operator's retry starts it anew at once. */
async function deleteWithoutEnd(ref: RegistrationRef, wake: Wake): Promise<void> {
  const work = async () => {
    await afterGrace(() => step(ref, SLOW, 'deleteUser').deleteUser(ref));
  };
  while (!(await untilOperatorWakes(wake, work))) await ledgerOf(ref).acknowledgeInstruction(ref);
}
