import type { z } from '@hono/zod-openapi';
import type { AppDeps } from '../../app-deps.ts';
import type { Receipt, RoleList } from '../../registrations/schemas.ts';
import type { ApiProblem } from '../call-api.ts';
import { h, type Content } from '../elements.ts';
import { checkBox, choiceField, errorAt, formField } from '../fields.ts';
import { emptyState } from '../parts.ts';
import { problemPage } from '../problem-page.ts';
import { wrongForm } from './person/confirm.ts';
import type { Confirmation, ConsoleRoutes, FormFields, Page, Visit } from '../visit.ts';

type Roles = z.infer<typeof RoleList>['items'];

/** How the person gets in for the first time. */
type Access = 'invite' | 'password' | 'neither';

const TITLE = { title: 'Register somebody', section: 'new' } as const;
const ATTRIBUTE = 'attributes.';
const NAME = { autocapitalize: 'none', autocomplete: 'off', spellcheck: 'false' };

/** The field that a refusal is about, where the API names none. */
const FIELD_OF_CODE: Partial<Record<ApiProblem['code'], string>> = {
  email_taken: 'email',
  email_unverified: 'email',
  username_taken: 'username',
  unknown_role: 'roles',
  role_not_grantable: 'roles',
  password_rejected: 'password',
};

/** Registers somebody; the page of the registration then follows it. */
export function mountNew(routes: ConsoleRoutes, deps: AppDeps): void {
  routes.action('/console/new', {
    confirm: (visit) => askForPerson(deps, visit),
    perform: async (visit, form) => {
      const fault = passwordFault(form);
      if (fault !== null) return wrongForm(visit, '#/password', fault);
      const body = bodyOf(deps, form);
      return await visit.api.send<Receipt>('POST', '/registrations', body, form.idempotencyKey);
    },
    done: (_visit, body) => ({
      to: `/console/registrations/${(body as Receipt).id}`,
      notice: 'The registration is accepted.',
    }),
  });
}

async function askForPerson(deps: AppDeps, visit: Visit): Promise<Confirmation | Page> {
  const roles = await visit.api.get<z.infer<typeof RoleList>>('/roles');
  if (!roles.ok) return problemPage(TITLE.section, TITLE.title, roles.problem);
  return {
    ...TITLE,
    explanation: h.p(
      { class: 'dim' },
      'The registration is stored at once and runs in the background. The next page shows its progress.',
    ),
    fields: (sent, problem) => personFields(deps, visit, roles.body.items, sent, problem),
    asksReason: false,
    button: 'Register',
    back: '/console',
  };
}

function personFields(
  deps: AppDeps,
  { c, operator }: Visit,
  roles: Roles,
  sent: FormFields,
  problem: ApiProblem | null,
): Content {
  const linked = c.req.query('email') ?? '';
  const of = (name: string) => (problem === null ? null : errorOf(problem, name));
  const value = (name: string) => sent.get(name) ?? undefined;
  return [
    formField(
      { name: 'email', label: 'E-mail', error: of('email') },
      { ...NAME, type: 'email', required: true, value: value('email') ?? linked },
    ),
    problem?.code === 'email_taken' && operator.grants === '*' && whyTaken(sent.get('email') ?? ''),
    replacement(sent, problem),
    h.div(
      { class: 'pair' },
      formField(
        { name: 'firstName', label: 'First name', error: of('firstName') },
        { autocomplete: 'off', value: value('firstName') },
      ),
      formField(
        { name: 'lastName', label: 'Last name', error: of('lastName') },
        { autocomplete: 'off', value: value('lastName') },
      ),
    ),
    formField(
      {
        name: 'username',
        label: 'Username',
        error: of('username'),
        hint: 'Username and names are optional.',
      },
      { ...NAME, value: value('username') },
    ),
    roleChoices(roles, sent, of('roles')),
    accessFields(deps, sent, of('invite'), of('password')),
    deps.attributes.map((name) =>
      formField(
        {
          name: `${ATTRIBUTE}${name}`,
          label: name,
          error: errorAt(problem, 'attributes', name),
          hint: 'Attribute of the pool. Optional.',
        },
        { ...NAME, value: value(`${ATTRIBUTE}${name}`) },
      ),
    ),
  ];
}

