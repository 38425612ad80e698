import type { ChangeStatus } from '../../domain/change.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import { withCode } from '../page.ts';
import type { ApiProblem } from './call-api.ts';
import { h, type Content, type Element } from './elements.ts';
import { icon, type Tone } from './icons.ts';

/** The components that the pages share. None takes markup as text. */

const TONES: Readonly<Record<RegistrationStatus | ChangeStatus, Tone>> = {
  accepted: 'waiting',
  running: 'busy',
  roles_pending: 'attention',
  parked: 'attention',
  compensating: 'undone',
  cleanup_required: 'urgent',
  completed: 'good',
  failed: 'bad',
  cancelled: 'off',
};

/** The status of a registration or of a change. */
export function statusBadge(status: RegistrationStatus | ChangeStatus): Element {
  return badge(TONES[status], wordsOf(status));
}

/** A shape and a word. */
export function badge(tone: Tone, words: string): Element {
  return h.span({ class: `badge tone-${tone}` }, icon(tone), words);
}

/** `cleanup_required` as an operator reads it. */
export function wordsOf(name: string): string {
  return name.replaceAll('_', ' ');
}

/** An id, code or name to copy: one click selects it. */
export function mono(text: string): Element {
  return h.code({ class: 'id' }, text);
}

/** Text in which backticks mark code. */
export function prose(text: string): Content {
  return withCode(text, (code) => h.code({}, code));
}

const MINUTE = 60;
const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', MINUTE],
  ['second', 1],
] as const;
const RELATIVE = new Intl.RelativeTimeFormat('en');

/** `3 minutes ago`, `in 2 hours`; in the largest unit of which there is one. */
export function relativeTo(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000);
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  return seconds === 0 ? 'now' : RELATIVE.format(Math.trunc(seconds / length), unit);
}

/** `2026-11-27 21:08:57 UTC` */
export function absolute(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/**
 * A time as people count it, and below it as logs write it.
 * @param iso RFC 3339; null: there is no such time
 */
export function timeOf(iso: string | null, now = new Date()): Content {
  if (iso === null) return none();
  const at = new Date(iso);
  return h.time(
    { datetime: iso },
    h.span({ class: 'ago' }, relativeTo(at, now)),
    ' ',
    h.small({}, absolute(at)),
  );
}

/** Where there is no value. */
export function none(words = 'none'): Element {
  return h.span({ class: 'dim' }, words);
}

/** A pair that is false is left out; a value that is null is shown as none. */
export function definitionList(
  pairs: readonly (readonly [term: string, value: Content] | false)[],
): Element {
  return h.dl(
    { class: 'facts' },
    pairs
      .filter((pair) => pair !== false)
      .map(([term, value]) => h.div({}, h.dt({}, term), h.dd({}, value ?? none()))),
  );
}

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => Content;
  readonly isNumber?: boolean;
  /** Of links and buttons: its head is for screen readers. */
  readonly isActions?: boolean;
}

/**
 * A table, which is a list on a phone. The first column names the row.
 * @param empty what to say, and to do, where there are no rows
 */
export function dataTable<Row>(table: {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly empty?: Content;
}): Element {
  const { caption, columns, rows, empty } = table;
  if (rows.length === 0) return emptyState(empty ?? 'Nothing here.');
  // The roles: browsers drop those of a table that is laid out as a list.
  const cells = (row: Row) =>
    columns.map(({ head, cell, isNumber, isActions }, place) => {
      const attributes = {
        'data-label': isActions === true ? undefined : head,
        class: isNumber === true ? 'number' : undefined,
      };
      return place === 0
        ? h.th({ ...attributes, scope: 'row', role: 'rowheader' }, cell(row))
        : h.td({ ...attributes, role: 'cell' }, h.div({ class: 'value' }, cell(row)));
    });
  return h.table(
    { class: 'data', role: 'table' },
    h.caption({ class: 'visually-hidden' }, caption),
    h.thead(
      { role: 'rowgroup' },
      h.tr(
        { role: 'row' },
        columns.map(({ head, isNumber, isActions }) =>
          h.th(
            { scope: 'col', role: 'columnheader', class: isNumber === true ? 'number' : undefined },
            isActions === true ? h.span({ class: 'visually-hidden' }, head) : head,
          ),
        ),
      ),
    ),
    h.tbody(
      { role: 'rowgroup' },
      rows.map((row) => h.tr({ role: 'row' }, cells(row))),
    ),
  );
}

