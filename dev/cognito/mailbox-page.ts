import { createHash } from 'node:crypto';
import type { Mail } from './mailbox.ts';

/** A page for people: what the sandbox would have mailed, the newest first. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

const SUBJECTS: Readonly<Record<string, string>> = {
  AdminCreateUser: 'Your temporary password',
  ForgotPassword: 'The code to reset your password',
  VerifyUserAttribute: 'The code to verify your address',
  UpdateUserAttribute: 'The code to verify your new address',
  EMAIL_OTP: 'Your sign-in code',
  SMS_MFA: 'Your sign-in code (text message)',
};

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 44rem; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; }
ol { list-style: none; margin: 1.5rem 0; padding: 0; display: grid; gap: .75rem; }
li { border: 1px solid color-mix(in srgb, currentcolor 25%, transparent); border-radius: .5rem; padding: .75rem 1rem; }
h2 { font-size: 1rem; margin: 0; }
p { margin: .15rem 0; overflow-wrap: anywhere; }
code { display: inline-block; font-size: 1.25rem; letter-spacing: .05em; user-select: all; }
a:focus-visible { outline: 2px solid; outline-offset: 2px; }
`;

// Codes are secrets of people even here: no other page may frame, read or keep this one.
const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256')
    .update(STYLE)
    .digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** @param to whose mail it is; undefined: everybody's */
export function mailboxPage(mails: readonly Mail[], to: string | undefined, path: string): Page {
  const newestFirst = mails.toReversed();
  const title = to === undefined ? 'Mailbox of the sandbox' : `Mail to ${to}`;
  const list =
    newestFirst.length === 0
      ? '<p>No mail yet. Reload the page after you have asked for a code.</p>'
      : `<ol>${newestFirst.map(item).join('')}</ol>`;
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p>The sandbox sends nothing: it shows here what Cognito would send. <a href="${escaped(path)}">Reload</a></p>
${list}
</main>
</body>
</html>
`;
  return { html, headers: HEADERS };
}

function item({ at, to, source, code }: Mail): string {
  const time = `<time datetime="${escaped(at)}">${escaped(at.slice(0, 19).replace('T', ' '))} UTC</time>`;
  return `<li><h2>${escaped(SUBJECTS[source] ?? source)}</h2><p>To ${escaped(to)}, ${time}</p><p><code>${escaped(code)}</code></p></li>`;
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);
}
