import { Context } from '@temporalio/activity';
import type { IdentityProvider } from '../src/cognito/adapter.ts';
import type { Database } from '../src/db/client.ts';
import { FAILURES, parkedAs, type FailureName } from '../src/domain/failure.ts';
import { attemptsWith, type StepRecord } from '../src/domain/step.ts';
import type { Telemetry } from '../src/domain/telemetry.ts';
import { DatabaseError } from '../src/ledger/database-error.ts';
import type { QuotaWait, RetryNumbers, StepFailureReport } from './contract.ts';
import { QuotaSpent, type QuotaOptions, type Quotas } from './quota.ts';
import type { StepContext, StepLog } from './step-context.ts';
import { databaseFailure, StepFailure, toApplicationFailure } from './step-failure.ts';

/** The first interval of workflows/activity-options.ts' SLOW. */
const SLOW_MS = 60_000;
const FIRST_MS = 200;
const MAX_MS = 10_000;

/** What the steps of registrations and of later changes need. */
export interface StepDeps {
  readonly db: Database;
  readonly provider: IdentityProvider;
  readonly quotas: Quotas;
  readonly log: StepLog;
  readonly telemetry: Telemetry;
  readonly retryBudgetSeconds: number;
  readonly compensationBudgetSeconds: number;
  readonly propagationGraceSeconds: number;
}

export function retryNumbersOf(
  deps: Pick<StepDeps, 'retryBudgetSeconds' | 'compensationBudgetSeconds'>,
): RetryNumbers {
  return {
    attempts: attemptsWithin(deps.retryBudgetSeconds),
    compensationAttempts: attemptsWithin(deps.compensationBudgetSeconds),
  };
}

/** How many attempts fit into a budget of waiting: 200 ms, doubling, at most 10 s apart. A number
 * of attempts, never a schedule-to-close: that also counts time in the task queue, so a busy worker could
 * park a step that was never tried. */
export function attemptsWithin(budgetSeconds: number): number {
  let attempts = 1;
  for (let waited = 0, wait = FIRST_MS; waited + wait <= budgetSeconds * 1000; attempts += 1) {
    waited += wait;
    wait = Math.min(MAX_MS, wait * 2);
  }
  return attempts;
}

/** What the attempt under way works with. @param ends end its calls earlier */
export function stepContext(
  deps: StepDeps,
  withinMs: number,
  quota: Pick<QuotaOptions, 'registrationId' | 'queuesAs' | 'place'>,
  ...ends: readonly AbortSignal[]
): StepContext {
  const signal = AbortSignal.any([AbortSignal.timeout(withinMs), ...ends]);
  return {
    db: deps.db,
    provider: deps.provider,
    acquireQuota: deps.quotas.acquirer({ ...quota, withinMs, signal }),
    graceMs: deps.propagationGraceSeconds * 1000,
    unreadableAfterMs: deps.retryBudgetSeconds * 1000,
    signal,
    attempt: Context.current().info.attempt,
    slow: isSlow(),
    log: deps.log,
    telemetry: deps.telemetry,
  };
}

/**
 * Runs an attempt of a step; lets nothing but a named failure leave.
 * @param about the fields by which a log line says whose step it is
 * @param failed told of the failure; returns whether the step never gives up, whatever stands in its way
 */
export async function runStep<T>(
  { log, step, about }: { readonly log: StepLog; readonly step: string; readonly about: object },
  work: () => Promise<T>,
  failed: (failure: FailureName) => Promise<boolean>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = named(log, step, about, error);
    const neverGivesUp = await failed(failure.failure);
    throw toApplicationFailure(failure, Context.current().info.attempt, neverGivesUp);
  }
}

/** Work that needs quota; where that is spent, the place in its queue is returned. */
export async function orQuotaWait<T>(work: () => Promise<T>): Promise<QuotaWait | T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QuotaSpent)) throw error;
    if (!error.place) throw new StepFailure('throttled');
    return { ...error.place, attempts: Context.current().info.attempt - 1 };
  }
}

export function isSlow(): boolean {
  return Number(Context.current().info.retryPolicy?.initialInterval ?? 0) >= SLOW_MS;
}

export function runIdOf(): string | null {
  return Context.current().info.workflowExecution?.runId ?? null;
}

/** What is the same whenever this activity of this run is repeated, and nowhere else. */
export function activityKey(): string {
  return `${runIdOf() ?? ''}/${Context.current().info.activityId}`;
}

/** The records of steps that failed. @param known what the row knows of earlier attempts counts too */
export function failedSteps(
  failed: readonly StepFailureReport[],
  known: Readonly<Record<string, StepRecord>> = {},
): Record<string, StepRecord> {
  return Object.fromEntries(
    failed.map(({ step, failure, attempts }) => [
      step,
      {
        status: 'failed',
        attempts: attemptsWith(known[step], attempts),
        lastError: FAILURES[failure].code,
      } as const,
    ]),
  );
}

/** What a row waits for that parks because these steps failed. */
export function parkedFailureOf(failed: readonly StepFailureReport[]): FailureName {
  const cause = failed.find(({ failure }) => FAILURES[failure].kind === 'parked') ?? failed[0];
  return parkedAs(cause?.failure ?? 'unknown_error');
}

function named(log: StepLog, step: string, about: object, error: unknown): StepFailure {
  if (error instanceof StepFailure) return error;
  if (error instanceof DatabaseError) {
    const failure: FailureName = databaseFailure(error, step);
    log.warn({ ...about, step, sqlstate: error.sqlstate, failure }, 'database error');
    return new StepFailure(failure);
  }
  const name = error instanceof Error ? error.name : 'Unknown';
  log.error({ ...about, step, error: name }, 'unexpected error in a step');
  return new StepFailure('unknown_error');
}
