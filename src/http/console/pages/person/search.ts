import type { AppDeps } from '../../../app-deps.ts';
import { normaliseEmail } from '../../../../domain/email.ts';
import { FAILURES } from '../../../../domain/failure.ts';
import { registrationsOfUser } from '../../../../ledger/registrations/account-events.ts';
import type { ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt, RegistrationPage } from '../../../registrations/schemas.ts';
import { isUuid } from '../../../request/fields.ts';
import type { Address } from '../../../users/schemas.ts';
import type { ApiAnswer, ApiProblem } from '../../call-api.ts';
import { h, type Content } from '../../elements.ts';
import { card, dataTable, mono, none, problemBox, statusBadge, timeOf } from '../../parts.ts';
import type { Page, Visit } from '../../visit.ts';
import type { z } from '@hono/zod-openapi';
import { addressCard } from './address.ts';
import { CHANGE_TITLES } from './in-words.ts';
import { changePath, registrationPath } from './offers.ts';
import { actorOf } from './timeline.ts';

/** More are not read: whoever finds so many types more of the address. */
const FOUND = 25;

interface Found {
  readonly registrations: readonly Receipt[];
  /** Whether there are more than those. */
  readonly hasMore: boolean;
  readonly changes: readonly ChangeReceipt[];
  /** The first thing that the API refused. */
  readonly problem: ApiProblem | null;
}
const NOTHING: Found = { registrations: [], hasMore: false, changes: [], problem: null };

/** `/console/person?q=`: finds registrations by what an operator has in hand. */
export async function searchPage(deps: Pick<AppDeps, 'db'>, visit: Visit): Promise<Page> {
  const q = (visit.c.req.query('q') ?? '').trim();
  const shown = { title: 'Person', section: 'person' } as const;
  if (q === '') return { ...shown, main: searchForm(q) };
  const [found, address] = await Promise.all([find(deps, visit, q), explain(visit, q)]);
  return {
    ...shown,
    main: [
      searchForm(q),
      found.problem && problemBox(found.problem),
      address,
      card({ id: 'registrations', title: 'Registrations' }, registrationTable(q, found)),
      found.changes.length > 0 && changesCard(found.changes, visit.operator),
    ],
  };
}

function searchForm(q: string): Content {
  return h.form(
    { class: 'search', action: '/console/person', method: 'get', role: 'search' },
    h.div(
      { class: 'field' },
      h.label({ for: 'q' }, 'E-mail address, username or id'),
      h.p(
        { class: 'hint', id: 'q-hint' },
        'The whole address or its beginning; a whole username; the id of a registration, a user or a change.',
      ),
      h.input({
        id: 'q',
        name: 'q',
        type: 'search',
        value: q,
        autocomplete: 'off',
        autocapitalize: 'none',
        spellcheck: 'false',
        'aria-describedby': 'q-hint',
      }),
    ),
    h.button({ class: 'primary' }, 'Search'),
  );
}

async function find(deps: Pick<AppDeps, 'db'>, visit: Visit, q: string): Promise<Found> {
  if (isUuid(q)) return await findById(deps, visit, q.toLowerCase());
  const sent = encodeURIComponent(q);
  const email = normaliseEmail(q);
  const list = (query: string) =>
    visit.api.get<z.infer<typeof RegistrationPage>>(`/registrations?limit=${FOUND}&${query}`);
  // Whoever has the whole address comes before others whose address begins with it.
  const exact = email === null ? `username=${sent}` : `email=${encodeURIComponent(email)}`;
  const isUsername = q.length <= 50 && !q.includes('@');
  const answers = await Promise.all([
    ...(email !== null || isUsername ? [list(exact)] : []),
    list(`emailPrefix=${sent}`),
  ]);
  const pages = answers.flatMap((answer) => (answer.ok ? [answer.body] : []));
  const all = new Map(pages.flatMap(({ items }) => items).map((one) => [one.id, one]));
  return {
    ...NOTHING,
    registrations: [...all.values()].slice(0, FOUND),
    hasMore: all.size > FOUND || pages.some(({ nextCursor }) => nextCursor !== null),
    problem: firstProblem(answers),
  };
}

