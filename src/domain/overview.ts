import type { ChangeStatus } from './change.ts';
import type { FailureName } from './failure.ts';
import type { OutboxDestination } from './outbox.ts';
import type { RegistrationStatus } from './status.ts';

/** Registrations, or changes, that wait for a person for one reason. */
export interface AttentionGroup {
  readonly kind: 'registration' | 'change';
  /** A registration that is `completed`: what is stuck is its invitation. */
  readonly status: RegistrationStatus | ChangeStatus;
  readonly failureCode: string | null;
  /** The row of FAILURES that says what to do. */
  readonly cause: FailureName;
  readonly count: number;
  readonly oldestAt: Date;
  readonly oldestId: string;
  /** For the operator, from FAILURES. */
  readonly remedy: string;
  /** What clears the group once the cause is gone: method, path and body. */
  readonly request: string;
}

export interface OutboxState {
  readonly destination: OutboxDestination;
  readonly pending: number;
  readonly givenUp: number;
  /** When the oldest delivery that is pending or was given up occurred. */
  readonly oldestAt: Date | null;
  readonly nextAttemptAt: Date | null;
  /** Of the delivery that was tried last. */
  readonly lastError: string | null;
}

export interface QuotaState {
  readonly name: string;
  /** Calls that this deployment may make; 0 is unpaced. */
  readonly perSecond: number;
  /** Steps that wait for a call. */
  readonly queued: number;
}

/** The result of the last comparison of ledger and pool. */
export interface ComparisonResult {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly agrees: boolean;
  /** What it counted, by name. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface ScheduleState {
  /** The workflow that it starts. */
  readonly name: string;
  /** null: Temporal does not answer; so for all others. */
  readonly exists: boolean | null;
  readonly lastRunAt: Date | null;
  /** How that run ended, in Temporal's words, or `running`. */
  readonly lastOutcome: string | null;
  readonly nextRunAt: Date | null;
}

export interface TemporalOverview {
  /** What Temporal does instead of answering, as in `Temporal does not answer: no reply`; null: it answers. */
  readonly away: string | null;
  /** Whether a worker polls, in whatever process; null: nobody knows. */
  readonly isPolled: boolean | null;
  readonly schedules: readonly ScheduleState[];
}

/** What an operator sees first: by page, by command and by API. */
export interface Overview {
  readonly registrations: { readonly byStatus: Readonly<Record<RegistrationStatus, number>> };
  readonly changes: { readonly byStatus: Readonly<Record<ChangeStatus, number>> };
  /** Those that wait longest first. */
  readonly needsAttention: readonly AttentionGroup[];
  /** Every destination, also one with nothing to deliver. */
  readonly outbox: readonly OutboxState[];
  readonly quotas: readonly QuotaState[];
  /** null: none has finished yet. */
  readonly comparison: ComparisonResult | null;
  readonly temporal: TemporalOverview;
  /** By PostgreSQL's clock. */
  readonly readAt: Date;
}

/** A delivery that fails for longer needs a person; a shorter failure heals by itself. */
const FAILING_MS = 120_000;

/** Whether a destination needs a person. An invitation that was given up is a group of registrations. */
export function isDestinationStuck(
  { destination, givenUp, lastError, oldestAt }: OutboxState,
  readAt: Date,
): boolean {
  if (givenUp > 0 && destination !== 'cognito-mail') return true;
  if (lastError === null || oldestAt === null) return false;
  return readAt.getTime() - oldestAt.getTime() > FAILING_MS;
}

/** Whether a person has to do something. */
export function needsPerson(overview: Overview): boolean {
  const { needsAttention, outbox, comparison, temporal, readAt } = overview;
  return (
    needsAttention.length > 0 ||
    outbox.some((state) => isDestinationStuck(state, readAt)) ||
    comparison?.agrees === false ||
    temporal.isPolled !== true ||
    temporal.schedules.some(({ exists }) => exists === false)
  );
}
