import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  RegistrationActivities,
  RegistrationRef,
  RegistrationProgress,
} from '../activities/contract.ts';
import { isClosed, isCompensating } from '../src/domain/status.ts';
import { AT_ONCE, UNENDING } from './activity-options.ts';
import { compensate, type Cause } from './compensation.ts';
import { RESUME_SIGNAL, type ResumedBy } from './messages.ts';
import { definitiveOf, StepsFailed } from './step-error.ts';
import { changeRoles, complete, confirmRoles, createUser, setPassword } from './steps.ts';
import { showStatus, type Wake } from './wake.ts';

const atOnce = proxyLocalActivities<RegistrationActivities>(AT_ONCE);
const ledger = proxyActivities<RegistrationActivities>(UNENDING);
const resumeSignal = defineSignal<[ResumedBy]>(RESUME_SIGNAL);

/** One registration, from accepted to closed. The row decides at every turn: a first run, a reset
 * and a restart are one case. */
export async function registerUser({ registrationId }: RegistrationRef): Promise<void> {
  const ref = { registrationId };
  const wake: Wake = { by: null };
  setHandler(resumeSignal, (by) => {
    if (wake.by !== 'operator') wake.by = by;
  });

  let run: RegistrationProgress | undefined;
  try {
    run = await registerAtOnce(ref);
    if (isClosed(run.status) && run.status !== 'completed') throw alreadyClosed();
    while (!isClosed(run.status)) {
      if (isCompensating(run.status) || run.instruction === 'cancel')
        throw new CancelledFailure('row');
      if (run.instruction === 'pending') run = await ledger.acknowledgeInstruction(ref);
      run =
        run.status === 'roles_pending'
          ? await parked(ref, run, wake)
          : await forward(ref, run, wake);
    }
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    run = await compensate(ref, causeOf(error), wake);
  }
  end(run);
}

/** Every step once; when that cannot even begin, the row is asked until it answers. */
async function registerAtOnce(ref: RegistrationRef): Promise<RegistrationProgress> {
  let first;
  try {
    first = await atOnce.registerAtOnce(ref);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return await ledger.beginRegistration(ref);
  }
  const { run, stopped } = first;
  if (stopped && definitiveOf([stopped])) throw new StepsFailed([stopped]);
  return run;
}

/** What is left of the steps; when the budget is spent, the run parks. */
async function forward(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
  scheduled = false,
): Promise<RegistrationProgress> {
  const attempts = scheduled ? 1 : run.retry.attempts;
  try {
    if (!run.userCreated) {
      await createUser(ref, attempts, wake, scheduled);
      run = await ledger.beginRegistration(ref);
      const goesOn = run.status === 'running' || (scheduled && run.status === 'roles_pending');
      if (!goesOn || !run.userCreated || run.instruction === 'cancel') return run;
    }
    if (run.passwordToSet) await setPassword(ref, attempts);
    await changeRoles(ref, run, attempts);
    if (run.rolesToConfirm) await confirmRoles(ref, attempts);
    return await complete(ref, run.roles);
  } catch (error) {
    const failed = error instanceof StepsFailed && !wasCancelled() ? error.failed : [];
    if (failed.length === 0 || definitiveOf(failed)) throw error;
    return await ledger.park({ ...ref, failed, parks: run.parks });
  }
}

/** Waits for an operator or the schedule. The row stays `roles_pending` until a person wants it
 * resumed or a scheduled attempt succeeds. */
async function parked(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
): Promise<RegistrationProgress> {
  showStatus(run.status);
  if (wake.by === null && workflowInfo().continueAsNewSuggested) {
    await continueAsNew<typeof registerUser>(ref);
  }
  await condition(() => wake.by !== null);
  const scheduled = wake.by === 'schedule';
  wake.by = null;
  const woken = await ledger.acknowledgeInstruction(ref);
  if (woken.status === 'roles_pending' && scheduled && woken.instruction !== 'cancel') {
    return await forward(ref, woken, wake, true);
  }
  if (woken.status === 'running') showStatus(null);
  return woken;
}

/** A cancel decides before a failure does: an attempt in flight that fails after it arrives as an
 * ordinary failure. */
function causeOf(error: unknown): Cause {
  const failed = error instanceof StepsFailed ? error.failed : [];
  const failure = definitiveOf(failed);
  if (failure && !wasCancelled()) return { failure, failed };
  if (wasCancelled() || isCancellation(error)) return { failure: 'registration_cancelled', failed };
  throw error;
}

function end(run: RegistrationProgress): void {
  if (run.status === 'completed') return;
  if (run.status === 'cancelled' && wasCancelled()) throw new CancelledFailure('cancelled');
  const { code, detail } = run.failure ?? { code: 'registration_failed', detail: run.status };
  throw ApplicationFailure.create({ type: code, message: detail, nonRetryable: true });
}

function alreadyClosed(): ApplicationFailure {
  const message = 'The registration is closed; nothing was changed.';
  return ApplicationFailure.create({ type: 'already_closed', message, nonRetryable: true });
}

function wasCancelled(): boolean {
  return CancellationScope.current().consideredCancelled;
}
