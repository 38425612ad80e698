import { randomBytes } from 'node:crypto';
import type { Browser, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { inspectPage, WIDE } from '../support/inspect-page.ts';

/** What a deployment needs in order to serve the console; work parks after a second. */
export const CONSOLE_ENV = {
  ENVIRONMENT: 'local',
  CONSOLE: 'true',
  PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
  ROLE_GRANTS: 'group:admin=*;group:manager=researcher,viewer',
  RETRY_BUDGET_SECONDS: '1',
  COMPENSATION_BUDGET_SECONDS: '1',
  PROPAGATION_GRACE_SECONDS: '1',
  RESUME_INTERVAL_SECONDS: '3600',
} as const;

export interface OperatorOptions {
  readonly javaScript?: boolean;
}

/** What is typed or chosen, by label: a text, or whether a box is checked. */
export type Answers = Readonly<Record<string, string | boolean>>;

/** Somebody who uses the console in Chromium. Each page that they see is inspected once. */
export class Operator {
  readonly page: Page;
  /** What the browser complained about, and what it asked of other hosts. */
  readonly complaints: string[] = [];
  /** The kinds of pages that were inspected. */
  readonly inspected = new Set<string>();
  readonly #url: string;
  readonly #javaScript: boolean;
  /** Runs axe on what a page without JavaScript shows. */
  readonly #reader: Page;

  private constructor(url: string, javaScript: boolean, page: Page, reader: Page) {
    this.#url = url;
    this.#javaScript = javaScript;
    this.page = page;
    this.#reader = reader;
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      // The browser says of each refused request that it was refused.
      const text = message.text();
      if (!text.startsWith('Failed to load resource')) this.complaints.push(text);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${url}/`)) this.complaints.push(`asks ${request.url()}`);
    });
  }

  static async at(
    browser: Browser,
    url: string,
    { javaScript = true }: OperatorOptions = {},
  ): Promise<Operator> {
    const context = await browser.newContext({
      viewport: WIDE,
      javaScriptEnabled: javaScript,
    });
    const reader = await browser.newContext({ viewport: WIDE });
    return new Operator(url, javaScript, await context.newPage(), await reader.newPage());
  }

  async leave(): Promise<void> {
    await this.#reader.context().close();
    await this.page.context().close();
  }

  async go(path: string): Promise<void> {
    await this.page.goto(`${this.#url}${path}`);
    await this.inspect();
  }

  get path(): string {
    const { pathname, search } = new URL(this.page.url());
    return `${pathname}${search}`;
  }

  /** A button or a link that looks like one. @param whole the name is no more than that */
  control(name: string, within: Locator = this.front): Locator {
    const exact = { name, exact: true };
    return within.getByRole('button', exact).or(within.getByRole('link', exact)).first();
  }

  /** The page, or what has opened above it. */
  get front(): Locator {
    return this.page.locator('dialog, body:not(:has(dialog))');
  }

  /** Follows a link or sends a form. */
  async press(name: string, within?: Locator): Promise<void> {
    const control = this.control(name, within);
    const opens = this.#javaScript && (await control.getAttribute('data-confirm')) !== null;
    if (opens) {
      await control.click();
      await this.page.getByRole('dialog').waitFor();
    } else {
      const loaded = this.page.waitForEvent('load');
      await control.click();
      await loaded;
    }
    await this.inspect();
  }

  async enter(answers: Answers): Promise<void> {
    for (const [label, answer] of Object.entries(answers)) {
      // A box's label has its explanation too.
      const exact = typeof answer === 'string';
      const field = this.front.getByLabel(exact ? label : new RegExp(`^${label}`), { exact });
      if (typeof answer === 'string') await field.first().fill(answer);
      else await field.setChecked(answer);
    }
  }

  /** Opens what an offer leads to, fills it in, and confirms. */
  async confirm(offer: string, answers: Answers, button: string): Promise<void> {
    await this.press(offer);
    await this.enter(answers);
    await this.press(button);
  }

  async signIn(username: string, password: string): Promise<void> {
    await this.enter({ 'E-mail address or username': username, Password: password });
    await this.press('Sign in');
  }

  async says(text: string | RegExp): Promise<void> {
    await this.front.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /** Comes back to a page until it says something: what it knows of workers is some seconds old. */
  async goUntil(path: string, text: string): Promise<void> {
    await eventually(async () => {
      await this.go(path);
      return (await this.page.getByText(text).count()) > 0;
    });
  }

  /** Watches a registration's page: by itself it follows with JavaScript, else by its link. */
  async watch(status: string): Promise<void> {
    const live = this.page.locator(`#live[data-status="${status}"]`);
    if (this.#javaScript) await live.waitFor({ timeout: 60_000 });
    else {
      for (const deadline = Date.now() + 60_000; (await live.count()) === 0;) {
        expect(Date.now(), `not ${status}: ${await this.#text()}`).toBeLessThan(deadline);
        await this.page.reload();
      }
    }
    await this.inspect();
  }

  /** axe finds nothing, and nothing is cut off, in light and dark, on a phone and at 200 %. */
  async inspect(): Promise<void> {
    const kind = await this.#kind();
    if (this.inspected.has(kind)) return;
    const page = this.#javaScript ? this.page : await this.#copy();
    await inspectPage(page, kind);
    this.inspected.add(kind);
  }

  /** What kind of page is shown: its path without ids, and what differs from visit to visit. */
  async #kind(): Promise<string> {
    const path = new URL(this.page.url()).pathname.replaceAll(/[0-9a-f]{8}(-[0-9a-f]+){4}/g, ':id');
    const heading = await this.page.locator('h1').allInnerTexts();
    const title = path === '/console/registrations/:id' ? '' : heading.join(', ');
    const status = this.page.locator('#live');
    const state = (await status.count()) > 0 ? await status.getAttribute('data-status') : '';
    const parts = await this.page
      .locator('dialog, [role="alert"], .notice, .field-error, main td .badge')
      .evaluateAll((all) => [
        ...new Set(all.map(({ tagName, className }) => `${tagName}.${className}`)),
      ]);
    return [path, title, state, ...parts].join(' ');
  }

  /** The same page where axe can run. */
  async #copy(): Promise<Page> {
    const address = this.page.url();
    const body = await this.page.content();
    await this.#reader.route(address, (route) =>
      route.fulfill({ contentType: 'text/html; charset=utf-8', body }),
    );
    await this.#reader.goto(address);
    await this.#reader.unroute(address);
    return this.#reader;
  }

  async #text(): Promise<string> {
    return await this.page.locator('body').innerText();
  }
}
