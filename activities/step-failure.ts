import { ApplicationFailure } from '@temporalio/common';
import { FAILURES, type FailureName } from '../src/domain/failure.ts';
import { DatabaseError } from '../src/ledger/database-error.ts';
import type { FailureDetails } from './contract.ts';

/** How a step ends that is not done: a name of FAILURES, and nothing of the provider's text. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure';
  readonly failure: FailureName;
  /** When the next attempt makes sense, where the table's own back-off does not fit. */
  readonly nextDelayMs: number | null;

  constructor(failure: FailureName, nextDelayMs: number | null = null) {
    super(failure);
    this.failure = failure;
    this.nextDelayMs = nextDelayMs;
  }
}

/** Whether the same statement would fail again; only `complete` takes that for a verdict. */
export function databaseFailure(error: DatabaseError, step: string): FailureName {
  return error.definitive && step === 'complete' ? 'database_refused' : 'database_unavailable';
}

/**
 * The only thing that leaves an activity. Temporal keeps failures readable for as long as the
 * history, so there is no provider text in it, and no cause.
 * @param neverGivesUp compensation is retried whatever stands in its way
 */
export function toApplicationFailure(
  failure: StepFailure,
  attempt: number,
  neverGivesUp: boolean,
): ApplicationFailure {
  const { kind, publicText } = FAILURES[failure.failure];
  const details: FailureDetails = { attempt };
  return ApplicationFailure.create({
    type: failure.failure,
    message: publicText,
    nonRetryable: kind !== 'transient' && !neverGivesUp,
    details: [details],
    ...(failure.nextDelayMs === null ? {} : { nextRetryDelay: failure.nextDelayMs }),
  });
}
