import {
  attentionOf,
  differencesOf,
  type AttentionGroup,
  type AttentionItem,
  type ComparisonResult,
  type OutboxState,
  type Overview,
  type TemporalOverview,
} from '../src/domain/overview.ts';
import { runsLink } from '../src/domain/runs-link.ts';

/** What the lines name of the configuration. */
export interface StatusSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly namespace: string;
  readonly uiUrl: string | null;
}

/** What `npm run status` prints: first a line for each thing that needs a person. */
export function statusLines(overview: Overview, settings: StatusSettings): string[] {
  const { outbox, quotas, temporal } = overview;
  const attention = attentionOf(overview).map((item) => attentionLine(item, settings));
  return [
    ...section('needs a person', attention.length > 0 ? attention : ['nothing']),
    ...section('dependencies', dependencyLines(temporal, settings)),
    ...section('registrations', [countsLine(overview.registrations.byStatus)]),
    ...section('changes', [countsLine(overview.changes.byStatus)]),
    ...section('outbox', outbox.map(outboxLine)),
    ...section('quotas', quotas.map(quotaLine)),
    ...section('schedules', scheduleLines(temporal)),
    ...section('comparison of ledger and pool', [comparisonLine(overview)]),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

function attentionLine(item: AttentionItem, { address, taskQueue }: StatusSettings): string {
  switch (item.of) {
    case 'group':
      return groupLine(item.group);
    case 'destination':
      return stuckLine(item.state);
    case 'temporal':
      return `Temporal at ${address} ${item.away}. Restore it; registrations then continue automatically.`;
    case 'worker':
      return `worker: no worker polls task queue ${taskQueue}. Start one: npm run worker`;
    case 'schedules':
      return `schedules missing: ${item.missing.join(', ')}. Create them: npm run setup`;
    case 'comparison':
      return differLine(item.comparison);
  }
}

function groupLine(group: AttentionGroup): string {
  const { kind, status, failureCode, cause, count, oldestAt, oldestId, remedy, request } = group;
  const of = kind === 'change' ? 'change ' : '';
  const what = `${of}${status} ${failureCode ?? 'unknown'} (${cause}): ${count} since ${iso(oldestAt)}`;
  return `${what}. ${remedy} Then run: ${commandOf(request)} (oldest: ${oldestId})`;
}

/** A request of the overview, `POST /path {json}`, as `npm run request` takes it. */
function commandOf(request: string): string {
  const [method = '', path = '', body = '{}'] = request.split(' ', 3);
  const fields = Object.entries(JSON.parse(body) as Record<string, string>);
  const words = fields.map(([name, value]) => `${name}=${value}`);
  return `npm run request -- ${[method, path, ...words].join(' ')}`;
}

function stuckLine({ destination, pending, givenUp, oldestAt, lastError }: OutboxState): string {
  const why = lastError ?? 'unknown';
  const [what, count, how] =
    givenUp > 0 ? ['given_up', givenUp, ''] : ['failing', pending, '--now '];
  const command = `npm run redeliver -- ${how}--destination ${destination}`;
  return `outbox ${what} (${why}): ${count} for ${destination} since ${iso(oldestAt)}. Repair the destination, then run: ${command}`;
}

function differLine(comparison: ComparisonResult): string {
  return `ledger and pool differ: ${differencesOf(comparison)}, at ${iso(comparison.finishedAt)}. Read the ids, and see "Ledger and pool differ" in docs/runbook.md: npm run compare-pool`;
}

function dependencyLines(
  { away, isPolled }: TemporalOverview,
  { address, namespace, uiUrl }: StatusSettings,
): string[] {
  const ui = uiUrl === null ? [] : [`Temporal UI: ${runsLink(uiUrl, namespace)}`];
  if (away !== null) return ['database: ok', 'temporal: degraded', 'worker: unknown', ...ui];
  return [
    'database: ok',
    `temporal: ok, ${address}`,
    `worker: ${isPolled ? 'ok' : 'degraded'}`,
    ...ui,
  ];
}

function countsLine(byStatus: Readonly<Record<string, number>>): string {
  return Object.entries(byStatus)
    .map(([status, count]) => `${count} ${status}`)
    .join(', ');
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

function quotaLine({ name, perSecond, queued }: Overview['quotas'][number]): string {
  return `${name}: ${perSecond === 0 ? 'unpaced' : `${perSecond} per second`}, ${queued} queued`;
}

function scheduleLines({ away, schedules }: TemporalOverview): string[] {
  if (away !== null) return [`unknown: Temporal ${away}`];
  return schedules.map(({ name, exists, lastRunAt, lastOutcome, nextRunAt }) => {
    if (!exists) return `${name}: missing`;
    const last = lastRunAt ? `${iso(lastRunAt)}, ${lastOutcome ?? 'outcome unknown'}` : 'never';
    return `${name}: last run ${last}; next run ${iso(nextRunAt)}`;
  });
}

function comparisonLine({ comparison }: Overview): string {
  if (comparison === null) return 'none has finished yet';
  const { finishedAt, agrees } = comparison;
  return `${iso(finishedAt)}, ${agrees ? 'they agree' : differencesOf(comparison)}`;
}

function iso(time: Date | null): string {
  return time?.toISOString() ?? 'unknown';
}
