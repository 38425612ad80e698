import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import { html, raw } from 'hono/html';

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dde3, #353b44); --soft: light-dark(#f4f6f8, #1c2026);
  --dim: light-dark(#5b6570, #9aa5b1); --accent: light-dark(#0b5cad, #7ab7ff); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 6rem;
  font: 16px/1.55 system-ui, sans-serif; background: light-dark(#fff, #14171b); color: light-dark(#1a2027, #e6eaee); }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { margin: 3rem 0 .75rem; font-size: 1.2rem; }
p { margin: .35rem 0; } a { color: var(--accent); } .dim { color: var(--dim); }
code, pre { font: 13.5px/1.5 ui-monospace, monospace; } pre { background: var(--soft); padding: .75rem 1rem;
  border-radius: 6px; overflow-x: auto; margin: .5rem 0; }
section { border: 1px solid var(--line); border-radius: 8px; margin: .75rem 0; }
section > details > summary { padding: .7rem 1rem; cursor: pointer; } details > div { padding: 0 1rem 1rem; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; color: var(--accent); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .94rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
h3 { font-size: .85rem; text-transform: uppercase; letter-spacing: .04em; color: var(--dim); margin: 1.1rem 0 .25rem; }
dt { font-weight: 600; margin-top: 1rem; } dd { margin: 0; }
`;
const STYLE_TAG = `<style>${STYLE}</style>`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing but our own style sheet, not even from ourselves. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Text in which backticks mark code, as in the OpenAPI document. */
export function prose(text: string) {
  return withCode(text, (code) => html`<code>${code}</code>`);
}

/** @param show makes an element of the text between two backticks */
export function withCode<Code>(text: string, show: (code: string) => Code): (string | Code)[] {
  return text.split('`').map((part, index) => (index % 2 === 0 ? part : show(part)));
}

/** A page that loads nothing from anywhere. */
export function page(
  c: Context,
  title: string,
  content: ReturnType<typeof html>,
): Response | Promise<Response> {
  c.header('Content-Security-Policy', PAGE_POLICY);
  return c.html(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>${title}</title>
          ${raw(STYLE_TAG)}
        </head>
        <body>
          ${content}
        </body>
      </html>`,
  );
}
