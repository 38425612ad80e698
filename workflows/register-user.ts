import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  RegistrationActivities,
  RegistrationRef,
  RegistrationProgress,
} from '../activities/contract.ts';
import { performSaga } from '../src/domain/saga.ts';
import { isClosed, isCompensating } from '../src/domain/status.ts';
import { AT_ONCE } from './activity-options.ts';
import { compensate, type Cause } from './compensation.ts';
import { RESUME_SIGNAL, type ResumedBy } from './messages.ts';
import { ledgerOf } from './proxies.ts';
import { definitiveOf, StepsFailed } from './step-error.ts';
import {
  assignRoles,
  complete,
  confirmRoles,
  createProfile,
  createUser,
  removeRoles,
  setPassword,
} from './steps.ts';
import {
  showClosedAlready,
  showNothing,
  showParked,
  showStatus,
  showStatusSince,
} from './shown.ts';
import type { Wake } from './wake.ts';

/*
 * The saga of one registration. Boxes are statuses of the row in the ledger; the order of the steps
 * is in src/domain/saga.ts, which both paths use.
 *
 *   POST ──► accepted
 *               │ registerAtOnce: one local activity, one attempt of each step (fast path)
 *               ▼
 *            running ── createUser ─ setPassword ─ createProfile ─ removeRoles ─ assignRoles ─ confirmRoles ─ complete ──► completed
 *               │  ▲                (continueSteps: what is left, as ordinary activities with retries)
 *  attempts used│  │retry by an operator, or a scheduled attempt that succeeds
 *               ▼  │
 *          roles_pending (parked)
 *               │
 *   definitive failure or cancel, from accepted, running or roles_pending
 *               ▼
 *          compensating ── deleteProfile ─ deleteUser, then proof that neither is left ──► failed | cancelled
 *               │  ▲
 *  attempts used▼  │retry by an operator, or an attempt every 60 s
 *         cleanup_required
 *
 * createUser does not park after its budget: it retries every 60 s, because only Cognito knows whether
 * the user exists. Only a user that exists but cannot be read parks.
 */
const atOnce = proxyLocalActivities<RegistrationActivities>(AT_ONCE);
const resumeSignal = defineSignal<[ResumedBy]>(RESUME_SIGNAL);

/**
 * One registration, from `accepted` to closed. The row in the ledger decides what is left to do: a
 * first run, a run after a Reset and a run that the sweep started are the same case.
 */
export async function registerUser(started: RegistrationRef): Promise<void> {
  const asked = { registrationId: started.registrationId };
  // Until a person asks for something.
  let ref = started;
  const wake: Wake = { by: null, hasWaited: false };
  setHandler(resumeSignal, (by) => {
    if (wake.by !== 'operator') wake.by = by;
    if (by === 'operator') ref = asked;
  });

  let run: RegistrationProgress | undefined;
  try {
    run = await registerAtOnce(ref);
    if (isClosed(run.status) && run.status !== 'completed') {
      showClosedAlready(ref, run);
      throw alreadyClosed();
    }
    while (!isClosed(run.status)) {
      if (run.instruction === 'cancel' || run.instruction === 'pending') ref = asked;
      if (isCompensating(run.status) || run.instruction === 'cancel')
        throw new CancelledFailure('the row asks for a cancel, or is compensating');
      if (run.instruction === 'pending') run = await ledgerOf(ref).acknowledgeInstruction(ref);
      run =
        run.status === 'roles_pending'
          ? await waitWhileParked(ref, run, wake)
          : await continueSteps(ref, run, wake);
    }
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    run = await compensate(wasCancelled() ? asked : ref, causeOf(error), wake);
  }
  showEnding(run, wake);
  throwUnlessCompleted(run);
}

/** A run that is over waits for nothing; one that completed ends with no code. */
function showEnding(run: RegistrationProgress, wake: Wake): void {
  showNothing();
  if (run.status === 'completed' && wake.hasWaited) showStatusSince('clears-shown', null, null);
}

/** Tries every step once. When the local activity fails, reads the row until the database answers. */
async function registerAtOnce(ref: RegistrationRef): Promise<RegistrationProgress> {
  let first;
  try {
    first = await atOnce.registerAtOnce(ref);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return await ledgerOf(ref).beginRegistration(ref);
  }
  const { run, stopped } = first;
  if (stopped && definitiveOf([stopped])) throw new StepsFailed([stopped]);
  return run;
}

/** The steps that are left, as ordinary activities. When their budget is spent, the run parks. */
async function continueSteps(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
  scheduled = false,
): Promise<RegistrationProgress> {
  const attempts = scheduled ? 1 : run.retry.attempts;
  const goOn = async (known: RegistrationProgress) => await Promise.resolve({ known, stop: false });
  try {
    return await performSaga<RegistrationProgress>(run, (known) => known, {
      async createUser() {
        await createUser(ref, run, wake, { attempts, scheduled });
        // Also reads the row again.
        const known = await ledgerOf(ref).beginRegistration(ref);
        const goesOn =
          known.status === 'running' || (scheduled && known.status === 'roles_pending');
        return { known, stop: !goesOn || !known.userCreated || known.instruction === 'cancel' };
      },
      async setPassword(known) {
        await setPassword(ref, attempts);
        return await goOn(known);
      },
      async createProfile(known) {
        await createProfile(ref, attempts);
        return await goOn(known);
      },
      async removeRoles(known) {
        await removeRoles(ref, known.rolesToRemove, attempts);
        return await goOn(known);
      },
      async assignRoles(known) {
        await assignRoles(ref, known.rolesToAssign, attempts);
        return await goOn(known);
      },
      async confirmRoles(known) {
        await confirmRoles(ref, attempts);
        return await goOn(known);
      },
      async complete({ roles }) {
        return await goOn(await complete(ref, roles));
      },
    });
  } catch (error) {
    const failed = error instanceof StepsFailed && !wasCancelled() ? error.failed : [];
    if (failed.length === 0 || definitiveOf(failed)) throw error;
    return await ledgerOf(ref).park({ ...ref, failed, parks: run.parks });
  }
}

/** Waits for an operator or the schedule. The row stays `roles_pending` until a person wants it
 * resumed or a scheduled attempt succeeds. */
async function waitWhileParked(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
): Promise<RegistrationProgress> {
  wake.hasWaited = true;
  showParked(ref, run);
  if (wake.by === null && workflowInfo().continueAsNewSuggested) {
    await continueAsNew<typeof registerUser>(ref);
  }
  await condition(() => wake.by !== null);
  const scheduled = wake.by === 'schedule';
  wake.by = null;
  const woken = await ledgerOf(ref).acknowledgeInstruction(ref);
  if (woken.status === 'roles_pending' && scheduled && woken.instruction !== 'cancel') {
    return await continueSteps({ ...ref, background: true }, woken, wake, true);
  }
  if (woken.status === 'running') {
    showStatus(null, null);
    showNothing();
  }
  return woken;
}

/** A cancel has priority over a failure: an attempt in flight that fails after it arrives as an
 * ordinary failure. */
function causeOf(error: unknown): Cause {
  const failed = error instanceof StepsFailed ? error.failed : [];
  const failure = definitiveOf(failed);
  if (failure && !wasCancelled()) return { failure, failed };
  if (wasCancelled() || isCancellation(error)) return { failure: 'registration_cancelled', failed };
  throw error;
}

function throwUnlessCompleted(run: RegistrationProgress): void {
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
