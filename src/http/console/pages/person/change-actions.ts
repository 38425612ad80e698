import type { ChangeReceipt } from '../../../changes/schemas.ts';
import { h } from '../../elements.ts';
import type { Confirmation, ConsoleRoutes, Page, Visit } from '../../visit.ts';
import { doesNotApply, problemPage, whom } from './confirm.ts';
import { CHANGE_TITLES } from './in-words.ts';
import { changeOffers, changePath } from './offers.ts';

interface ChangeAction {
  /** The last segment of its path, in the console and in the API. */
  readonly name: string;
  readonly title: string;
  readonly explanation: string;
  readonly button: string;
  readonly notice: string;
}

const ACTIONS: readonly ChangeAction[] = [
  {
    name: 'retry',
    title: 'Retry the change',
    explanation:
      'The step that failed is tried again now, with a full retry budget. What is done is not repeated.',
    button: 'Retry',
    notice: 'The change is being retried.',
  },
  {
    name: 'cancel',
    title: 'Cancel the change',
    explanation: 'What the change has done is put back: the person is as before.',
    button: 'Cancel the change',
    notice: 'The change is being cancelled.',
  },
];

/** What an operator does with a change that is not finished. */
export function mountChangeActions(routes: ConsoleRoutes): void {
  for (const action of ACTIONS) {
    routes.action(`/console/changes/:id/${action.name}`, {
      confirm: (visit) => confirm(visit, action),
      perform: ({ api, c }, { reason }) =>
        api.send('POST', `${apiPath(c.req.param('id'))}/${action.name}`, { reason }),
      done: (_, body) => ({ to: changePath((body as ChangeReceipt).id), notice: action.notice }),
    });
  }
}

async function confirm(visit: Visit, action: ChangeAction): Promise<Confirmation | Page> {
  const answer = await visit.api.get<ChangeReceipt>(apiPath(visit.c.req.param('id')));
  if (!answer.ok) return problemPage(answer.problem);
  const change = answer.body;
  const href = changePath(change.id, `/${action.name}`);
  const back = changePath(change.id);
  const isOffered = changeOffers(change, visit.operator.userId).some(
    (offer) => offer.href === href,
  );
  if (!isOffered) return doesNotApply(CHANGE_TITLES[change.kind], back);
  return {
    title: action.title,
    section: 'person',
    explanation: [
      whom([
        ['Change', CHANGE_TITLES[change.kind]],
        ['User', change.userId],
      ]),
      h.p({}, action.explanation),
    ],
    asksReason: true,
    button: action.button,
    back,
  };
}

function apiPath(id: string | undefined): string {
  return `/changes/${encodeURIComponent(id ?? '')}`;
}
