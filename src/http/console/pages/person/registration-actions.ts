import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';
import { h, type Content } from '../../elements.ts';
import type { Action, Confirmation, ConsoleRoutes, Page, Visit } from '../../visit.ts';
import { isInvitationOffered, registrationOffers, registrationPath } from './offers.ts';
import { doesNotApply, problemPage, whom } from './confirm.ts';
import { assignableRoles, chosenRoles, roleBoxes } from './role-boxes.ts';
import { nameOf } from './search.ts';

type Confirmed = Pick<Confirmation, 'title' | 'explanation' | 'button'> & Partial<Confirmation>;

interface RegistrationAction {
  /** The last segment of its path, in the console and in the API. */
  readonly name: string;
  readonly confirm: (receipt: Receipt, visit: Visit) => Promise<Confirmed | Page> | Confirmed;
  readonly perform?: Action['perform'];
  readonly notice: string;
}

const RETRY: RegistrationAction = {
  name: 'retry',
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
  confirm: async (receipt, visit) => {
    const roles = await assignableRoles(visit);
    if (!roles.ok) return problemPage(roles.problem);
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
  perform: ({ api, c }, form) =>
    api.send('PUT', apiPath(c.req.param('id'), '/roles'), {
      roles: chosenRoles(form),
      reason: form.reason,
    }),
  notice: 'The roles are replaced; the registration goes on.',
};

const INVITATION: RegistrationAction = {
  name: 'invitation',
  confirm: (receipt) => ({
    title: 'Resend the invitation',
    explanation: [
      whomOf(receipt),
      h.p(
        {},
        'A new temporary password is mailed. It is valid for 7 days, and the earlier one is not valid any more.',
      ),
    ],
    asksReason: false,
    button: 'Resend the invitation',
  }),
  perform: ({ api, c }) => api.send('POST', apiPath(c.req.param('id'), '/invitation'), {}),
  notice: 'The invitation is sent again.',
};

/** What an operator does with a registration. */
export function mountRegistrationActions(routes: ConsoleRoutes): void {
  for (const action of [RETRY, ROLES, CANCEL, INVITATION]) {
    routes.action(`/console/registrations/:id/${action.name}`, {
      confirm: (visit) => confirm(visit, action),
      perform: action.perform ?? ((visit, { reason }) => instruct(visit, action, reason)),
      done: (_, body) => ({ to: registrationPath((body as Receipt).id), notice: action.notice }),
    });
  }
}

async function confirm(visit: Visit, action: RegistrationAction): Promise<Confirmation | Page> {
  const id = visit.c.req.param('id') ?? '';
  const answer = await visit.api.get<Receipt>(apiPath(id, ''));
  if (!answer.ok) return problemPage(answer.problem);
  const receipt = answer.body;
  const back = registrationPath(receipt.id);
  if (!(await applies(visit, receipt, action))) return doesNotApply(nameOf(receipt), back);
  const confirmed = await action.confirm(receipt, visit);
  if ('main' in confirmed) return confirmed;
  return { section: 'person', asksReason: true, back, ...confirmed };
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

async function instruct({ api, c }: Visit, { name }: RegistrationAction, reason: string | null) {
  return await api.send('POST', apiPath(c.req.param('id'), `/${name}`), { reason });
}

function apiPath(id: string | undefined, rest: string): string {
  return `/registrations/${encodeURIComponent(id ?? '')}${rest}`;
}

function whomOf({ email, username, id }: Receipt): Content {
  return whom([
    ['E-mail', email],
    ['Username', username],
    ['Registration', id],
  ]);
}
