import { attentionOf, type AttentionItem, type Overview } from '../../../../domain/overview.ts';
import type { AppDeps } from '../../../app-deps.ts';
import { BACKLOG_BOUND } from '../../../../ledger/backlog.ts';
import { readChange } from '../../../../ledger/changes/read.ts';
import { readRegistration } from '../../../../ledger/registrations/read.ts';
import { currentOverview } from '../../../operations/overview.ts';
import { h, type Content } from '../../elements.ts';
import { icon } from '../../icons.ts';
import { numberOf } from '../../numbers.ts';
import { countList, emptyState, statusBadge } from '../../parts.ts';
import type { Page, Visit } from '../../visit.ts';
import { CHANGE_TITLES } from '../person/in-words.ts';
import { historyCards } from './history.ts';
import { itemCard } from './items.ts';

export const TITLE = 'Needs a person';

/** What operators with the grant `*` see first. */
export async function pageForAll(deps: AppDeps, visit: Visit): Promise<Page> {
  const [overview, history] = await Promise.all([currentOverview(deps), historyCards(deps, visit)]);
  const { registrations, changes } = overview;
  return {
    title: TITLE,
    section: 'attention',
    main: [
      await attention(deps, overview),
      statusCounts('Registrations', '/console/registrations', registrations.byStatus),
      statusCounts('Changes', '/console/changes', changes.byStatus),
      history,
    ],
  };
}

async function attention(deps: AppDeps, overview: Overview): Promise<Content> {
  const items = attentionOf(overview);
  const names = await Promise.all(items.map((item) => oldestOf(deps, item)));
  if (items.length > 0) {
    return items.map((item, index) => itemCard(deps, item, index, names[index] ?? null));
  }
  return emptyState(
    h.p({ class: 'tone-good' }, icon('good'), ' ', h.strong({}, 'Nothing needs a person.')),
    h.p({}, 'What fails for a while is retried automatically. What lasts is shown here.'),
  );
}

/** What people call the oldest of a group; null: it is no group, or the person is erased. */
async function oldestOf({ db }: Pick<AppDeps, 'db'>, item: AttentionItem): Promise<string | null> {
  if (item.of !== 'group') return null;
  const { kind, oldestId } = item.group;
  if (kind === 'registration') return (await readRegistration(db, oldestId))?.email ?? null;
  const change = await readChange(db, oldestId);
  if (change === null) return null;
  const person = await readRegistration(db, change.registrationId);
  return [CHANGE_TITLES[change.kind], person?.email].filter(Boolean).join(': ');
}

/** Counts of each status, with links to those. */
export function statusCounts(
  title: string,
  path: string,
  byStatus: Readonly<
    Partial<Overview['registrations']['byStatus'] & Overview['changes']['byStatus']>
  >,
): Content {
  const statuses = Object.keys(byStatus) as (keyof typeof byStatus)[];
  return [
    h.h2({}, title),
    countList(
      statuses.map((status) => ({
        label: statusBadge(status),
        count: numberOf(byStatus[status] ?? 0, BACKLOG_BOUND),
        href: `${path}?status=${status}`,
      })),
    ),
  ];
}
