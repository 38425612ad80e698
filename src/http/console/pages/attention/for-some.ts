import type { z } from '@hono/zod-openapi';
import { STATUSES } from '../../../../domain/status.ts';
import { TOTAL_BOUND } from '../../../../ledger/work/list.ts';
import type { ChangePage } from '../../../changes/schemas.ts';
import type { RegistrationPage } from '../../../registrations/schemas.ts';
import { h, type Element } from '../../elements.ts';
import { counted, numberOf } from '../../numbers.ts';
import { actionLink, card, countList, emptyState, statusBadge, wordsOf } from '../../parts.ts';
import { problemPage } from '../../problem-page.ts';
import type { Page, Visit } from '../../visit.ts';
import { TITLE } from './for-all.ts';
import { changeTable, isRetried, registrationTable } from './lists.ts';
import { retryAllPath } from './retry-all.ts';

/** Of each status that needs a person, the newest are shown. */
const SHOWN = 10;

type Status = (typeof STATUSES)[number];
type Registrations = z.infer<typeof RegistrationPage>;
type Changes = z.infer<typeof ChangePage>;

/** What operators with some grants see first: the registrations and changes that they may see. */
export async function pageForSome({ api }: Visit): Promise<Page> {
  const [parked, ...registrations] = await Promise.all([
    api.get<Changes>(`/changes?status=parked&limit=${SHOWN}`),
    ...STATUSES.map((status) =>
      api.get<Registrations>(
        `/registrations?status=${status}&limit=${isRetried(status) ? SHOWN : 1}`,
      ),
    ),
  ]);
  const byStatus: { status: Status; page: Registrations }[] = [];
  for (const [index, status] of STATUSES.entries()) {
    const answer = registrations[index];
    if (answer === undefined) continue;
    if (!answer.ok) return problemPage('attention', TITLE, answer.problem);
    byStatus.push({ status, page: answer.body });
  }
  if (!parked.ok) return problemPage('attention', TITLE, parked.problem);
  const cards = [
    ...byStatus
      .filter(({ status, page }) => isRetried(status) && page.items.length > 0)
      .map(({ status, page }) => registrationCard(status, page)),
    parked.body.items.length > 0 && changeCard(parked.body),
  ];
  return {
    title: TITLE,
    section: 'attention',
    main: [
      cards.some(Boolean)
        ? cards
        : emptyState(h.p({}, h.strong({}, 'Nothing that you may see needs a person.'))),
      h.h2({}, 'Registrations that you may see'),
      countList(
        byStatus.map(({ status, page }) => ({
          label: statusBadge(status),
          count: numberOf(page.total ?? TOTAL_BOUND, TOTAL_BOUND),
          href: `/console/registrations?status=${status}`,
        })),
      ),
      h.p(
        {},
        h.a({ href: '/console/invitations' }, 'Invitations that are not sent again by themselves'),
      ),
    ],
  };
}

function registrationCard(status: Status, { items, nextCursor, total }: Registrations): Element {
  const count = counted(total ?? TOTAL_BOUND, 'registration', TOTAL_BOUND);
  return groupCard({ kind: 'registration', status, count }, registrationTable(items, nextCursor));
}

function changeCard({ items, total }: Changes): Element {
  const count = counted(total ?? TOTAL_BOUND, 'change', TOTAL_BOUND);
  return groupCard({ kind: 'change', status: 'parked', count }, changeTable(items));
}

function groupCard(
  group: {
    readonly kind: 'registration' | 'change';
    readonly status: Status | 'parked';
    readonly count: string;
  },
  table: Element,
): Element {
  const { kind, status, count } = group;
  return card(
    {
      id: `${kind}-${status}`,
      title: `${count}: ${wordsOf(status)}`,
      actions: actionLink({
        href: retryAllPath({ kind, status, failureCode: null }),
        label: `Retry ${count}`,
        kind: 'primary',
      }),
    },
    table,
    h.p(
      {},
      h.a({ href: `/console/${kind}s?status=${status}` }, `List all ${kind}s of this status`),
    ),
  );
}
