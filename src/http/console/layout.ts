import { html } from 'hono/html';
import { assetPath } from './assets.ts';
import { h, type Content, type Element } from './elements.ts';
import { CSRF_FIELD } from './forms.ts';
import { icon } from './icons.ts';
import type { Page, Section, Visit } from './visit.ts';

const NAVIGATION: readonly { section: Section; href: string; label: string }[] = [
  { section: 'attention', href: '/console', label: 'Needs a person' },
  { section: 'person', href: '/console/person', label: 'Person' },
  { section: 'new', href: '/console/new', label: 'New' },
  { section: 'system', href: '/console/system', label: 'System' },
];

export interface Document {
  readonly page: Pick<Page, 'title' | 'main'> & { readonly section: Section | null };
  /** null: signed out. */
  readonly operator: Pick<Visit['operator'], 'name'> | null;
  /** Of the form that signs out. */
  readonly csrfToken: string | null;
  /** What was done just now. */
  readonly notice: string | null;
}

/** A whole page of the console. */
export function layout({ page, operator, csrfToken, notice }: Document) {
  const document = h.html(
    { lang: 'en' },
    h.head(
      {},
      h.meta({ charset: 'utf-8' }),
      h.meta({ name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      h.meta({ name: 'color-scheme', content: 'light dark' }),
      h.title({}, `${page.title} · Registrar`),
      h.link({ rel: 'icon', href: assetPath('icon.svg') }),
      h.link({ rel: 'stylesheet', href: assetPath('console.css') }),
      h.script({ type: 'module', src: assetPath('console.js') }),
    ),
    h.body(
      {},
      h.a({ class: 'skip', href: '#main' }, 'Skip to the content'),
      h.header(
        { class: 'top' },
        h.div(
          { class: 'bar' },
          h.a({ class: 'brand', href: '/console' }, mark(), 'Registrar'),
          operator !== null && [findForm(), signedIn(operator.name, csrfToken)],
        ),
        operator !== null && navigation(page.section),
      ),
      h.main(
        { id: 'main', tabindex: '-1', class: operator === null ? 'narrow' : undefined },
        h.h1({}, page.title),
        notice !== null &&
          h.p({ class: 'notice', role: 'status' }, icon('good'), h.span({}, notice)),
        page.main,
      ),
      h.footer(
        {},
        'All times are UTC. ',
        h.a({ href: '/docs' }, 'API'),
        ' ',
        h.a({ href: '/problems' }, 'Problems'),
      ),
    ),
  );
  return html`<!doctype html>${document}`;
}

function mark(): Element {
  return h.svg(
    { class: 'mark', viewBox: '0 0 32 32', width: '22', height: '22', 'aria-hidden': 'true' },
    h.rect({ width: 32, height: 32, rx: 7 }),
    h.path({ d: 'm9 16.5 4.6 4.6L23 11.5' }),
  );
}

function findForm(): Element {
  const label = 'E-mail, username or id';
  return h.search(
    {},
    h.form(
      { class: 'find', action: '/console/person', method: 'get' },
      h.input({
        type: 'search',
        name: 'q',
        'aria-label': `Find a person: ${label}`,
        placeholder: label,
        autocomplete: 'off',
        autocapitalize: 'none',
        spellcheck: 'false',
      }),
      h.button({ class: 'plain' }, 'Find'),
    ),
  );
}

function signedIn(name: string, csrfToken: string | null): Content {
  return h.form(
    { class: 'signed-in', action: '/console/sign-out', method: 'post' },
    csrfToken !== null && h.input({ type: 'hidden', name: CSRF_FIELD, value: csrfToken }),
    h.span({ class: 'who' }, name),
    h.button({ class: 'plain' }, 'Sign out'),
  );
}

function navigation(current: Section | null): Element {
  return h.nav(
    { 'aria-label': 'Console' },
    h.ul(
      {},
      NAVIGATION.map(({ section, href, label }) =>
        h.li({}, h.a({ href, 'aria-current': section === current ? 'page' : undefined }, label)),
      ),
    ),
  );
}
