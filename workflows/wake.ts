import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { ResumedBy } from './messages.ts';

/** Whether somebody woke the run since it last looked. One object per run: workflow code keeps no
 * module state. */
export interface Wake {
  by: ResumedBy | null;
  /** Whether the UI's list may show what the run waited for. */
  hasWaited: boolean;
}

/** Ends when an operator has asked for a retry; a cancelled scope ends it as well. */
export async function operatorWoke(wake: Wake): Promise<void> {
  try {
    await condition(() => wake.by === 'operator');
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}

/**
 * Work that goes on slowly and without end; an operator's retry stops it.
 * @returns whether the work is done, rather than stopped
 */
export async function untilOperatorWakes(wake: Wake, work: () => Promise<void>): Promise<boolean> {
  const round = new CancellationScope();
  const done = round.run(async () => {
    try {
      await work();
      return true;
    } catch (error) {
      // An attempt in flight that fails after the retry arrives as an ordinary failure.
      const stopped =
        wake.by === 'operator' && (isCancellation(error) || round.consideredCancelled);
      if (stopped) return false;
      throw error;
    }
  });
  try {
    await Promise.race([done, round.run(() => operatorWoke(wake))]);
  } finally {
    round.cancel();
  }
  if (await done) return true;
  wake.by = null;
  return false;
}
