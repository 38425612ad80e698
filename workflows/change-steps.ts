import { isCancellation, sleep } from '@temporalio/workflow';
import type { ChangeActivities, ChangeProgress, ChangeRef } from '../activities/contract.ts';
import { isOpenChange } from '../src/domain/change.ts';
import { budgeted, UNENDING } from './activity-options.ts';
import { activitiesOf } from './proxies.ts';
import { afterGrace } from './quota.ts';
import { answered, attempted, settle, type Attempted } from './settle.ts';
import { reportOf, StepsFailed } from './step-error.ts';

/** Steps were repeated once and are left again: reads of the account may lag, so the next look is later. */
const LAGGING_READ_MS = 2000;

/** The kinds that an earlier write, landing late, could upset. */
const CONFIRMED: ReadonlySet<ChangeProgress['kind']> = new Set(['roles', 'disable', 'enable']);

/** The transitions of the rows. */
export function changesOf(ref: ChangeRef | Omit<ChangeRef, 'changeId'>) {
  return activitiesOf<ChangeActivities>(ref, UNENDING);
}

/**
 * Performs what is left of a change, forward or back, and ends it. Returns early where it was decided
 * otherwise meanwhile: the row says how.
 * @throws StepsFailed
 */
export async function performSteps(
  ref: ChangeRef,
  change: ChangeProgress,
  attempts: number,
): Promise<void> {
  const goesOn = (now: ChangeProgress): boolean =>
    isOpenChange(now.status) && now.restores === change.restores && !now.instructed;
  let known = change.begun || change.restores ? change : await begin(ref, attempts);
  for (let round = 0; goesOn(known); round += 1) {
    if (round > 1) await sleep(LAGGING_READ_MS);
    for (const stage of known.stepsLeft) {
      await settle(stage.map((name) => changeStep(ref, name, attempts)));
    }
    if (!CONFIRMED.has(known.kind)) return await end(ref, known);
    known = await confirm(ref, attempts);
    if (goesOn(known) && known.stepsLeft.length === 0) return await end(ref, known);
  }
}

async function begin(ref: ChangeRef, attempts: number): Promise<ChangeProgress> {
  return await answered('begin', attempts, () =>
    budgetedStep(ref, attempts, 'begin').beginChange(ref),
  );
}

function changeStep(ref: ChangeRef, name: string, attempts: number): Attempted {
  return attempted(name, attempts, (left, from) =>
    budgetedStep(ref, left, name).changeStep({ ...ref, ...from, step: name }),
  );
}

/** Waits until no earlier write can land any more, and has the account read. */
async function confirm(ref: ChangeRef, attempts: number): Promise<ChangeProgress> {
  const look = () => budgetedStep(ref, attempts, 'complete').confirmChange(ref);
  return await answered('complete', attempts, () => afterGrace<ChangeProgress>(look));
}

function budgetedStep(ref: ChangeRef, attempts: number, activityId: string) {
  return activitiesOf<ChangeActivities>(ref, { ...budgeted(attempts), activityId });
}

async function end(ref: ChangeRef, { restores }: ChangeProgress): Promise<void> {
  if (restores) return void (await changesOf(ref).closeChange(ref));
  const { completeChange } = activitiesOf<ChangeActivities>(ref, {
    ...UNENDING,
    activityId: 'complete',
  });
  try {
    await completeChange(ref);
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw new StepsFailed([reportOf('complete', error)]);
  }
}
