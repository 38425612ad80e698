import type { AppDeps } from '../../../app-deps.ts';
import { registrationsOfUser } from '../../../../ledger/registrations/account-events.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import { h, type Content } from '../../elements.ts';
import { card, definitionList, mono, none, timeOf } from '../../parts.ts';
import { sagaPicture } from '../../saga-picture.ts';
import type { Page, Visit } from '../../visit.ts';
import { CHANGE_TITLES } from './in-words.ts';
import { registrationPath } from './offers.ts';
import { refusedPage } from './confirm.ts';
import { nameOf } from './search.ts';
import { changeState, followed, workflowLink } from './state.ts';
import { actorOf, timelineCard } from './timeline.ts';

/** `/console/changes/{id}`: one change of a person. */
export async function changePage(deps: Pick<AppDeps, 'db'>, visit: Visit): Promise<Page> {
  const id = visit.c.req.param('id') ?? '';
  const answer = await visit.api.get<ChangeReceipt>(`/changes/${encodeURIComponent(id)}`);
  if (!answer.ok) return refusedPage(answer.problem);
  const change = answer.body;
  const person = await personOf(deps, visit, change.userId);
  return {
    title: CHANGE_TITLES[change.kind],
    section: 'person',
    main: h.div(
      { id: 'change', ...followed([change]) },
      person !== null && h.p({}, 'Of ', h.a({ href: registrationPath(person.id) }, nameOf(person))),
      card({ id: 'state', title: 'State' }, changeState(visit, change)),
      sagaPicture(change),
      timelineCard(change.timeline, visit.operator),
      referenceCard(change, visit.operator),
    ),
  };
}

/** The registration of the person, where this operator sees it. */
export async function personOf(
  { db }: Pick<AppDeps, 'db'>,
  { api }: Visit,
  userId: string,
): Promise<Receipt | null> {
  const [id] = await registrationsOfUser(db, userId);
  const answer = id === undefined ? null : await api.get<Receipt>(`/registrations/${id}`);
  return answer?.ok === true ? answer.body : null;
}

function referenceCard(change: ChangeReceipt, operator: Visit['operator']): Content {
  const { id, kind, userId, roles, requestedBy, acceptedAt, finishedAt, workflow } = change;
  return card(
    { id: 'reference', title: 'Reference' },
    definitionList([
      ['Change id', mono(id)],
      ['User id', mono(userId)],
      kind === 'roles' && ['Roles requested', roles.length > 0 ? roles.join(', ') : none()],
      ['Requested by', actorOf(requestedBy, operator)],
      ['Accepted', timeOf(acceptedAt)],
      ['Finished', timeOf(finishedAt)],
      ['Workflow', workflowLink(workflow)],
      ['JSON receipt', h.code({}, `GET /changes/${id}`)],
    ]),
  );
}
