import type { AuditEventName } from '../../../../domain/audit-event.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';
import type { ApiAnswer } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import type { Confirmation, ConsoleRoutes, Page, SentForm, Visit } from '../../visit.ts';
import { isInvitationOffered, registrationOffers, registrationPath } from './offers.ts';
import { doesNotApply, refusedPage, whom } from './confirm.ts';
import { sendOnce, onceField, type Instructed } from './once.ts';
import { assignableRoles, chosenRoles, roleBoxes } from './role-boxes.ts';
import { nameOf } from './search.ts';

type Confirmed = Pick<Confirmation, 'title' | 'explanation' | 'button'> & Partial<Confirmation>;

interface RegistrationAction {
  /** The last segment of its path, in the console and in the API. */
  readonly name: string;
  readonly method: 'POST' | 'PUT';
  /** What the trail says of it. */
  readonly event: AuditEventName;
  readonly confirm: (receipt: Receipt, visit: Visit) => Promise<Confirmed | Page> | Confirmed;
  readonly body: (form: SentForm) => object;
  readonly notice: string;
}

const RETRY: RegistrationAction = {
  name: 'retry',
  method: 'POST',
  event: 'registration.retry_requested',
  body: ({ reason }) => ({ reason }),
  confirm: (receipt) =>
    receipt.status === 'cleanup_required'
      ? {
          title: 'Retry the cleanup',
          explanation: [
            whomOf(receipt),
            h.p({}, 'What could not be undone is tried again now, with a full retry budget.'),
          ],
          button: 'Retry the cleanup',
        }
      : {
          title: 'Retry the registration',
          explanation: [
            whomOf(receipt),
            h.p(
              {},
              'The step that failed is tried again now, with a full retry budget. What is done is not repeated.',
            ),
          ],
          button: 'Retry',
        },
  notice: 'The registration is being retried.',
};

const CANCEL: RegistrationAction = {
  name: 'cancel',
  method: 'POST',
  event: 'registration.cancel_requested',
  body: ({ reason }) => ({ reason }),
  confirm: (receipt) => ({
    title: 'Cancel the registration',
    explanation: [
      whomOf(receipt),
      h.p(
        {},
        receipt.userId === null
          ? 'Everything that was done is undone. The address and the username are free after it.'
          : 'Everything that was done is undone: the new user is deleted from the pool. The address and the username are free after it.',
      ),
    ],
    button: 'Cancel the registration',
    isDangerous: true,
  }),
  notice: 'The registration is being cancelled.',
};

const ROLES: RegistrationAction = {
  name: 'roles',
  method: 'PUT',
  event: 'registration.roles_requested',
  body: (form) => ({ roles: chosenRoles(form), reason: form.reason }),
  confirm: async (receipt, visit) => {
    const roles = await assignableRoles(visit);
    if (!roles.ok) return refusedPage(roles.problem);
    return {
      title: 'Give other roles',
      explanation: [
        whomOf(receipt),
        h.p(
          {},
          'The person gets the roles that are checked here, and the registration goes on at once. A role that is not checked and was assigned already is taken away.',
        ),
      ],
      fields: roleBoxes(roles.body.items, receipt.roles),
      button: 'Replace the roles and go on',
    };
  },
  notice: 'The roles are replaced; the registration goes on.',
};

const INVITATION: RegistrationAction = {
  name: 'invitation',
  method: 'POST',
  event: 'invitation.requested',
  body: ({ reason }) => ({ reason }),
  confirm: (receipt) => ({
    title: 'Resend the invitation',
    explanation: [
      whomOf(receipt),
      h.p(
        {},
        'A new temporary password is mailed. It is valid for 7 days, and the earlier one is not valid any more.',
      ),
    ],
    button: 'Resend the invitation',
  }),
  notice: 'The invitation is sent again.',
};

/** What an operator does with a registration. */
export function mountRegistrationActions(routes: ConsoleRoutes): void {
  for (const action of [RETRY, ROLES, CANCEL, INVITATION]) {
    routes.action(`/console/registrations/:id/${action.name}`, {
      confirm: (visit) => confirm(visit, action),
      perform: (visit, form) => perform(visit, action, form),
      done: (_, body) => ({ to: registrationPath((body as Receipt).id), notice: action.notice }),
    });
  }
}

async function confirm(visit: Visit, action: RegistrationAction): Promise<Confirmation | Page> {
  const answer = await visit.api.get<Receipt>(apiPath(visit));
  if (!answer.ok) return refusedPage(answer.problem);
  const receipt = answer.body;
  const back = registrationPath(receipt.id);
  if (!(await applies(visit, receipt, action))) return doesNotApply(nameOf(receipt), back);
  const confirmed = await action.confirm(receipt, visit);
  if ('main' in confirmed) return confirmed;
  const hidden = onceField(receipt, instructed(visit, action));
  const fields: Confirmation['fields'] = (sent, problem) => [
    hidden(sent),
    confirmed.fields?.(sent, problem),
  ];
  return { section: 'person', asksReason: true, back, ...confirmed, fields };
}

async function perform(
  visit: Visit,
  action: RegistrationAction,
  form: SentForm,
): Promise<ApiAnswer<Receipt>> {
  const path = apiPath(visit);
  return await sendOnce<Receipt>(
    form,
    instructed(visit, action),
    () => visit.api.get(path),
    () => visit.api.send(action.method, `${path}/${action.name}`, action.body(form)),
  );
}

function instructed({ operator }: Visit, { event }: RegistrationAction): Instructed {
  return { event, operatorId: operator.userId };
}

async function applies(
  { api }: Visit,
  receipt: Receipt,
  { name }: RegistrationAction,
): Promise<boolean> {
  if (name !== INVITATION.name) {
    const href = registrationPath(receipt.id, `/${name}`);
    return registrationOffers(receipt).some((offer) => offer.href === href);
  }
  if (receipt.userId === null || receipt.status !== 'completed') return false;
  const user = await api.get<User>(`/users/${receipt.userId}`);
  return user.ok && isInvitationOffered(receipt, user.body);
}

function apiPath({ c }: Visit): string {
  return `/registrations/${encodeURIComponent(c.req.param('id') ?? '')}`;
}

function whomOf({ email, username, id }: Receipt): Content {
  return whom([
    ['E-mail', email],
    ['Username', username],
    ['Registration', id],
  ]);
}
