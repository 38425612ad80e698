import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serveStatic } from '@hono/node-server/serve-static';
import type { Api } from '../openapi/mount.ts';

const FOLDER = fileURLToPath(new URL('../../../examples/web/', import.meta.url));
const FILES = ['style.css', 'api.js', 'app.js'];

/** Its own files and the API, from where it came; a form that no script handles goes nowhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The example front end, for developers: only where ENVIRONMENT=local, and where its files are, which the
 * image does not contain.
 * @param mailbox where the Cognito sandbox shows the mail
 */
export function mountExample(api: Api, mailbox: string): void {
  if (!existsSync(FOLDER)) return;
  api.get('/example', (c) => c.redirect('/example/'));
  api.get('/example/', async (c, next) => {
    c.header('Content-Security-Policy', POLICY);
    return await serveStatic({ path: `${FOLDER}index.html` })(c, next);
  });
  for (const file of FILES) {
    api.get(`/example/${file}`, serveStatic({ path: `${FOLDER}${file}` }));
  }
  api.get('/example/mailbox', (c) => {
    const to = c.req.query('to');
    return c.redirect(to === undefined ? mailbox : `${mailbox}&to=${encodeURIComponent(to)}`);
  });
}
