import type { AppDeps } from '../../../app-deps.ts';
import { normaliseEmail } from '../../../../domain/email.ts';
import { registrationsOfUser } from '../../../../ledger/registrations/account-events.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt } from '../../../registrations/schemas.ts';
import type { User } from '../../../users/schemas.ts';
import type { ApiAnswer, ApiProblem } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import { errorAt, formField } from '../../fields.ts';
import type {
  Confirmation,
  ConsoleRoutes,
  FormFields,
  Page,
  SentForm,
  Visit,
} from '../../visit.ts';
import { NO_ROLE } from '../../../registrations/accept-for-caller.ts';
import { doesNotApply, refusedPage, whom, wrongForm } from './confirm.ts';
import { OWN_ACCOUNT } from './account.ts';
import { changePath, registrationPath, userOffers, userPath } from './offers.ts';
import { assignableRoles, chosenRoles, roleBoxes } from './role-boxes.ts';

type Confirmed = Pick<Confirmation, 'title' | 'button' | 'fields' | 'isDangerous'>;

interface UserAction {
  /** The last segment of its path in the console. */
  readonly name: string;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** What follows `/users/{userId}` in the API. */
  readonly api: string;
  /** What happens, in one paragraph. */
  readonly explanation: string;
  readonly confirm: (user: User, visit: Visit) => Confirmed | Promise<Confirmed | Page>;
  readonly body?: (form: SentForm) => object;
  /** What is wrong with the form; null: nothing. */
  readonly fault?: (form: SentForm) => string | null;
  readonly notice: string;
}

const OVERTAKES = 'Changes of roles that are not finished are cancelled.';

const ACTIONS: readonly UserAction[] = [
  {
    name: 'roles',
    method: 'PUT',
    api: '/roles',
    explanation:
      'The person has exactly the roles that are checked here. Roles are added before others are removed. If the change fails, the person has the present roles again.',
    confirm: async (user, visit) => {
      const roles = await assignableRoles(visit);
      if (!roles.ok) return refusedPage(roles.problem);
      return {
        title: 'Change the roles',
        fields: roleBoxes(roles.body.items, user.roles),
        button: 'Change the roles',
      };
    },
    body: (form) => ({ roles: chosenRoles(form) }),
    notice: 'The change of roles is accepted.',
  },
  {
    name: 'disable',
    method: 'POST',
    api: '/disable',
    explanation: `The person cannot sign in until the account is enabled again, and every session ends. ${OVERTAKES}`,
    confirm: () => ({ title: 'Disable the account', button: 'Disable', isDangerous: true }),
    notice: 'The account is being disabled.',
  },
  {
    name: 'enable',
    method: 'POST',
    api: '/enable',
    explanation: 'The person can sign in again.',
    confirm: () => ({ title: 'Enable the account', button: 'Enable' }),
    notice: 'The account is being enabled.',
  },
  {
    name: 'sign-out',
    method: 'POST',
    api: '/sign-out',
    explanation: `Every session of the person ends; the person can sign in again at once. ${OVERTAKES}`,
    confirm: () => ({ title: 'End every session', button: 'Sign out', isDangerous: true }),
    notice: 'The sessions of the person are being ended.',
  },
  {
    name: 'delete',
    method: 'DELETE',
    api: '',
    explanation: `The account is disabled, every session ends, and the account is deleted. The e-mail address, the names and what else says who the person is are erased from the ledger; ids and the audit trail stay. The address and the username are free after it. Once it has begun, it cannot be stopped. ${OVERTAKES}`,
    confirm: ({ email }) => ({
      title: 'Delete the person',
      fields: (sent, problem) => emailFields(email, sent, problem),
      button: 'Delete the person',
      isDangerous: true,
    }),
    fault: emailFault,
    notice: 'The person is being deleted.',
  },
];

/** What an operator does with the account of a registered person; each makes a change. */
export function mountUserActions(routes: ConsoleRoutes, { db }: Pick<AppDeps, 'db'>): void {
  for (const action of ACTIONS) {
    routes.action(`/console/users/:userId/${action.name}`, {
      confirm: (visit) => confirm(visit, action),
      perform: (visit, form) => perform(visit, action, form),
      done: (_, body) => ({ to: (body as Performed).to, notice: action.notice }),
    });
  }

  interface Performed {
    readonly to: string;
  }

  async function perform(
    visit: Visit,
    action: UserAction,
    form: SentForm,
  ): Promise<ApiAnswer<Performed>> {
    const { api, c } = visit;
    const fault = action.fault?.(form) ?? null;
    if (fault !== null) return wrongForm(visit, `#/${TYPED}`, fault);
    const userId = c.req.param('userId') ?? '';
    const path = `/users/${encodeURIComponent(userId)}${action.api}`;
    const body = { ...action.body?.(form), reason: form.reason };
    const answer = await api.send<ChangeReceipt>(action.method, path, body, form.idempotencyKey);
    if (!answer.ok) return answer;
    const change = answer.body;
    const [registrationId] = await registrationsOfUser(db, change.userId);
    const to =
      registrationId === undefined ? changePath(change.id) : registrationPath(registrationId);
    return { ...answer, body: { to } };
  }
}

async function confirm(visit: Visit, action: UserAction): Promise<Confirmation | Page> {
  const { api, c, operator } = visit;
  const userId = c.req.param('userId') ?? '';
  const answer = await api.get<User>(`/users/${encodeURIComponent(userId)}`);
  if (!answer.ok) return refusedPage(answer.problem);
  const user = answer.body;
  const registration = await api.get<Receipt>(`/registrations/${user.registrationId}`);
  const back = registrationPath(user.registrationId);
  const href = userPath(user.userId, `/${action.name}`);
  const isOffered =
    registration.ok &&
    userOffers(registration.body, user, operator.userId).some((offer) => offer.href === href);
  if (!isOffered) return doesNotApply(user.email, back, whyNot(visit, user, action));
  const confirmed = await action.confirm(user, visit);
  if ('main' in confirmed) return confirmed;
  const explanation = [whomOf(user), h.p({}, action.explanation)];
  return { section: 'person', asksReason: true, back, explanation, ...confirmed };
}

/** undefined: the state alone. */
function whyNot({ operator }: Visit, user: User, { name }: UserAction): string | undefined {
  if (user.userId === operator.userId) return OWN_ACCOUNT;
  if (name === 'roles' && !user.emailVerified) return NO_ROLE;
  return undefined;
}

function whomOf({ email, username, firstName, lastName, roles, userId }: User): Content {
  return whom([
    ['E-mail', email],
    ['Username', username],
    ['Name', [firstName, lastName].filter(Boolean).join(' ')],
    ['Roles', roles.join(', ')],
    ['User', userId],
  ]);
}

const EXPECTED = 'expectedEmail';
const TYPED = 'email';

function emailFields(email: string, sent: FormFields, problem: ApiProblem | null): Content {
  return [
    h.input({ type: 'hidden', name: EXPECTED, value: email }),
    formField(
      {
        name: TYPED,
        label: 'Type the address of the person to confirm',
        hint: email,
        error: errorAt(problem, TYPED),
      },
      {
        value: sent.get(TYPED) ?? '',
        autocomplete: 'off',
        autocapitalize: 'none',
        spellcheck: 'false',
        required: true,
      },
    ),
  ];
}

function emailFault(form: SentForm): string | null {
  const expected = normaliseEmail(form.get(EXPECTED) ?? '');
  const isTyped = expected !== null && normaliseEmail(form.get(TYPED) ?? '') === expected;
  return isTyped ? null : 'The address that you typed is not the address of this person.';
}
