import { Context } from '@temporalio/activity';
import { changeStepsLeft } from '../../src/domain/change-progress.ts';
import { isOpenChange, type Change } from '../../src/domain/change.ts';
import { asChangeFailure, FAILURES, publicFailure } from '../../src/domain/failure.ts';
import { attemptsWith } from '../../src/domain/step.ts';
import { completeChange } from '../../src/ledger/changes/complete.ts';
import {
  acknowledgeChangeInstruction,
  cancelRunningChange,
} from '../../src/ledger/changes/instructions.ts';
import { parkChange } from '../../src/ledger/changes/park.ts';
import {
  beginRestoring,
  closeChange,
  nextChange,
  readChangeRow,
  recordChangeSteps,
} from '../../src/ledger/changes/transitions.ts';
import { stepDone } from '../../src/ledger/work/steps.ts';
import { REQUEST_TIMEOUT_MS } from '../../src/cognito/call.ts';
import type { ChangeActivities, ChangeProgress, StepGoesOn } from '../contract.ts';
import type { StepContext } from '../step-context.ts';
import {
  activityKey,
  failedSteps,
  orQuotaWait,
  parkedFailureOf,
  retryNumbersOf,
  runIdOf,
  runStep,
  stepContext,
  type StepDeps,
} from '../step-runner.ts';
import { beginChange } from './begin-change.ts';
import { changeStep, confirmChange } from './change-steps.ts';

/** Why a change is put back that somebody cancelled. */
const CANCELLED = { restoresAs: 'cancelled', failure: publicFailure('change_cancelled') } as const;
/** Nothing of it is in the receipt: it only reads. */
const BEGIN = 'begin';

export interface ChangeActivityDeps extends StepDeps {
  /** Tells waiters in this process that a row has changed. */
  readonly changed: (changeId: string) => void;
  /** The roles whose holders may assign every role. */
  readonly administratorRoles: readonly string[];
  readonly resumeIntervalSeconds: number;
  /** Base of links to receipts, without a slash at its end; null: none is known. */
  readonly apiUrl: string | null;
}

