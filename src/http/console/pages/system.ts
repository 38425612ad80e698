import {
  attentionOf,
  differencesOf,
  type Overview,
  type OutboxState,
  type QuotaState,
  type ScheduleState,
} from '../../../domain/overview.ts';
import { runsLink } from '../../../domain/runs-link.ts';
import { BACKLOG_BOUND } from '../../../ledger/backlog.ts';
import type { AppDeps } from '../../app-deps.ts';
import { currentOverview } from '../../operations/overview.ts';
import { h, type Content, type Element } from '../elements.ts';
import { numberOf } from '../numbers.ts';
import {
  badge,
  card,
  dataTable,
  definitionList,
  emptyState,
  mono,
  none,
  timeOf,
  wordsOf,
} from '../parts.ts';
import type { ConsoleRoutes, Page, Visit } from '../visit.ts';
import { comparisonRemedy } from './attention/items.ts';
import { deliveryActions, isConfigured, REDELIVER } from './system/deliveries.ts';

const TITLE = 'System';

/** *System*: what Registrar depends on, and the work that nobody waits for. */
export function mountSystem(routes: ConsoleRoutes, deps: AppDeps): void {
  routes.page('/console/system', (visit) => systemPage(deps, visit));
  routes.action('/console/system/redeliver', REDELIVER);
}

async function systemPage(deps: AppDeps, visit: Visit): Promise<Page> {
  if (visit.operator.grants !== '*') return forSome();
  const overview = await currentOverview(deps);
  return {
    title: TITLE,
    section: 'system',
    main: [
      dependencies(deps, overview),
      outbox(deps, overview),
      schedules(overview),
      h.div({ class: 'columns' }, quotas(overview), comparison(overview)),
    ],
  };
}

function forSome(): Page {
  return {
    title: TITLE,
    section: 'system',
    status: 403,
    main: emptyState(
      h.p({}, h.strong({}, 'This page is for operators who may assign every role.')),
      h.p({}, 'Ask whoever runs Registrar: the grant ', mono('*'), ' of ROLE_GRANTS opens it.'),
    ),
  };
}

function dependencies({ temporal: view }: AppDeps, { temporal }: Overview): Element {
  const ui = view.uiUrl === null ? null : runsLink(view.uiUrl, view.namespace);
  return card(
    {
      id: 'dependencies',
      title: 'Dependencies',
      actions: ui !== null && h.a({ href: ui, rel: 'noreferrer' }, 'Temporal UI'),
    },
    definitionList([
      // Without it there is no page.
      ['Database', badge('good', 'ok')],
      ['Temporal', temporal.away === null ? badge('good', 'ok') : badge('urgent', temporal.away)],
      ['Worker', workerBadge(temporal.isPolled)],
    ]),
    temporal.away !== null &&
      h.p({}, 'Registrations are accepted and wait; they continue once Temporal is back.'),
  );
}

function workerBadge(isPolled: boolean | null): Element {
  if (isPolled === null) return badge('off', 'unknown: only Temporal knows');
  return isPolled ? badge('good', 'ok') : badge('urgent', 'none is running');
}

function outbox(deps: AppDeps, overview: Overview): Element {
  const stuck = new Set(
    attentionOf(overview).flatMap((item) =>
      item.of === 'destination' ? [item.state.destination] : [],
    ),
  );
  return card(
    { id: 'outbox', title: 'Outbox' },
    dataTable<OutboxState>({
      caption: 'Outbox, by destination',
      columns: [
        { head: 'Destination', cell: ({ destination }) => mono(destination) },
        {
          head: 'State',
          cell: (state) => {
            if (!isConfigured(deps, state.destination)) return badge('off', 'not configured');
            if (stuck.has(state.destination)) return badge('urgent', 'needs a person');
            if (state.lastError !== null) return badge('attention', 'failing');
            return state.pending > 0 ? badge('busy', 'delivering') : badge('good', 'ok');
          },
        },
        {
          head: 'Pending',
          isNumber: true,
          cell: ({ pending }) => numberOf(pending, BACKLOG_BOUND),
        },
        {
          head: 'Given up',
          isNumber: true,
          cell: ({ givenUp }) => numberOf(givenUp, BACKLOG_BOUND),
        },
        { head: 'Oldest', cell: ({ oldestAt }) => time(oldestAt) },
        { head: 'Next attempt', cell: ({ nextAttemptAt }) => time(nextAttemptAt) },
        { head: 'Last error', cell: ({ lastError }) => (lastError ? mono(lastError) : none()) },
        { head: 'Action', cell: (state) => deliveryActions(deps, state) ?? none() },
      ],
      rows: overview.outbox,
    }),
  );
}

