import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type {
  RegistrationRef,
  RegistrationProgress,
  StepFailureReport,
} from '../activities/contract.ts';
import { FAILURES } from '../src/domain/failure.ts';
import { budgeted, SLOW, UNENDING } from './activity-options.ts';
import { ledgerOf, step } from './proxies.ts';
import { withQuota } from './quota.ts';
import { definitiveOf, reportOf, StepsFailed } from './step-error.ts';
import { showNothing, showSlowCreate } from './shown.ts';
import { GRACE, LAG } from './timers.ts';
import { untilOperatorWakes, type Wake } from './wake.ts';

const MAX_LAG_PAUSE_MS = 60_000;

/**
 * Creates the user. After the budget a second call goes on slowly, without end, until an operator wants
 * it tried anew; only a user that exists and cannot be read parks.
 * @param options.scheduled one attempt of a parked run: it parks again
 */
export async function createUser(
  ref: RegistrationRef,
  run: RegistrationProgress,
  wake: Wake,
  { attempts, scheduled }: { readonly attempts: number; readonly scheduled: boolean },
): Promise<void> {
  for (;;) {
    const spent = await createWithin(ref, attempts, scheduled);
    if (spent === null) return;
    wake.hasWaited = true;
    showSlowCreate(ref, run, spent.failure);
    if (await untilOperatorWakes(wake, () => slowCreateUser(ref, spent.attempts))) {
      showNothing();
      return;
    }
    showNothing();
    await ledgerOf(ref).acknowledgeInstruction(ref);
  }
}

/** @returns how the attempts ended that were spent; null when it is done */
async function createWithin(
  ref: RegistrationRef,
  attempts: number,
  scheduled: boolean,
): Promise<StepFailureReport | null> {
  try {
    await withQuota(attempts, (left, from) =>
      step(ref, budgeted(left), 'createUser').createUser({ ...ref, ...from }),
    );
    return null;
  } catch (error) {
    if (isCancellation(error)) throw error;
    const report = reportOf('createUser', error);
    if (FAILURES[report.failure].kind !== 'transient' || scheduled) {
      throw new StepsFailed([report]);
    }
    return report;
  }
}

async function slowCreateUser(ref: RegistrationRef, earlier: number): Promise<void> {
  try {
    await withQuota(
      Number.POSITIVE_INFINITY,
      (_left, from) => step(ref, SLOW, 'createUser').createUser({ ...ref, ...from }),
      earlier,
    );
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw new StepsFailed([reportOf('createUser', error)]);
  }
}

/** Sets the password that somebody chose. */
export async function setPassword(ref: RegistrationRef, attempts: number): Promise<void> {
  const work = () => step(ref, budgeted(attempts), 'setPassword').setPassword(ref);
  const report = await withinGrace('setPassword', work, attempts);
  if (report) throw new StepsFailed([report]);
}

/** Removes roles that are no longer requested. @throws StepsFailed */
export async function removeRoles(
  ref: RegistrationRef,
  roles: readonly string[],
  attempts: number,
): Promise<void> {
  await settle(roles.map((role) => roleStep('removeRole', ref, role, attempts)));
}

/** Assigns roles, all at once. @throws StepsFailed */
export async function assignRoles(
  ref: RegistrationRef,
  roles: readonly string[],
  attempts: number,
): Promise<void> {
  await settle(roles.map((role) => roleStep('assignRole', ref, role, attempts)));
}

/** Waits until no earlier write to the user's groups can land, and has them read. */
export async function confirmRoles(ref: RegistrationRef, attempts: number): Promise<void> {
  try {
    for (;;) {
      const wait = await step(ref, budgeted(attempts), 'complete').confirmRoles(ref);
      if (!wait) return;
      await sleep(wait.graceMs, GRACE);
    }
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw new StepsFailed([reportOf('complete', error)]);
  }
}

export async function complete(
  ref: RegistrationRef,
  roles: readonly string[],
): Promise<RegistrationProgress> {
  try {
    return await step(ref, UNENDING, 'complete').complete({ ...ref, roles });
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw new StepsFailed([reportOf('complete', error)]);
  }
}

type Call = Parameters<typeof withQuota>[1];
type Attempted = () => Promise<StepFailureReport | null>;

function roleStep(
  activity: 'assignRole' | 'removeRole',
  ref: RegistrationRef,
  role: string,
  attempts: number,
): Attempted {
  const name = `${activity}:${role}`;
  const work = (earlier: number) => {
    const call: Call = (left, from) =>
      step(ref, budgeted(left), name)[activity]({ ...ref, role, ...from });
    return withQuota(attempts, call, earlier);
  };
  return () => withinGrace(name, work, attempts);
}

/** While the user may still be invisible (PROPAGATION_GRACE_SECONDS), more attempts follow even when
 * the step has used its own. */
async function withinGrace(
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
async function settle(steps: readonly Attempted[]): Promise<void> {
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
