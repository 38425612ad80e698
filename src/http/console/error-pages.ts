import type { Context } from 'hono';
import { csrf } from 'hono/csrf';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { AppEnv } from '../app-deps.ts';
import type { Api } from '../openapi/mount.ts';
import { Problem, type ProblemBody } from '../problems/problem-details.ts';
import { h } from './elements.ts';
import { layout, type Document } from './layout.ts';

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');
const OTHER_SITE = 'The form was not sent from a page of this console, so nothing was done.';

/** Must be called before any middleware that refuses requests: an error below `/console` is a page, and
 * nothing there accepts a form from another site. */
export function answerWithPages(api: Api): void {
  const isSameSite = csrf({
    // The host alone: a proxy may end TLS.
    origin: (origin, c) => URL.parse(origin)?.host === new URL(c.req.url).host,
  });
  api.use('/console/*', async (c, next) => {
    showErrorsTo(c, { operator: null, csrfToken: null });
    c.header('Content-Security-Policy', POLICY);
    // With `no-referrer`, browsers send forms with `Origin: null`.
    c.header('Referrer-Policy', 'same-origin');
    const mayPass = await isSameSite(c, async () => undefined).then(
      () => true,
      () => false,
    );
    if (!mayPass) throw new Problem('forbidden', { detail: OTHER_SITE });
    await next();
  });
}

/** From now on an error of this request is shown to this person. */
export function showErrorsTo(
  c: Context<AppEnv>,
  person: Pick<Document, 'operator' | 'csrfToken'>,
): void {
  c.set('errorPage', async ({ title, status, detail, instance }: ProblemBody) => {
    const main = [
      h.p({}, detail),
      h.p({ class: 'dim' }, `Request ${instance.replace('urn:uuid:', '')}`),
      h.p({}, h.a({ href: '/console' }, 'Go to the first page')),
    ];
    const document = layout({ page: { title, section: null, main }, ...person, notice: null });
    return await c.html(document, status as ContentfulStatusCode);
  });
}