function quotas({ quotas: states }: Overview): Element {
  return card(
    { id: 'quotas', title: 'Quotas of Cognito' },
    dataTable<QuotaState>({
      caption: 'Quotas',
      columns: [
        { head: 'Quota', cell: ({ name }) => wordsOf(name) },
        {
          head: 'Per second',
          isNumber: true,
          cell: ({ perSecond }) => (perSecond === 0 ? 'unpaced' : numberOf(perSecond)),
        },
        {
          head: 'Queued',
          isNumber: true,
          cell: ({ queued }) => numberOf(queued, BACKLOG_BOUND),
        },
      ],
      rows: states,
    }),
  );
}

function schedules({ temporal }: Overview): Element {
  return card(
    { id: 'schedules', title: 'Schedules' },
    temporal.schedules.some(({ exists }) => exists === false) &&
      h.p(
        {},
        h.strong({}, 'What to do: '),
        'Create those that are missing: ',
        h.code({}, 'npm run setup'),
      ),
    dataTable<ScheduleState>({
      caption: 'Schedules',
      columns: [
        { head: 'Schedule', cell: ({ name }) => mono(name) },
        { head: 'State', cell: ({ exists }) => existsBadge(exists) },
        {
          head: 'Last run',
          cell: ({ exists, lastRunAt }) => (exists === null ? none('unknown') : time(lastRunAt)),
        },
        {
          head: 'Outcome',
          cell: ({ exists, lastOutcome }) =>
            exists === null ? none('unknown') : outcomeBadge(lastOutcome),
        },
        {
          head: 'Next run',
          cell: ({ exists, nextRunAt }) => (exists === null ? none('unknown') : time(nextRunAt)),
        },
      ],
      rows: temporal.schedules,
    }),
  );
}

function existsBadge(exists: boolean | null): Element {
  if (exists === null) return badge('off', 'unknown');
  return exists ? badge('good', 'exists') : badge('urgent', 'missing');
}

function outcomeBadge(outcome: string | null): Content {
  if (outcome === null) return none();
  if (outcome === 'completed') return badge('good', outcome);
  return outcome === 'running' ? badge('busy', outcome) : badge('bad', wordsOf(outcome));
}

function comparison({ comparison: last }: Overview): Element {
  const shown = { id: 'comparison', title: 'Last comparison of ledger and pool' };
  if (last === null) return card(shown, emptyState('None has finished yet.'));
  const counts = Object.entries(last.counts)
    .map(([name, count]) => ({ name, count }))
    .toSorted((one, other) => other.count - one.count);
  return card(
    shown,
    definitionList([
      ['Result', last.agrees ? badge('good', 'they agree') : badge('urgent', 'they differ')],
      !last.agrees && ['Found', differencesOf(last)],
      ['Finished', time(last.finishedAt)],
    ]),
    !last.agrees && comparisonRemedy(),
    h.details(
      {},
      h.summary({}, 'All counts'),
      dataTable<(typeof counts)[number]>({
        caption: 'What the comparison counted',
        columns: [
          { head: 'Counted', cell: ({ name }) => mono(name) },
          { head: 'Users', isNumber: true, cell: ({ count }) => numberOf(count) },
        ],
        rows: counts,
      }),
    ),
  );
}

function time(at: Date | null): Content {
  return timeOf(at && at.toISOString());
}