function roleChoices(roles: Roles, sent: FormFields, error: string | null): Content {
  if (roles.length === 0) {
    return emptyState('The pool has no role that you may give. Create a group in Cognito first.');
  }
  const chosen = sent.all('roles');
  return choiceField(
    {
      name: 'roles',
      label: 'Roles',
      hint: 'A registration without roles is seen by you and by administrators only.',
      error,
    },
    'checkbox',
    roles.map(({ name, description }) => ({
      value: name,
      label: name,
      ...(description !== null && { hint: description }),
      isChosen: chosen.includes(name),
    })),
  );
}

function accessFields(
  { sealing }: Pick<AppDeps, 'sealing'>,
  sent: FormFields,
  inviteError: string | null,
  passwordError: string | null,
): Content {
  const chosen = sent.get('access') ?? 'invite';
  const choice = (value: Access, label: string, hint: string) => ({
    value,
    label,
    hint,
    isChosen: chosen === value,
  });
  const choices = [
    choice(
      'invite',
      'Invite',
      'Cognito mails a temporary password when the registration is completed.',
    ),
    sealing !== null &&
      choice('password', 'Set a password', 'You tell the person the password. Nothing is mailed.'),
    choice(
      'neither',
      'Neither',
      'Nothing is mailed. The person uses “forgot password” before the first sign-in.',
    ),
  ].filter((one) => one !== false);
  return [
    choiceField({ name: 'access', label: 'First sign-in', error: inviteError }, 'radio', choices),
    sealing !== null &&
      formField(
        {
          name: 'password',
          label: 'Password',
          hint: 'Only for “Set a password”. After an error, type it again.',
          error: passwordError,
        },
        { type: 'password', autocomplete: 'new-password' },
      ),
  ];
}

/** Offered where it would help: somebody signed up with the address and never proved it. */
function replacement(sent: FormFields, problem: ApiProblem | null): Content {
  const isChosen = sent.get('replaceUnverified') !== null;
  if (problem?.code !== 'email_unverified' && !isChosen) return null;
  return checkBox('replaceUnverified', {
    value: 'true',
    label: 'Replace the account that was never proved',
    hint: 'Deletes the account of whoever signed up with this address without proving it, and registers the person anew.',
    isChosen,
  });
}

function whyTaken(email: string): Content {
  const href = `/console/addresses?email=${encodeURIComponent(email)}`;
  return h.p({}, h.a({ href }, 'Why is this address taken?'));
}

function errorOf(problem: ApiProblem, name: string): string | null {
  const isAbout = problem.errors.length === 0 && FIELD_OF_CODE[problem.code] === name;
  return isAbout ? problem.detail : errorAt(problem, name);
}

/** A password that is typed and not used would be told to the person. */
function passwordFault(form: FormFields): string | null {
  const isTyped = (form.get('password') ?? '') !== '';
  const isChosen = form.get('access') === 'password';
  if (isTyped === isChosen) return null;
  return isChosen
    ? 'Type the password.'
    : 'You typed a password, but did not choose “Set a password”. Choose it and type the password again, or leave this field empty.';
}

function bodyOf({ attributes }: Pick<AppDeps, 'attributes'>, form: FormFields): object {
  const access = form.get('access');
  const text = (name: string) => form.get(name)?.trim() || null;
  const given = attributes.flatMap((name) => {
    const value = text(`${ATTRIBUTE}${name}`);
    return value === null ? [] : [[name, value]];
  });
  return {
    email: form.get('email')?.trim() ?? '',
    firstName: text('firstName'),
    lastName: text('lastName'),
    username: text('username'),
    roles: form.all('roles'),
    attributes: Object.fromEntries(given) as object,
    ...(access === 'password'
      ? { password: form.get('password') ?? '' }
      : { invite: access === 'invite' }),
    ...(form.get('replaceUnverified') !== null && { replaceUnverified: true }),
  };
}
