import { html } from 'hono/html';
import { h } from './elements.ts';
import type { Page, Section, Visit } from './visit.ts';

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
    h.head({}, h.meta({ charset: 'utf-8' }), h.title({}, `${page.title} · Registrar`)),
    h.body(
      {},
      operator !== null &&
        h.form(
          { method: 'post', action: '/console/sign-out' },
          h.input({ type: 'hidden', name: 'csrfToken', value: csrfToken ?? '' }),
          operator.name,
          h.button({}, 'Sign out'),
        ),
      h.main(
        {},
        h.h1({}, page.title),
        notice !== null && h.p({ role: 'status' }, notice),
        page.main,
      ),
    ),
  );
  return html`<!doctype html>${document}`;
}
