import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { FailureDetails, StepFailureReport } from '../activities/contract.ts';
import { FAILURES, isFailureName, type FailureName } from '../src/domain/failure.ts';
import { lostReplyOf } from '../src/domain/step.ts';

/** Steps that are not done, settled: what each of them ended with. */
export class StepsFailed extends Error {
  override readonly name = 'StepsFailed';
  readonly failed: readonly StepFailureReport[];

  constructor(failed: readonly StepFailureReport[]) {
    super(failed.map(({ step, failure }) => `${step}: ${failure}`).join(', '));
    this.failed = failed;
  }
}

/** What an activity's failure says. Only names of FAILURES leave activities; a time-out is a lost reply. */
export function reportOf(step: string, error: unknown): StepFailureReport {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) return { step, failure: lostReplyOf(step), attempts: 1 };
  if (!(cause instanceof ApplicationFailure)) throw error;
  const details = cause.details?.[0] as FailureDetails | undefined;
  const failure: FailureName =
    cause.type && isFailureName(cause.type) ? cause.type : 'unknown_error';
  return { step, failure, attempts: details?.attempt ?? 1 };
}

export function definitiveOf(failed: readonly StepFailureReport[]): FailureName | undefined {
  return failed.find(({ failure }) => FAILURES[failure].kind === 'definitive')?.failure;
}
