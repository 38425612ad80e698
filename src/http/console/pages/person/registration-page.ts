import type { z } from '@hono/zod-openapi';
import { isOpenChange } from '../../../../domain/change.ts';
import { FAILURES } from '../../../../domain/failure.ts';
import { isClosed } from '../../../../domain/status.ts';
import type { AppDeps } from '../../../app-deps.ts';
import type { ChangePage, ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';
import { h, type Content, type Element } from '../../elements.ts';
import { FOLLOWS, liveReceipt } from '../../live-receipt.ts';
import {
  actionBar,
  actionLink,
  badge,
  card,
  definitionList,
  mono,
  none,
  problemBox,
  prose,
  timeOf,
} from '../../parts.ts';
import type { Page, Visit } from '../../visit.ts';
import { accountCard } from './account.ts';
import { deliveriesCard } from './deliveries.ts';
import { CHANGE_TITLES, registrationInWords, remedyOf } from './in-words.ts';
import { changePath, registrationOffers, registrationPath } from './offers.ts';
import { refusedPage } from './confirm.ts';
import { changesCard, nameOf } from './search.ts';
import { changeState, followed, offerBar, workflowLink } from './state.ts';
import { actorOf, timelineCard } from './timeline.ts';

/** `/console/registrations/{id}`: everything about one registration and its person. */
export async function registrationPage(deps: AppDeps, visit: Visit): Promise<Page> {
  const path = `/registrations/${encodeURIComponent(visit.c.req.param('id') ?? '')}`;
  const first = await visit.api.get<Receipt>(path);
  if (!first.ok) return refusedPage(first.problem);
  const { id, userId } = first.body;
  // The changes before what they change: of one that has ended, the page shows what it did.
  const changes =
    userId === null
      ? null
      : await visit.api.get<z.infer<typeof ChangePage>>(`/changes?limit=20&userId=${userId}`);
  const [answer, account, deliveries] = await Promise.all([
    changes === null ? first : visit.api.get<Receipt>(path),
    userId === null || first.body.status !== 'completed'
      ? null
      : visit.api.get<User>(`/users/${userId}`),
    deliveriesCard(deps.db, visit, id),
  ]);
  if (!answer.ok) return refusedPage(answer.problem);
  const receipt = answer.body;
  const items = changes?.ok === true ? changes.body.items : [];
  return {
    title: nameOf(receipt),
    section: 'person',
    main: [
      openChanges(visit, items),
      liveReceipt(receipt),
      h.div(
        { id: 'details', [FOLLOWS]: '' },
        stateCard(receipt),
        account &&
          (await accountCard(deps.db, visit, { receipt, answer: account, changes: items })),
        invitationCard(receipt),
        changes && !changes.ok && problemBox(changes.problem),
        items.length > 0 && changesCard(items, visit.operator),
        deliveries,
        timelineCard(receipt.timeline, visit.operator),
        referenceCard(receipt, visit.operator),
      ),
    ],
  };
}

/** The changes of the person that have not ended, above everything else. */
function openChanges(visit: Visit, changes: readonly ChangeReceipt[]): Element {
  const open = changes.filter(({ status }) => isOpenChange(status));
  return h.div(
    { id: 'open-changes', ...followed(open) },
    open.map((change) => openChange(visit, change)),
  );
}

function openChange(visit: Visit, change: ChangeReceipt): Element {
  return card(
    { id: `change-${change.id}`, title: CHANGE_TITLES[change.kind] },
    changeState(visit, change),
    h.p({}, h.a({ href: changePath(change.id) }, 'Look at the change')),
  );
}

/** null: nothing is left to do, or to say beside the live receipt. */
function stateCard(receipt: Receipt): Content {
  const { status, failure } = receipt;
  const { says, since, remedy } = registrationInWords(receipt);
  if (remedy === null && isClosed(status)) return null;
  return card(
    { id: 'what-to-do', title: remedy === null ? 'State' : 'What to do' },
    h.p({}, prose(remedy ?? says)),
    offerBar(registrationOffers(receipt)),
    status === 'cleanup_required' &&
      failure !== null &&
      h.p({}, h.strong({}, 'Why the registration failed: '), prose(remedyOf(failure.cause))),
    h.p({ class: 'dim' }, 'Since ', timeOf(since)),
  );
}

function invitationCard({ id, invitation }: Receipt): Content {
  const { status, sentAt, expiresAt, failure } = invitation;
  if (status === 'none' && failure === null) return null;
  const isExpired = expiresAt !== null && Date.parse(expiresAt) < Date.now();
  return card(
    { id: 'invitation', title: 'Invitation' },
    definitionList([
      [
        'State',
        failure ? badge('attention', 'not confirmed') : stateOfInvitation(status, isExpired),
      ],
      ['Sent', timeOf(sentAt)],
      expiresAt !== null && [isExpired ? 'Expired' : 'Expires', timeOf(expiresAt)],
      failure !== null && ['Why it is not sent again', prose(failure.detail)],
      failure !== null && ['What to do', prose(FAILURES[failure.cause].operator)],
    ]),
    failure !== null &&
      actionBar(
        actionLink({ href: registrationPath(id, '/invitation'), label: 'Resend the invitation' }),
      ),
  );
}

function stateOfInvitation(status: Receipt['invitation']['status'], isExpired: boolean): Element {
  if (status === 'pending') return badge('waiting', 'pending');
  return isExpired ? badge('off', 'expired') : badge('good', 'sent');
}

function referenceCard(receipt: Receipt, operator: Visit['operator']): Element {
  const { id, userId, door, requestedBy, acceptedAt, finishedAt, roles, workflow } = receipt;
  return card(
    { id: 'reference', title: 'Reference' },
    definitionList([
      ['Registration id', mono(id)],
      ['User id', userId === null ? null : mono(userId)],
      ['Roles requested', roles.length > 0 ? roles.join(', ') : none()],
      ['Door', door],
      ['Requested by', actorOf(requestedBy, operator)],
      ['Accepted', timeOf(acceptedAt)],
      ['Finished', timeOf(finishedAt)],
      ['Workflow', workflowLink(workflow)],
      ['JSON receipt', h.code({}, `GET /registrations/${id}`)],
    ]),
  );
}
