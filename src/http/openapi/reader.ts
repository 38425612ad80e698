import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { serveStatic } from '@hono/node-server/serve-static';
import { html, raw } from 'hono/html';
import swaggerUi from 'swagger-ui-dist/package.json' with { type: 'json' };
import type { Api } from './mount.ts';

const ASSETS = `/docs/swagger-ui-${swaggerUi.version}`;
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

/** The library's own validator is a service on the internet. The token is forgotten with the page. */
const START = `
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
follow();
dark.addEventListener('change', follow);
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reader',
  deepLinking: true,
  displayOperationId: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
});
`;
const STYLE = `
body { margin: 0; }
.swagger-ui .info { margin: 2rem 0 1rem; }
/* There is one server: this one. */
.swagger-ui .servers-title, .swagger-ui .servers { display: none; }
.swagger-ui .scheme-container { padding: 0 0 1rem; }
.swagger-ui .opblock-body { overflow-x: auto; }
@media (max-width: 640px) {
  .swagger-ui .opblock .opblock-summary-operation-id, .swagger-ui .response-col_links { display: none; }
}
`;

const POLICY = [
  "default-src 'none'",
  `script-src 'self' '${hashOf(START)}'`,
  `style-src 'self' '${hashOf(STYLE)}'`,
  // The icons of the library's style sheet.
  'img-src data:',
  // The document, and what somebody tries out.
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page `/docs`: Swagger UI, from its own package and from nowhere else. */
export function mountReader(api: Api, title: string): void {
  const { resolve } = createRequire(import.meta.url);
  for (const file of FILES) {
    api.get(
      `${ASSETS}/${file}`,
      serveStatic({
        path: resolve(`swagger-ui-dist/${file}`),
        onFound: (_path, c) => c.header('Cache-Control', 'public, max-age=31536000, immutable'),
      }),
    );
  }
  api.get('/docs', (c) => {
    c.header('Content-Security-Policy', POLICY);
    return c.html(
      html`<!doctype html>
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <meta name="color-scheme" content="light dark" />
            <title>${title}</title>
            <link rel="icon" href="data:," />
            <link rel="stylesheet" href="${ASSETS}/swagger-ui.css" />
            ${raw(`<style>${STYLE}</style>`)}
          </head>
          <body>
            <div id="reader"></div>
            <script src="${ASSETS}/swagger-ui-bundle.js"></script>
            ${raw(`<script>${START}</script>`)}
          </body>
        </html>`,
    );
  });
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
