import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChangeProgress, UserRef } from '../activities/contract.ts';
import type { FailureName } from '../src/domain/failure.ts';
import type { WakeReason } from '../src/domain/runs.ts';
import { changesOf, performSteps } from './change-steps.ts';
import { CHANGE_MEMO, WAKE_SIGNAL } from './messages.ts';
import { definitiveOf, StepsFailed } from './step-error.ts';
import { showNothing, showParkedChange, showStatus, showStatusSince } from './shown.ts';
import { unlessStopped } from './wake.ts';

/*
 * The changes of one person, one after the other. Boxes are statuses of a change in the ledger.
 *
 *   POST ──► accepted ──► nextChange: the one that goes first (src/ledger/changes/transitions.ts)
 *               │ beginChange: reads the account, plans against it, asks for the last administrator
 *               ▼
 *            running ── the steps that are left ── confirmChange ── completeChange ──► completed
 *             │ ▲ │     (src/domain/change-progress.ts; repeated where a late write upset them)
 *   attempts  │ │ │ retry by an operator, or a scheduled attempt that succeeds
 *   used      ▼ │ │
 *            parked
 *               │ definitive failure or cancel, from running or parked
 *               ▼
 *            running, or parked, with restores_as: the same steps, towards what was there before
 *               └── confirmChange ── closeChange ──► failed | cancelled
 *
 * Whatever wakes the run, it asks the ledger again which change goes first: a disable, sign-out or deletion
 * overtakes changes of roles, also those that are parked or being put back.
 */
const wakeSignal = defineSignal<[WakeReason, 'background'?]>(WAKE_SIGNAL);

/** What a run was told since it last asked the ledger. One object per run: workflow code keeps no
 * module state. */
interface Told {
  woken: boolean;
  interrupted: boolean;
  scheduled: boolean;
  /** Temporal's Cancel: of this change, or of the one that goes first. */
  cancels: { readonly changeId: string | null } | null;
}

/** The change that is being performed, and what the UI shows of it. */
interface Shown {
  changeId: string | null;
  isParked: boolean;
}

/**
 * Performs the open changes of a person until none is left. The rows in the ledger decide what is left to
 * do: a first run, a run after a Reset or a Terminate and a run that the sweep started are the same case.
 */
export async function changeUser(started: UserRef): Promise<void> {
  const asked = { userId: started.userId };
  // Until a person asks for something.
  let ref = started;
  const told: Told = { woken: false, interrupted: false, scheduled: false, cancels: null };
  // A run inherits what its predecessor showed.
  const shown: Shown = {
    changeId: null,
    isParked: workflowInfo().continuedFromExecutionRunId !== undefined,
  };
  setHandler(wakeSignal, (why, how) => {
    told.woken = true;
    if (why === 'interrupt') told.interrupted = true;
    if (why === 'schedule') told.scheduled = true;
    else if (how !== 'background') ref = asked;
  });
  CancellationScope.current().cancelRequested.catch(() => {
    told.cancels = { changeId: shown.changeId };
    told.interrupted = true;
    ref = asked;
  });
  await CancellationScope.nonCancellable(() => performChanges(() => ref, told, shown));
}

async function performChanges(refOf: () => UserRef, told: Told, shown: Shown): Promise<void> {
  for (;;) {
    // The next run asks the ledger anyway, but nobody tells it of these again.
    if (workflowInfo().continueAsNewSuggested && !told.cancels && !told.scheduled) {
      await continueAsNew<typeof changeUser>(refOf());
    }
    const scheduled = told.scheduled;
    told.woken = told.interrupted = told.scheduled = false;
    const ref = refOf();
    const change = await changesOf(ref).nextChange(ref);
    if (told.cancels) {
      // Another change may go first by now: what was under way is what is cancelled.
      const changeId = told.cancels.changeId ?? change?.changeId;
      told.cancels = null;
      if (changeId !== undefined) await changesOf(ref).cancelChange({ ...ref, changeId });
    } else if (!change) {
      // Woken meanwhile: a change may have been accepted after the ledger was asked.
      if (!told.woken) return showEnding(shown);
    } else if (!told.interrupted) {
      show(shown, change);
      if (change.status !== 'parked') await perform(ref, change, told, change.retry.attempts);
      else if (scheduled) await perform({ ...ref, background: true }, change, told, 1);
      else await condition(() => told.woken || told.interrupted);
    }
  }
}

/** Performs a change until it ends, parks, or is to be put back, or until the run is interrupted. */
async function perform(
  user: UserRef,
  change: ChangeProgress,
  told: Told,
  attempts: number,
): Promise<void> {
  const ref = { ...user, changeId: change.changeId };
  try {
    await unlessStopped(
      () => told.interrupted,
      () => performSteps(ref, change, attempts),
    );
  } catch (error) {
    if (!(error instanceof StepsFailed)) throw error;
    // What was asked for meanwhile decides before the failure does.
    if (told.interrupted) return;
    const { failed } = error;
    const failure = definitiveOf(failed);
    if (failure && endsWith(change, failure)) {
      await changesOf(ref).restoreChange({ ...ref, failure, failed });
    } else {
      await changesOf(ref).parkChange({ ...ref, failed, parks: change.parks });
    }
  }
}

/** Whether a definitive failure ends the change. What is put back goes on until it is done, and so does a
 * sign-out or deletion, unless it may not be done at all. */
function endsWith({ kind, restores }: ChangeProgress, failure: FailureName): boolean {
  if (restores) return false;
  if (kind !== 'sign_out' && kind !== 'delete') return true;
  return failure === 'mark_differs' || failure === 'no_administrator_left';
}

function show(shown: Shown, change: ChangeProgress): void {
  const { changeId, status } = change;
  if (shown.changeId !== changeId) {
    shown.changeId = changeId;
    upsertMemo({ [CHANGE_MEMO]: changeId });
  }
  const isParked = status === 'parked';
  if (isParked) showParkedChange(change, shown.isParked);
  else {
    if (shown.isParked) showStatus(null, null);
    showNothing();
  }
  shown.isParked = isParked;
}

/** A run that is over waits for nothing. */
function showEnding(shown: Shown): void {
  showNothing();
  if (shown.isParked) showStatusSince('clears-shown', null, null);
}
