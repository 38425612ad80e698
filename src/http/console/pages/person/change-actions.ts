import type { AuditEventName } from '../../../../domain/audit-event.ts';
import type { AppDeps } from '../../../app-deps.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { ApiAnswer } from '../../call-api.ts';
import { h } from '../../elements.ts';
import type { Confirmation, ConsoleRoutes, Page, SentForm, Visit } from '../../visit.ts';
import { doesNotApply, refusedPage, whom } from './confirm.ts';
import { CHANGE_TITLES } from './in-words.ts';
import { personOf } from './change-page.ts';
import { changeOffers, changePath } from './offers.ts';
import { sendOnce, onceField, type Instructed } from './once.ts';

interface ChangeAction {
  /** The last segment of its path, in the console and in the API. */
  readonly name: string;
  /** What the trail says of it. */
  readonly event: AuditEventName;
  readonly title: string;
  readonly explanation: string;
  readonly button: string;
  readonly notice: string;
}

const ACTIONS: readonly ChangeAction[] = [
  {
    name: 'retry',
    event: 'change.retry_requested',
    title: 'Retry the change',
    explanation:
      'The step that failed is tried again now, with a full retry budget. What is done is not repeated.',
    button: 'Retry',
    notice: 'The change is being retried.',
  },
  {
    name: 'cancel',
    event: 'change.cancel_requested',
    title: 'Cancel the change',
    explanation: 'What the change has done is put back: the person is as before.',
    button: 'Cancel the change',
    notice: 'The change is being cancelled.',
  },
];

/** What an operator does with a change that is not finished. */
export function mountChangeActions(routes: ConsoleRoutes, deps: Pick<AppDeps, 'db'>): void {
  for (const action of ACTIONS) {
    routes.action(`/console/changes/:id/${action.name}`, {
      confirm: (visit) => confirm(deps, visit, action),
      perform: (visit, form) => perform(visit, action, form),
      done: (_, body) => ({ to: changePath((body as ChangeReceipt).id), notice: action.notice }),
    });
  }
}

async function confirm(
  deps: Pick<AppDeps, 'db'>,
  visit: Visit,
  action: ChangeAction,
): Promise<Confirmation | Page> {
  const answer = await visit.api.get<ChangeReceipt>(apiPath(visit));
  if (!answer.ok) return refusedPage(answer.problem);
  const change = answer.body;
  const href = changePath(change.id, `/${action.name}`);
  const back = changePath(change.id);
  const isOffered = changeOffers(change, visit.operator.userId).some(
    (offer) => offer.href === href,
  );
  if (!isOffered) return doesNotApply(CHANGE_TITLES[change.kind], back);
  const person = await personOf(deps, visit, change.userId);
  return {
    title: action.title,
    section: 'person',
    explanation: [
      whom([
        ['Change', CHANGE_TITLES[change.kind]],
        ['E-mail', person?.email ?? null],
        ['User', change.userId],
      ]),
      h.p({}, action.explanation),
    ],
    asksReason: true,
    fields: onceField(change, instructed(visit, action)),
    button: action.button,
    back,
  };
}

async function perform(
  visit: Visit,
  action: ChangeAction,
  form: SentForm,
): Promise<ApiAnswer<ChangeReceipt>> {
  const path = apiPath(visit);
  return await sendOnce<ChangeReceipt>(
    form,
    instructed(visit, action),
    () => visit.api.get(path),
    () => visit.api.send('POST', `${path}/${action.name}`, { reason: form.reason }),
  );
}

function instructed({ operator }: Visit, { event }: ChangeAction): Instructed {
  return { event, operatorId: operator.userId };
}

function apiPath({ c }: Visit): string {
  return `/changes/${encodeURIComponent(c.req.param('id') ?? '')}`;
}