export function emptyState(...content: Content[]): Element {
  return h.div({ class: 'empty' }, content);
}

/**
 * A part of a page with a heading of its own.
 * @param id of the heading, so that links lead to it
 */
export function card(
  {
    id,
    title,
    actions,
  }: { readonly id: string; readonly title: string; readonly actions?: Content },
  ...content: Content[]
): Element {
  return h.section(
    { class: 'card', 'aria-labelledby': id },
    h.div({ class: 'card-head' }, h.h2({ id }, title), actions),
    content,
  );
}

export interface Count {
  readonly label: Content;
  readonly count: number | string;
  /** Where the counted things are listed. */
  readonly href?: string;
}

/** Large numbers side by side. */
export function countList(counts: readonly Count[]): Element {
  return h.ul(
    { class: 'counts' },
    counts.map(({ label, count, href }) => {
      const content = [h.span({ class: 'count' }, String(count)), h.span({}, label)];
      return h.li(
        { class: String(count) === '0' ? 'zero' : undefined },
        href === undefined ? h.div({}, content) : h.a({ href }, content),
      );
    }),
  );
}

export interface Link {
  readonly href: string;
  readonly label: Content;
  /** plain if absent; danger: what it leads to cannot be undone. */
  readonly kind?: 'primary' | 'plain' | 'danger' | undefined;
  /** For screen readers, where the label alone does not say what is meant. */
  readonly of?: string;
  /** It leads to a page of its own, not to a confirmation: with JavaScript, that opens as a dialog. */
  readonly isPage?: boolean;
}

/** A link that looks like a button: it leads to the page that confirms the action. */
export function actionLink({ href, label, kind, of, isPage }: Link): Element {
  const whom = of !== undefined && h.span({ class: 'visually-hidden' }, ` ${of}`);
  return h.a(
    { class: `button ${kind ?? 'plain'}`, href, 'data-confirm': isPage === true ? undefined : '' },
    label,
    whom,
  );
}

export function actionBar(...links: Content[]): Element {
  return h.div({ class: 'actions' }, links);
}

/**
 * What the API answered instead, with the id that leads to its log line.
 * @param isOfForm it answers the form below: it has the focus, and links to the fields
 */
export function problemBox(problem: ApiProblem, isOfForm = false): Element {
  const { detail, code, requestId, errors } = problem;
  const title =
    isOfForm && code === 'invalid_request' && errors.length > 0
      ? 'Nothing was done. Correct this:'
      : detail;
  // Of one field, the title says it.
  const listed = errors.filter((error) => error.detail !== detail);
  const named = (pointer: string) => {
    const name = fieldOf(pointer);
    return isOfForm && name !== '' ? h.a({ href: `#${name}` }, name) : mono(pointer);
  };
  return h.div(
    {
      class: 'problem tone-bad',
      role: 'alert',
      ...(isOfForm && { tabindex: '-1', autofocus: true }),
    },
    h.p({ class: 'problem-title' }, icon('bad'), h.span({}, prose(title))),
    listed.length > 0 &&
      h.ul(
        {},
        listed.map((error) => h.li({}, named(error.pointer), ': ', prose(error.detail))),
      ),
    h.p(
      { class: 'dim' },
      h.a({ href: `/problems/${code}` }, h.code({}, code)),
      ' · request ',
      mono(requestId),
    ),
  );
}

/** The id of the field of a form that has the place: `#/roles/0` is in `roles`, `#/attributes/locale` is
 * `attributes.locale`. */
function fieldOf(pointer: string): string {
  const keys = pointer
    .split('/')
    .slice(1)
    .filter((key) => !/^\d+$/.test(key));
  return keys.map(decodeURIComponent).join('.');
}

/** Where a list goes on. */
export function pager(links: {
  readonly first: string | null;
  readonly next: string | null;
  readonly total?: string;
}): Content {
  const { first, next, total } = links;
  if (first === null && next === null && total === undefined) return null;
  return h.nav(
    { class: 'pager', 'aria-label': 'Pages of the list' },
    total !== undefined && h.span({ class: 'dim' }, total),
    first !== null && h.a({ class: 'button plain', href: first }, 'First page'),
    next !== null && h.a({ class: 'button plain', href: next, rel: 'next' }, 'Next page'),
  );
}
