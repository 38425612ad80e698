import { attentionOf, type AttentionItem, type Overview } from '../../../../domain/overview.ts';
import type { AppDeps } from '../../../app-deps.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import { h, type Content } from '../../elements.ts';
import { icon } from '../../icons.ts';
import { numberOf } from '../../numbers.ts';
import { countList, emptyState, statusBadge } from '../../parts.ts';
import { problemPage } from '../../problem-page.ts';
import type { Page, Visit } from '../../visit.ts';
import { personOf } from '../person/change-page.ts';
import { nameOf } from '../person/search.ts';
import { CHANGE_TITLES } from '../person/in-words.ts';
import { askOverview } from '../ask-overview.ts';
import { historyCards } from './history.ts';
import { itemCard } from './items.ts';

/** Statuses count up to here. */
const STATUS_BOUND = 10_000;
export const TITLE = 'Needs a person';

/** What operators with the grant `*` see first. */
export async function pageForAll(deps: AppDeps, visit: Visit): Promise<Page> {
  const [answer, history] = await Promise.all([askOverview(visit), historyCards(deps, visit)]);
  if (!answer.ok) return problemPage('attention', TITLE, answer.problem);
  const { registrations, changes } = answer.body;
  return {
    title: TITLE,
    section: 'attention',
    main: [
      await attention(deps, visit, answer.body),
      counts('Registrations', '/console/registrations', registrations.byStatus),
      counts('Changes', '/console/changes', changes.byStatus),
      history,
    ],
  };
}

async function attention(deps: AppDeps, visit: Visit, overview: Overview): Promise<Content> {
  const items = attentionOf(overview);
  const names = await Promise.all(items.map((item) => oldestOf(deps, visit, item)));
  if (items.length > 0) {
    return items.map((item, index) => itemCard(deps, item, index, names[index] ?? null));
  }
  return emptyState(
    h.p({ class: 'tone-good' }, icon('good'), ' ', h.strong({}, 'Nothing needs a person.')),
    h.p({}, 'What fails for a while is retried automatically. What lasts is shown here.'),
  );
}

/** What people call the oldest of a group; null: it is no group, or cannot be read. */
async function oldestOf(deps: AppDeps, visit: Visit, item: AttentionItem): Promise<string | null> {
  if (item.of !== 'group') return null;
  const { api } = visit;
  const { kind, oldestId } = item.group;
  if (kind === 'change') {
    const change = await api.get<ChangeReceipt>(`/changes/${oldestId}`);
    if (!change.ok) return null;
    const person = await personOf(deps, visit, change.body.userId);
    const title = CHANGE_TITLES[change.body.kind];
    return person === null ? title : `${title}: ${nameOf(person)}`;
  }
  const receipt = await api.get<Receipt>(`/registrations/${oldestId}`);
  return receipt.ok ? receipt.body.email : null;
}

/** Counts of each status, with links to those. */
export function counts(
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
        count: numberOf(byStatus[status] ?? 0, STATUS_BOUND),
        href: `${path}?status=${status}`,
      })),
    ),
  ];
}
