import type { AttentionGroup, LedgerOverview, OutboxState } from '../src/ledger/overview.ts';
import type { ScheduleState } from '../src/temporal/schedules.ts';

/** The state of Temporal; `away` is the reason if it does not answer. */
export type TemporalOverview =
  | {
      readonly away: null;
      readonly address: string;
      readonly taskQueue: string;
      readonly isPolled: boolean;
      readonly schedules: readonly ScheduleState[];
    }
  | { readonly away: string };

export interface StatusReport {
  /** A line for each thing that needs a person. */
  readonly attention: readonly string[];
  readonly lines: readonly string[];
}

/** What `npm run status` prints. */
export function statusReport(
  { needsAttention, outbox }: LedgerOverview,
  temporal: TemporalOverview,
): StatusReport {
  const attention = [
    ...needsAttention.map(groupLine),
    ...outbox.filter(isStuck).map(stuckLine),
    ...temporalAttention(temporal),
  ];
  return {
    attention,
    lines: [
      ...section('needs a person', attention.length > 0 ? attention : ['nothing']),
      ...section('dependencies', dependencyLines(temporal)),
      ...section('outbox', outbox.map(outboxLine)),
      ...section('schedules', scheduleLines(temporal)),
    ],
  };
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

function groupLine(group: AttentionGroup): string {
  const { status, failureCode, cause, count, oldestAt, oldestId, remedy } = group;
  const what = `${status} ${failureCode ?? 'unknown'} (${cause}): ${count} since ${iso(oldestAt)}`;
  return `${what}. ${remedy} ${requestFor(group)} (oldest: ${oldestId})`;
}

function requestFor({ status }: AttentionGroup): string {
  return status === 'completed'
    ? 'POST /registrations/{id}/invitation'
    : `POST /registrations/{id}/retry, ids: GET /registrations?status=${status}`;
}

/** An invitation that was given up is shown as a group of registrations instead. */
function isStuck({ destination, givenUp }: OutboxState): boolean {
  return givenUp > 0 && destination !== 'cognito-mail';
}

function stuckLine({ destination, givenUp, oldestAt, lastError }: OutboxState): string {
  const why = lastError ?? 'unknown';
  const command = `npm run redeliver -- --destination ${destination}`;
  return `outbox given_up (${why}): ${givenUp} for ${destination} since ${iso(oldestAt)}. Repair the destination, then run: ${command}`;
}

function temporalAttention(temporal: TemporalOverview): string[] {
  if (temporal.away !== null)
    return [`${temporal.away}. Restore it; registrations then continue automatically.`];
  const missing = temporal.schedules.filter(({ exists }) => !exists).map(({ name }) => name);
  return [
    ...(temporal.isPolled
      ? []
      : [`worker: no worker polls task queue ${temporal.taskQueue}. Start one: npm run worker`]),
    ...(missing.length > 0
      ? [`schedules missing: ${missing.join(', ')}. Create them: npm run setup`]
      : []),
  ];
}

function dependencyLines(temporal: TemporalOverview): string[] {
  if (temporal.away !== null) return ['database: ok', 'temporal: degraded', 'worker: unknown'];
  const worker = temporal.isPolled ? 'ok' : 'degraded';
  return ['database: ok', `temporal: ok, ${temporal.address}`, `worker: ${worker}`];
}

function outboxLine(state: OutboxState): string {
  const { destination, pending, givenUp, oldestAt, nextAttemptAt, lastError } = state;
  return [
    `${destination}: ${pending} pending, ${givenUp} given up`,
    ...(oldestAt ? [`oldest ${iso(oldestAt)}`] : []),
    ...(nextAttemptAt ? [`next attempt ${iso(nextAttemptAt)}`] : []),
    ...(lastError ? [`last error ${lastError}`] : []),
  ].join(', ');
}

function scheduleLines(temporal: TemporalOverview): string[] {
  if (temporal.away !== null) return ['unknown: Temporal does not answer'];
  return temporal.schedules.map(({ name, exists, lastRunAt, lastOutcome, nextRunAt }) => {
    if (!exists) return `${name}: missing`;
    const last = lastRunAt ? `${iso(lastRunAt)}, ${lastOutcome ?? 'outcome unknown'}` : 'never';
    return `${name}: last run ${last}; next run ${iso(nextRunAt)}`;
  });
}

function iso(time: Date | null): string {
  return time?.toISOString() ?? 'unknown';
}
