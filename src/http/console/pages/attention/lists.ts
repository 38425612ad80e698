import type { z } from '@hono/zod-openapi';
import { FAILURES } from '../../../../domain/failure.ts';
import { STATUSES } from '../../../../domain/status.ts';
import { listStuckInvitations } from '../../../../ledger/outbox/stuck-invitations.ts';
import type { AppDeps } from '../../../app-deps.ts';
import type { ChangePage, ChangeReceipt } from '../../../changes/schemas.ts';
import type { Receipt, RegistrationPage } from '../../../registrations/schemas.ts';
import { h, type Content, type Element } from '../../elements.ts';
import { selectField } from '../../fields.ts';
import { counted } from '../../numbers.ts';
import {
  actionLink,
  card,
  dataTable,
  mono,
  none,
  pager,
  statusBadge,
  timeOf,
  wordsOf,
  type Column,
} from '../../parts.ts';
import { problemPage } from '../../problem-page.ts';
import type { Page, Visit } from '../../visit.ts';
import { retryAllPath } from './retry-all.ts';

/** Invitations of one page; the oldest of them come first. */
const INVITATIONS = 200;
const CODES = [...new Set(Object.values(FAILURES).map(({ code }) => code))].toSorted();

/** `/console/registrations?status=&failureCode=&cursor=` */
export async function registrationsPage(visit: Visit): Promise<Page> {
  const query = queryOf(visit, ['status', 'failureCode', 'cursor']);
  const title = 'Registrations';
  const answer = await visit.api.get<z.infer<typeof RegistrationPage>>(
    `/registrations?${query.toString()}`,
  );
  if (!answer.ok) return problemPage('attention', title, answer.problem);
  const { items, nextCursor, total } = answer.body;
  const status = query.get('status');
  const failureCode = query.get('failureCode');
  return {
    title,
    section: 'attention',
    main: [
      filterForm(status, failureCode),
      card(
        {
          id: 'found',
          title: 'Newest first',
          actions:
            isRetried(status) &&
            items.length > 0 &&
            actionLink({
              href: retryAllPath({ kind: 'registration', status, failureCode }),
              label: 'Retry all',
              kind: 'primary',
            }),
        },
        registrationTable(items, nextCursor),
        pages('/console/registrations', query, nextCursor, total, 'registration'),
      ),
    ],
  };
}

/** Whether the API retries many of the status. */
export function isRetried(status: string | null): status is 'roles_pending' | 'cleanup_required' {
  return status === 'roles_pending' || status === 'cleanup_required';
}

const RETRY: Column<Receipt> = {
  head: 'Action',
  cell: ({ id, email, status }) =>
    isRetried(status) &&
    actionLink({ href: `/console/registrations/${id}/retry`, label: 'Retry', of: email ?? id }),
};

export function registrationTable(items: readonly Receipt[], nextCursor: string | null): Element {
  return dataTable<Receipt>({
    caption: 'Registrations',
    columns: [
      {
        head: 'E-mail',
        cell: ({ id, email }) => h.a({ href: `/console/registrations/${id}` }, email ?? 'erased'),
      },
      { head: 'Status', cell: ({ status }) => statusBadge(status) },
      { head: 'Roles', cell: ({ roles }) => rolesOf(roles) },
      { head: 'Cause', cell: ({ failure }) => failure && causeOf(failure) },
      { head: 'Accepted', cell: ({ acceptedAt }) => timeOf(acceptedAt) },
      ...(items.some(({ status }) => isRetried(status)) ? [RETRY] : []),
    ],
    rows: items,
    empty:
      nextCursor === null
        ? 'No registration fits.'
        : 'None among those that were looked through; the next page looks further back.',
  });
}

