import { FAILURES } from '../../../../domain/failure.ts';
import {
  differencesOf,
  type AttentionGroup,
  type AttentionItem,
  type ComparisonResult,
  type OutboxState,
} from '../../../../domain/overview.ts';
import { BACKLOG_BOUND } from '../../../../ledger/backlog.ts';
import type { AppDeps } from '../../../app-deps.ts';
import { h, type Element } from '../../elements.ts';
import { counted, numberOf } from '../../numbers.ts';
import {
  actionBar,
  actionLink,
  card,
  definitionList,
  mono,
  prose,
  statusBadge,
  timeOf,
} from '../../parts.ts';
import { deliveryActions } from '../system/deliveries.ts';
import { retryAllPath } from './retry-all.ts';

/** One thing that needs a person, and what a person does about it. */
export function itemCard(
  deps: Pick<AppDeps, 'eventDestinations'>,
  item: AttentionItem,
  index: number,
  oldest: string | null,
): Element {
  const id = `item-${index + 1}`;
  switch (item.of) {
    case 'group':
      return groupCard(id, item.group, oldest);
    case 'destination':
      return destinationCard(deps, id, item.state);
    case 'temporal':
      return card(
        { id, title: `Temporal ${item.away}` },
        h.p(
          {},
          'Start it again, or repair the connection. Registrations and changes then continue automatically.',
        ),
      );
    case 'worker':
      return card(
        { id, title: 'No worker is running' },
        h.p({}, 'Registrations are accepted and wait. Start one: ', h.code({}, 'npm run worker')),
      );
    case 'schedules':
      return card(
        { id, title: 'Schedules are missing' },
        definitionList([['Missing', item.missing.join(', ')]]),
        h.p({}, 'Create them: ', h.code({}, 'npm run setup')),
      );
    case 'comparison':
      return comparisonCard(id, item.comparison);
  }
}

function groupCard(id: string, group: AttentionGroup, oldestName: string | null): Element {
  const { kind, status, failureCode, cause, count, oldestAt, oldestId, remedy } = group;
  const oldest = `/console/${kind}s/${oldestId}`;
  return card(
    { id, title: FAILURES[cause].title, actions: statusBadge(status) },
    definitionList([
      ['Waiting', h.a({ href: listPath(group) }, counted(count, kind, BACKLOG_BOUND))],
      ['Since', timeOf(oldestAt.toISOString())],
      [
        status === 'cleanup_required' ? 'Undone because of' : 'Code',
        failureCode && mono(failureCode),
      ],
      [count > 1 ? 'Oldest' : 'Who', h.a({ href: oldest }, oldestName ?? mono(oldestId))],
    ]),
    h.p({}, h.strong({}, 'What to do: '), prose(remedy)),
    status === 'completed'
      ? actionBar(
          actionLink({ href: oldest, label: 'Open the oldest registration', kind: 'primary' }),
        )
      : actionBar(
          actionLink({
            href: retryAllPath({ kind, status, failureCode }),
            label: `Retry ${count > 1 ? 'all ' : ''}${counted(count, kind, BACKLOG_BOUND)}`,
            kind: 'primary',
          }),
          count > 1 && actionLink({ href: `${oldest}/retry`, label: 'Retry the oldest' }),
        ),
  );
}

function listPath({ kind, status, failureCode }: AttentionGroup): string {
  if (status === 'completed') return '/console/invitations';
  const query = new URLSearchParams({ status });
  if (kind === 'registration' && failureCode !== null) query.set('failureCode', failureCode);
  return `/console/${kind}s?${query.toString()}`;
}

function destinationCard(
  deps: Pick<AppDeps, 'eventDestinations'>,
  id: string,
  state: OutboxState,
): Element {
  const { destination, pending, givenUp, oldestAt, lastError } = state;
  const what = givenUp > 0 ? 'were given up' : 'are failing';
  return card(
    { id, title: `Deliveries to ${destination} ${what}` },
    definitionList([
      ['Given up', numberOf(givenUp, BACKLOG_BOUND)],
      ['Pending', numberOf(pending, BACKLOG_BOUND)],
      ['Since', timeOf(oldestAt && oldestAt.toISOString())],
      ['Last error', lastError && mono(lastError)],
    ]),
    h.p({}, h.strong({}, 'What to do: '), 'Repair the destination, then deliver.'),
    actionBar(deliveryActions(deps, state)),
  );
}

function comparisonCard(id: string, comparison: ComparisonResult): Element {
  return card(
    { id, title: 'Ledger and pool differ' },
    definitionList([
      ['Found', differencesOf(comparison)],
      ['Compared', timeOf(comparison.finishedAt.toISOString())],
    ]),
    comparisonRemedy(),
  );
}

/** What a person does about a comparison that found something. */
export function comparisonRemedy(): Element {
  return h.p(
    {},
    h.strong({}, 'What to do: '),
    'Read the ids: ',
    h.code({}, 'npm run compare-pool'),
    '. Then see “Ledger and pool differ” in the runbook.',
  );
}
