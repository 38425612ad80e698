import { CancellationScope } from '@temporalio/workflow';
import type {
  GraceWait,
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
    // The row stays open while a user or a profile may be left: one that was recorded since is looked for again.
    while (isCompensating(run.status)) {
      showCompensation(ref, run);
      if (run.status === 'cleanup_required') {
        await takeBackWithoutEnd(ref, run, wake);
        run = await ledger.close(ref);
        continue;
      }
      const failed = await takeBackWithin(ref, run);
      run =
        failed.length > 0
          ? await ledger.requireCleanup({ ...ref, failed })
          : await ledger.close(ref);
    }
    return run;
  });
}

type Compensation = 'deleteProfile' | 'deleteUser';

/** What is to be taken back, the latest first. */
function dueOf({ profileToDelete }: RegistrationProgress): Compensation[] {
  return profileToDelete ? ['deleteProfile', 'deleteUser'] : ['deleteUser'];
}

/** One after the other, past failures. */
async function takeBackWithin(
  ref: RegistrationRef,
  run: RegistrationProgress,
): Promise<StepFailureReport[]> {
  const attempts = run.retry.compensationAttempts;
  const calls: Record<Compensation, () => Promise<GraceWait | null>> = {
    deleteProfile: () => step(ref, budgeted(attempts), 'deleteProfile').deleteProfile(ref),
    deleteUser: () =>
      withQuota(attempts, (left, from) =>
        step(ref, budgeted(left), 'deleteUser').deleteUser({ ...ref, ...from }),
      ),
  };
  const failed: StepFailureReport[] = [];
  for (const name of dueOf(run)) {
    try {
      await afterGrace(calls[name]);
    } catch (error) {
      failed.push(reportOf(name, error));
    }
  }
  return failed;
}

/** Every 60 s until all is done; an operator's retry starts it anew at once. */
async function takeBackWithoutEnd(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
): Promise<void> {
  const calls: Record<Compensation, () => Promise<object | null>> = {
    deleteProfile: () => step(ref, SLOW, 'deleteProfile').deleteProfile(ref),
    deleteUser: () => step(ref, SLOW, 'deleteUser').deleteUser(ref),
  };
  const work = async () => {
    // All at once: one may fail for days. All are settled before a retry begins.
    const results = await Promise.allSettled(dueOf(run).map((name) => afterGrace(calls[name])));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
  while (!(await untilOperatorWakes(wake, work))) await ledgerOf(ref).acknowledgeInstruction(ref);
}