async function findById({ db }: Pick<AppDeps, 'db'>, visit: Visit, id: string): Promise<Found> {
  const { api } = visit;
  const ids = new Set([id, ...(await registrationsOfUser(db, id))]);
  const [change, ...registrations] = await Promise.all([
    api.get<ChangeReceipt>(`/changes/${id}`),
    // The API decides which of them this operator sees.
    ...[...ids].map((one) => api.get<Receipt>(`/registrations/${one}`)),
  ]);
  const wrong = [change, ...registrations].filter((answer) => !answer.ok);
  return {
    ...NOTHING,
    registrations: registrations.flatMap((answer) => (answer.ok ? [answer.body] : [])),
    changes: change.ok ? [change.body] : [],
    problem: firstProblem(wrong.filter(({ problem }) => problem.status !== 404)),
  };
}

function firstProblem(answers: readonly ApiAnswer<unknown>[]): ApiProblem | null {
  for (const answer of answers) if (!answer.ok) return answer.problem;
  return null;
}

/** Of a whole address, for operators who see everybody: why it is free or taken. */
async function explain(visit: Visit, q: string): Promise<Content> {
  const email = isUuid(q) ? null : normaliseEmail(q);
  if (email === null || visit.operator.grants !== '*') return null;
  const answer = await visit.api.get<Address>(`/addresses/${encodeURIComponent(email)}`);
  return answer.ok ? await addressCard(visit, answer.body) : problemBox(answer.problem);
}

function registrationTable(q: string, { registrations, hasMore }: Found): Content {
  return [
    dataTable<Receipt>({
      caption: 'Registrations, newest first',
      rows: registrations,
      empty: h.p({}, 'No registration that you may see fits ', mono(q), '.'),
      columns: [
        { head: 'Person', cell: (one) => h.a({ href: registrationPath(one.id) }, nameOf(one)) },
        { head: 'Status', cell: ({ status }) => statusBadge(status) },
        { head: 'Cause', cell: causeOf },
        { head: 'Username', cell: ({ username }) => username ?? none() },
        { head: 'Roles', cell: ({ roles }) => (roles.length > 0 ? roles.join(', ') : none()) },
        { head: 'Accepted', cell: ({ acceptedAt }) => timeOf(acceptedAt) },
      ],
    }),
    hasMore &&
      h.p(
        { class: 'dim' },
        `Only ${FOUND} of them are shown. Type more of the address to find others.`,
      ),
  ];
}

/** Why it failed, or what it waits for; a cancel says that itself. */
function causeOf({
  status,
  failure,
}: Pick<Receipt | ChangeReceipt, 'status' | 'failure'>): Content {
  return failure === null || status === 'cancelled' ? none() : FAILURES[failure.cause].title;
}

/** Nobody's name is left of an erased person. */
export function nameOf({ email, id }: Pick<Receipt, 'email' | 'id'>): string {
  return email ?? `Erased person (${id.slice(0, 8)})`;
}

export function changesCard(
  changes: readonly ChangeReceipt[],
  operator: Visit['operator'],
): Content {
  return card(
    { id: 'changes', title: 'Changes' },
    dataTable<ChangeReceipt>({
      caption: 'Changes, newest first',
      rows: changes,
      columns: [
        {
          head: 'Change',
          cell: ({ id, kind }) => h.a({ href: changePath(id) }, CHANGE_TITLES[kind]),
        },
        { head: 'Status', cell: ({ status }) => statusBadge(status) },
        { head: 'Cause', cell: causeOf },
        {
          head: 'Roles',
          cell: ({ roles }) => roles.join(', ') || none(),
        },
        { head: 'Requested by', cell: ({ requestedBy }) => actorOf(requestedBy, operator) },
        { head: 'Accepted', cell: ({ acceptedAt }) => timeOf(acceptedAt) },
      ],
    }),
  );
}