/** The activities of `changeUser`. Each says by its step why it is safe to repeat. */
export function createChangeActivities(deps: ChangeActivityDeps): ChangeActivities {
  const { db, telemetry } = deps;
  const retry = retryNumbersOf(deps);
  const told = (change: Change): void => telemetry.changeStatusChanged(change);
  const progressOf = (change: Change): ChangeProgress => ({
    changeId: change.id,
    kind: change.kind,
    status: change.status,
    begun: change.begunAt !== null,
    restores: change.restoresAs !== null,
    instructed: isInstructed(change),
    stepsLeft: changeStepsLeft(change),
    parks: change.resumeAttempts,
    retry,
    ...(change.status === 'parked' && {
      parked: {
        failure: change.failure,
        at: (change.parkedAt ?? change.acceptedAt).toISOString(),
      },
    }),
    ...(deps.apiUrl !== null && { apiUrl: deps.apiUrl }),
  });

  /** Runs a step; tells waiters. One that puts back never gives up, whatever stands in its way. */
  async function step<T>(name: string, changeId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await runStep({ log: deps.log, step: name, about: { changeId } }, work, async (of) => {
        const row = await readChangeRow(db, changeId).catch(() => null);
        const restores = row !== null && row.restoresAs !== null;
        if (restores) telemetry.compensationFailed(FAILURES[of].code);
        return restores;
      });
    } finally {
      deps.changed(changeId);
    }
  }

  const context = (changeId: string, goesOn?: StepGoesOn): StepContext => {
    const { attempt, activityId } = Context.current().info;
    return stepContext(deps, REQUEST_TIMEOUT_MS, {
      registrationId: changeId,
      queuesAs: goesOn ? activityId : null,
      place: attempt === 1 ? goesOn?.place : undefined,
    });
  };

  async function addAttempts(changeId: string, name: string, earlier: number): Promise<void> {
    const known = (await readChangeRow(db, changeId)).steps[name];
    if (known?.status === 'done') return;
    const attempts = attemptsWith(known, earlier);
    const lastError = known?.lastError ?? null;
    await recordChangeSteps(db, changeId, { [name]: { status: 'retrying', attempts, lastError } });
  }

  return {
    // Repeatable: an instruction is taken once.
    nextChange: async ({ userId }) => {
      const of = { log: deps.log, step: 'nextChange', about: { userId } };
      return await runStep(
        of,
        async () => {
          const change = await nextChange(db, userId, runIdOf());
          if (!change) return null;
          const { id, unrecordedEvents } = change;
          if (unrecordedEvents.length > 0) {
            deps.log.error(
              { changeId: id, unrecordedEvents },
              'the database rejected audit events',
            );
          }
          if (!isInstructed(change)) return progressOf(change);
          const taken =
            change.instruction?.kind === 'cancel'
              ? await beginRestoring(db, id, CANCELLED, {})
              : await acknowledgeChangeInstruction(db, id);
          deps.changed(id);
          return progressOf(taken);
        },
        async () => false,
      );
    },
    // Repeatable: only a change that nobody has cancelled yet gets the instruction.
    cancelChange: ({ changeId }) =>
      step(
        'cancelChange',
        changeId,
        async () => void (await cancelRunningChange(db, changeId, told)),
      ),
    beginChange: ({ changeId }) =>
      step('beginChange', changeId, async () =>
        progressOf(await beginChange(context(changeId), changeId, deps.administratorRoles)),
      ),
    changeStep: ({ changeId, step: name, ...goesOn }) =>
      step(name, changeId, async () => {
        const { attempt, activityId } = Context.current().info;
        const { earlier } = goesOn;
        if (earlier && attempt === 1) await addAttempts(changeId, activityId, earlier);
        return await orQuotaWait(async () => {
          await changeStep(context(changeId, goesOn), changeId, name);
          return null;
        });
      }),
    confirmChange: ({ changeId }) =>
      step('confirmChange', changeId, async () => {
        const confirmed = await confirmChange(context(changeId), changeId);
        return 'change' in confirmed ? progressOf(confirmed.change) : confirmed;
      }),
    // Repeatable: a completed change is done, and one with steps left does not complete.
    completeChange: ({ changeId }) =>
      step('complete', changeId, async () => {
        const row = await readChangeRow(db, changeId);
        if (isOpenChange(row.status) && changeStepsLeft(row).length > 0) return progressOf(row);
        const { attempt } = Context.current().info;
        const attempts = attemptsWith(row.steps['complete'], attempt);
        const complete = stepDone(attempts);
        return progressOf((await completeChange(db, changeId, { complete }, told)).change);
      }),
    // Repeatable: the trail's key is this activity's place in the run, and a second one is nothing.
    parkChange: ({ changeId, failed, parks }) =>
      step('parkChange', changeId, async () => {
        const shown = failed.filter((report) => report.step !== BEGIN);
        const { steps } = await readChangeRow(db, changeId);
        const row = await parkChange(db, changeId, {
          failure: publicFailure(parkedFailureOf(failed)),
          steps: failedSteps(shown, steps),
          parks,
          key: `${changeId}/${activityKey()}`,
          resumeIntervalSeconds: deps.resumeIntervalSeconds,
        });
        deps.log.info({ changeId, code: row.failure?.code }, 'change parked');
      }),
    // Repeatable: a change that is put back never goes forward again.
    restoreChange: ({ changeId, failure, failed }) =>
      step('restoreChange', changeId, async () => {
        const { steps } = await readChangeRow(db, changeId);
        const shown = failed.filter((report) => report.step !== BEGIN);
        const cause = {
          restoresAs: 'failed',
          failure: publicFailure(asChangeFailure(failure)),
        } as const;
        await beginRestoring(db, changeId, cause, failedSteps(shown, steps));
      }),
    // Repeatable: only a change that is put back closes, once.
    closeChange: ({ changeId }) =>
      step('closeChange', changeId, async () => {
        const row = await readChangeRow(db, changeId);
        if (isOpenChange(row.status) && changeStepsLeft(row).length > 0) return progressOf(row);
        return progressOf(await closeChange(db, changeId, {}, told));
      }),
  };
}

/** Somebody wants something of the change that no run has taken yet. */
function isInstructed({ instruction }: Change): boolean {
  return instruction !== null && instruction.acknowledgedAt === null;
}
