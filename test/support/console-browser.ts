import type { createApp } from '../../src/http/app.ts';

type App = ReturnType<typeof createApp>;

export interface ConsoleAnswer {
  /** The path and query of the request. */
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  /** Where a redirect leads; null without one. */
  readonly location: string | null;
}

/** One value, or several of the same name. */
export type Fields = Readonly<Record<string, string | readonly string[]>>;

export interface SubmitOptions {
  /** The path of the form's action, where the page has several forms. */
  readonly action?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ORIGIN = 'http://localhost';

/** A browser without JavaScript, with cookies of its own: it follows no redirect by itself. */
export class ConsoleBrowser {
  readonly cookies = new Map<string, string>();
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ConsoleAnswer> {
    return await this.#send(path, { headers });
  }

  /** Sends the form of a page as it is filled in, except for the given fields. Without an action, that is
   * the first form that is sent by POST and does not sign out. */
  async submit(
    page: ConsoleAnswer,
    fields: Fields = {},
    { action, headers = {} }: SubmitOptions = {},
  ): Promise<ConsoleAnswer> {
    const form = formsOf(page.html).find((one) =>
      action === undefined
        ? one.method === 'post' && one.action !== '/console/sign-out'
        : one.action === action,
    );
    if (!form) throw new Error(`no form ${action ?? ''} in the page:\n${page.html}`);
    const sent = new URLSearchParams(
      form.fields.map(([name, value]): [string, string] => [name, value]),
    );
    for (const [name, value] of Object.entries(fields)) {
      sent.delete(name);
      for (const one of [value].flat()) sent.append(name, one);
    }
    return form.method === 'post'
      ? await this.post(form.action || page.url, sent, headers)
      : await this.get(`${form.action}?${sent.toString()}`, headers);
  }

  /** Sends a form that no page has shown. */
  async post(
    path: string,
    body: URLSearchParams | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ConsoleAnswer> {
    const own = { origin: ORIGIN, 'sec-fetch-site': 'same-origin' };
    return await this.#send(path, { method: 'POST', body, headers: { ...own, ...headers } });
  }

  /** The page that an answer leads to. */
  async follow({ location, status, html }: ConsoleAnswer): Promise<ConsoleAnswer> {
    if (location === null) throw new Error(`${status} leads nowhere:\n${html}`);
    return await this.get(location);
  }

  async signIn(username: string, password: string, next = '/console'): Promise<ConsoleAnswer> {
    const page = await this.get(`/console/sign-in?next=${encodeURIComponent(next)}`);
    return await this.submit(page, { username, password });
  }

  async #send(path: string, init: RequestInit): Promise<ConsoleAnswer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = new Headers(init.headers);
    if (cookie !== '') headers.set('cookie', cookie);
    const response = await this.#app.request(`${ORIGIN}${path}`, { ...init, headers });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return {
      url: path,
      status: response.status,
      headers: response.headers,
      html: await response.text(),
      location: response.headers.get('location'),
    };
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (/;\s*max-age=0/i.test(line)) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

interface Form {
  readonly method: string;
  readonly action: string;
  readonly fields: readonly (readonly [string, string])[];
}

/** The forms of a page that hono/jsx wrote: every attribute has quotes, or no value. */
function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, head = '', body = '']) => {
    const { method = 'get', action = '' } = attributesOf(head);
    return { method, action, fields: fieldsIn(body) };
  });
}

function fieldsIn(body: string): [string, string][] {
  const parts = body.matchAll(
    /<input\b([^>]*)>|<textarea\b([^>]*)>(.*?)<\/textarea>|<select\b([^>]*)>(.*?)<\/select>/gs,
  );
  return [...parts].flatMap(([, input, area, text = '', select, options = '']) => {
    const attributes = attributesOf(input ?? area ?? select ?? '');
    const { name, value = '', type = 'text' } = attributes;
    if (!name) return [];
    if (area !== undefined) return [[name, decoded(text)]];
    if (select !== undefined) return chosenOf(options).map((one): [string, string] => [name, one]);
    if (type === 'submit') return [];
    if (type !== 'checkbox' && type !== 'radio') return [[name, value]];
    return 'checked' in attributes ? [[name, value || 'on']] : [];
  });
}

function chosenOf(options: string): string[] {
  const all = [...options.matchAll(/<option\b([^>]*)>(.*?)<\/option>/gs)].map(
    ([, head = '', text = '']) => ({ ...attributesOf(head), text: decoded(text) }),
  );
  const chosen = all.filter((option) => 'selected' in option);
  return (chosen.length > 0 ? chosen : all.slice(0, 1)).map((option) =>
    'value' in option ? String(option['value']) : option.text,
  );
}

function attributesOf(head: string): Record<string, string> {
  const found = head.matchAll(/([\w-]+)(?:="([^"]*)")?/g);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, decoded(value)]));
}

function decoded(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