/** `/console/changes?status=&cursor=` */
export async function changesPage(visit: Visit): Promise<Page> {
  const query = queryOf(visit, ['status', 'cursor']);
  const title = 'Changes';
  const answer = await visit.api.get<z.infer<typeof ChangePage>>(`/changes?${query.toString()}`);
  if (!answer.ok) return problemPage('attention', title, answer.problem);
  const { items, nextCursor, total } = answer.body;
  return {
    title,
    section: 'attention',
    main: card(
      { id: 'found', title: 'Newest first' },
      changeTable(items),
      pages('/console/changes', query, nextCursor, total, 'change'),
    ),
  };
}

export function changeTable(items: readonly ChangeReceipt[]): Element {
  return dataTable<ChangeReceipt>({
    caption: 'Changes',
    columns: [
      {
        head: 'Change',
        cell: ({ id, kind }) => h.a({ href: `/console/changes/${id}` }, wordsOf(kind)),
      },
      { head: 'User', cell: ({ userId }) => mono(userId) },
      { head: 'Status', cell: ({ status }) => statusBadge(status) },
      { head: 'Cause', cell: ({ failure }) => failure && causeOf(failure) },
      { head: 'Accepted', cell: ({ acceptedAt }) => timeOf(acceptedAt) },
    ],
    rows: items,
    empty: 'No change fits.',
  });
}

/** `/console/invitations` */
export async function invitationsPage(deps: Pick<AppDeps, 'db'>, visit: Visit): Promise<Page> {
  const { userId: callerId, grants } = visit.operator;
  const found = await listStuckInvitations(deps.db, { callerId, grants }, INVITATIONS);
  return {
    title: 'Invitations that are not sent again by themselves',
    section: 'attention',
    main: card(
      { id: 'found', title: 'Oldest first' },
      h.p({}, FAILURES.mail_unconfirmed.publicText),
      dataTable<(typeof found)[number]>({
        caption: 'Invitations',
        columns: [
          {
            head: 'E-mail',
            cell: ({ registrationId, email }) =>
              h.a({ href: `/console/registrations/${registrationId}` }, email ?? 'erased'),
          },
          { head: 'Roles', cell: ({ roles }) => rolesOf(roles) },
          { head: 'Cause', cell: ({ failure }) => failure && causeOf(failure) },
          { head: 'Given up', cell: ({ since }) => timeOf(since.toISOString()) },
        ],
        rows: found,
        empty: 'No invitation waits for a person.',
      }),
    ),
  };
}

function rolesOf(roles: readonly string[]): Content {
  if (roles.length === 0) return none();
  return roles.map((role, index) => [index > 0 && ', ', mono(role)]);
}

function causeOf({ code, detail }: { code: string; detail: string }): Content {
  return [mono(code), h.br({}), h.small({}, detail)];
}

function filterForm(status: string | null, failureCode: string | null): Content {
  const choices = (chosen: string | null, values: readonly string[]) => [
    { value: '', label: 'any', isChosen: chosen === null },
    ...values.map((value) => ({ value, label: wordsOf(value), isChosen: value === chosen })),
  ];
  return h.form(
    { class: 'filter', action: '/console/registrations', method: 'get' },
    selectField({ name: 'status', label: 'Status' }, choices(status, STATUSES)),
    selectField({ name: 'failureCode', label: 'Failure code' }, choices(failureCode, CODES)),
    h.button({ class: 'plain' }, 'Filter'),
  );
}

function pages(
  path: string,
  query: URLSearchParams,
  nextCursor: string | null,
  total: number | null,
  noun: string,
): Content {
  const at = (cursor: string | null) => {
    const there = new URLSearchParams(query);
    there.delete('cursor');
    if (cursor !== null) there.set('cursor', cursor);
    return there.size > 0 ? `${path}?${there.toString()}` : path;
  };
  return pager({
    first: query.has('cursor') ? at(null) : null,
    next: nextCursor && at(nextCursor),
    ...(total !== null && { total: counted(total, noun) }),
  });
}

/** The parameters that the page knows; a form sends empty ones too. */
function queryOf({ c }: Visit, names: readonly string[]): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of names) {
    const value = c.req.query(name);
    if (value) query.set(name, value);
  }
  return query;
}
