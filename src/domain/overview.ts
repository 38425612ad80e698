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
function isDestinationStuck(
  { destination, givenUp, lastError, oldestAt }: OutboxState,
  readAt: Date,
): boolean {
  if (givenUp > 0 && destination !== 'cognito-mail') return true;
  if (lastError === null || oldestAt === null) return false;
  return readAt.getTime() - oldestAt.getTime() > FAILING_MS;
}

/** One thing that needs a person. */
export type AttentionItem =
  | { readonly of: 'group'; readonly group: AttentionGroup }
  | { readonly of: 'destination'; readonly state: OutboxState }
  /** Temporal does not answer. */
  | { readonly of: 'temporal'; readonly away: string }
  /** No worker polls. */
  | { readonly of: 'worker' }
  | { readonly of: 'schedules'; readonly missing: readonly string[] }
  | { readonly of: 'comparison'; readonly comparison: ComparisonResult };

/** Everything that needs a person, in the order in which it is shown. */
export function attentionOf(
  overview: Omit<Overview, 'registrations' | 'changes' | 'quotas'>,
): AttentionItem[] {
  const { needsAttention, outbox, comparison, temporal, readAt } = overview;
  const missing = temporal.schedules.filter(({ exists }) => exists === false);
  return [
    ...needsAttention.map((group) => ({ of: 'group', group }) as const),
    ...outbox
      .filter((state) => isDestinationStuck(state, readAt))
      .map((state) => ({ of: 'destination', state }) as const),
    ...(temporal.away === null ? [] : [{ of: 'temporal', away: temporal.away } as const]),
    ...(temporal.away === null && temporal.isPolled !== true ? [{ of: 'worker' } as const] : []),
    ...(missing.length === 0
      ? []
      : [{ of: 'schedules', missing: missing.map(({ name }) => name) } as const]),
    ...(comparison?.agrees === false ? [{ of: 'comparison', comparison } as const] : []),
  ];
}

/** Counts of a comparison that are findings; the others are as they should be. */
const FINDINGS = ['orphan', 'leftover', 'twin', 'vanished', 'unmarked', 'unasked'];

/** What a comparison found, as in `2 orphan, 1 twin`; '' if nothing. */
export function differencesOf({ counts }: Pick<ComparisonResult, 'counts'>): string {
  return FINDINGS.flatMap((name) => {
    const count = counts[name] ?? 0;
    return count > 0 ? [`${count} ${name}`] : [];
  }).join(', ');
}
