import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { StepFailureReport } from '../activities/contract.ts';
import { withQuota, type QuotaCall } from './quota.ts';
import { definitiveOf, reportOf, StepsFailed } from './step-error.ts';
import { LAG } from './timers.ts';

const MAX_LAG_PAUSE_MS = 60_000;

/** A step until it is done, which is null, or has failed. */
export type Attempted = () => Promise<StepFailureReport | null>;

/** A step with attempts of its own, which waits for its quota. */
export function attempted(name: string, attempts: number, call: QuotaCall): Attempted {
  const work = (earlier: number) => withQuota(attempts, call, earlier);
  return () => withinGrace(name, work, attempts);
}

/** One step whose answer counts. @throws StepsFailed */
export async function answered<T>(
  name: string,
  attempts: number,
  work: () => Promise<T>,
): Promise<T> {
  let answer: { readonly value: T } | undefined;
  const call = async () => void (answer = { value: await work() });
  const report = await withinGrace(name, call, attempts);
  if (report || !answer) throw new StepsFailed(report ? [report] : []);
  return answer.value;
}

/** While the user may still be invisible (PROPAGATION_GRACE_SECONDS), more attempts follow even when
 * the step has used its own. */
export async function withinGrace(
  name: string,
  work: (earlier: number) => Promise<unknown>,
  attempts: number,
): Promise<StepFailureReport | null> {
  let earlier = 0;
  for (let round = 0; ; round += 1) {
    const report = await reported(name, () => work(earlier));
    earlier = report?.attempts ?? 0;
    if (report?.failure !== 'not_visible_yet' || attempts === 1) return report;
    // A small budget in a long window would fill the history with rounds.
    await sleep(Math.min(MAX_LAG_PAUSE_MS, 1000 * 2 ** round), LAG);
  }
}

async function reported(
  name: string,
  work: () => Promise<unknown>,
): Promise<StepFailureReport | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return reportOf(name, error);
  }
}

/** All at once, and all settled before anybody compensates; a definitive failure stops the others. */
export async function settle(steps: readonly Attempted[]): Promise<void> {
  const scope = new CancellationScope();
  const results = await scope.run(() =>
    Promise.allSettled(
      steps.map(async (attempt) => {
        const report = await attempt();
        if (report && definitiveOf([report])) scope.cancel();
        return report;
      }),
    ),
  );
  const failed = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value ? [result.value] : [],
  );
  if (failed.length > 0) throw new StepsFailed(failed);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
