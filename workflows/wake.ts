import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { ResumedBy } from './messages.ts';

/** Whether somebody woke the run since it last looked. One object per run: workflow code keeps no
 * module state. */
export interface Wake {
  by: ResumedBy | null;
  /** Whether the UI's list may show what the run waited for. */
  hasWaited: boolean;
}

/**
 * Work that goes on slowly and without end; an operator's retry stops it.
 * @returns whether the work is done, rather than stopped
 */
export async function untilOperatorWakes(wake: Wake, work: () => Promise<void>): Promise<boolean> {
  if (await unlessStopped(() => wake.by === 'operator', work)) return true;
  wake.by = null;
  return false;
}

/**
 * Does work until it is done, or until it is to stop: then its attempts in flight are waited for.
 * @returns whether the work is done, rather than stopped
 */
export async function unlessStopped(
  stops: () => boolean,
  work: () => Promise<void>,
): Promise<boolean> {
  const round = new CancellationScope();
  const done = round.run(async () => {
    try {
      await work();
      return true;
    } catch (error) {
      // An attempt in flight that fails after the stop arrives as an ordinary failure.
      if (stops() && (isCancellation(error) || round.consideredCancelled)) return false;
      throw error;
    }
  });
  try {
    await Promise.race([done, round.run(() => until(stops))]);
  } finally {
    round.cancel();
  }
  return await done;
}

/** A cancelled scope ends it as well. */
async function until(holds: () => boolean): Promise<void> {
  try {
    await condition(holds);
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}
