import { isCancellation } from '@temporalio/workflow';
import type {
  RegistrationRef,
  RegistrationProgress,
  StepFailureReport,
} from '../activities/contract.ts';
import { FAILURES } from '../src/domain/failure.ts';
import { budgeted, SLOW, UNENDING } from './activity-options.ts';
import { ledgerOf, step } from './proxies.ts';
import { afterGrace, withQuota } from './quota.ts';
import { attempted, settle, withinGrace, type Attempted } from './settle.ts';
import { showNothing, showSlowCreate } from './shown.ts';
import { reportOf, StepsFailed } from './step-error.ts';
import { untilOperatorWakes, type Wake } from './wake.ts';

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

/** Has the profile created. The activity is repeated while the profile service does not decide. */
export async function createProfile(ref: RegistrationRef, attempts: number): Promise<void> {
  const work = () => step(ref, budgeted(attempts), 'createProfile').createProfile(ref);
  const report = await withinGrace('createProfile', work, attempts);
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
    await afterGrace(() => step(ref, budgeted(attempts), 'complete').confirmRoles(ref));
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

function roleStep(
  activity: 'assignRole' | 'removeRole',
  ref: RegistrationRef,
  role: string,
  attempts: number,
): Attempted {
  const name = `${activity}:${role}`;
  return attempted(name, attempts, (left, from) =>
    step(ref, budgeted(left), name)[activity]({ ...ref, role, ...from }),
  );
}
