import { randomBytes, randomUUID } from 'node:crypto';
import { AdminAddUserToGroupCommand } from '@aws-sdk/client-cognito-identity-provider';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, describe, expect } from 'vitest';
import type { Api, Deployment } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { eventually } from '../support/eventually.ts';
import { inspectPage, launchChromium, WIDE } from '../support/inspect-page.ts';
import { addPerson, PASSWORD } from '../support/pool-people.ts';
import { CHROMIUM } from '../support/programs.ts';

/** The console in a browser, over the real API, worker and sandbox. */

const ADMINISTRATOR = 'operator@example.com';

test.override('deploymentOptions', {
  env: {
    CONSOLE: 'true',
    ENVIRONMENT: 'local',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
    RETRY_BUDGET_SECONDS: '1',
    COMPENSATION_BUDGET_SECONDS: '1',
  },
});

describe.skipIf(CHROMIUM.path === null)('in Chromium', () => {
  let api: Api;
  let browser: Browser;
  test.beforeAll(async ({ deployment }) => {
    await deployment.setUp();
    await addPerson(deployment.pool, 'operator');
    const { client, userPoolId: UserPoolId } = deployment.pool;
    const person = { UserPoolId, Username: ADMINISTRATOR, GroupName: 'admin' };
    await client.send(new AdminAddUserToGroupCommand(person));
    [api, , browser] = await Promise.all([deployment.api(), deployment.worker(), launchChromium()]);
  });
  afterAll(() => browser.close());

  interface Visit {
    readonly page: Page;
    /** What the browser complained about: errors, and what the policy refused. */
    readonly complaints: string[];
    /** Paths that were asked for. */
    readonly asked: string[];
    /** Those of them that the script asked for by itself. */
    readonly background: string[];
  }

  async function visit(options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await browser.newContext({ viewport: WIDE, ...options });
    const page = await context.newPage();
    const complaints: string[] = [];
    const asked: string[] = [];
    const background: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('request', (request) => {
      const { origin, pathname } = new URL(request.url());
      asked.push(origin === api.url ? pathname : request.url());
      if (request.headers()['x-background'] !== undefined) background.push(pathname);
    });
    await page.goto(`${api.url}/console`);
    return { page, complaints, asked, background };
  }

  async function signIn(page: Page): Promise<void> {
    await page.locator('main [name="username"]').fill(ADMINISTRATOR);
    await page.locator('main [name="password"]').fill(PASSWORD);
    await page.locator('main').getByRole('button').click();
    await page.getByRole('heading', { level: 1, name: 'Needs a person' }).waitFor();
  }

  async function register({ token }: Deployment, email: string): Promise<string> {
    const response = await fetch(`${api.url}/registrations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ email, roles: ['viewer'], invite: false }),
    });
    expect(response.status).toBe(202);
    return ((await response.json()) as { id: string }).id;
  }

  async function settled({ token }: Deployment, id: string, status: string): Promise<void> {
    await eventually(async () => {
      const response = await fetch(`${api.url}/registrations/${id}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return ((await response.json()) as { status: string }).status === status;
    });
  }

  const statusOf = (page: Page, status: string) =>
    page.locator(`#live[data-status="${status}"]`).waitFor();

  const NO_ROLES = [
    {
      operation: 'AdminAddUserToGroup',
      match: { email: 'parked*' },
      fault: { kind: 'server', status: 503 },
    },
  ] as const;

  test('every page is accessible, fits a phone and 400 %, and loads nothing from elsewhere', async ({
    deployment,
  }) => {
    await deployment.pool.setFaults(NO_ROLES);
    const parked = await register(deployment, 'parked-seen@example.com');
    const done = await register(deployment, 'done-seen@example.com');
    await settled(deployment, parked, 'roles_pending');
    await settled(deployment, done, 'completed');
    const visited = await visit();
    const { page } = visited;
    await inspectPage(page, 'sign-in');
    await signIn(page);
    const paths = [
      '/console',
      '/console?hours=1',
      '/console/person',
      '/console/person?q=seen',
      '/console/person?q=done-seen@example.com',
      '/console/new',
      '/console/system',
      '/console/addresses?email=done-seen@example.com',
      `/console/registrations/${parked}`,
      `/console/registrations/${done}`,
      ...['retry', 'roles', 'cancel'].map((action) => `/console/registrations/${parked}/${action}`),
      '/console/registrations/unknown',
    ];
    for (const path of paths) {
      await page.goto(`${api.url}${path}`);
      expect([path, await page.locator('h1').count()]).toEqual([path, 1]);
      await inspectPage(page, path);
    }
    expect(visited.complaints.filter((text) => !text.includes('404'))).toEqual([]);
    expect(visited.asked.filter((path) => !path.startsWith('/console'))).toEqual([]);
    await page.context().close();
  });

  test("every confirmation that a person's page offers is accessible and fits a phone", async ({
    deployment,
  }) => {
    await deployment.pool.clearFaults();
    const done = await register(deployment, 'done-asked@example.com');
    await settled(deployment, done, 'completed');
    const { page, complaints } = await visit();
    await signIn(page);
    await page.goto(`${api.url}/console/registrations/${done}`);
    const actions = await page
      .locator('main a[data-confirm]')
      .evaluateAll((links) => links.map((link) => (link as { href?: string }).href ?? ''));
    expect(actions.length).toBeGreaterThan(3);
    for (const href of actions) {
      await page.goto(href);
      await inspectPage(page, href);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('somebody is registered and watched live, and a change of status is said aloud', async ({
    deployment,
  }) => {
    await deployment.pool.setFaults(NO_ROLES);
    const { page, complaints, asked, background } = await visit();
    await signIn(page);
    await page.getByRole('link', { name: 'New', exact: true }).click();
    await page.getByLabel('E-mail', { exact: true }).fill('parked-live@example.com');
    await page.getByLabel('First name').fill('x'.repeat(60));
    await page.getByLabel('viewer').check();
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.evaluate<string>('document.activeElement.getAttribute("role")')).toBe(
      'alert',
    );
    await inspectPage(page, 'errors of the form');
    await page.getByLabel('First name').fill('Ada');
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByText('The registration is accepted.').waitFor();
    await statusOf(page, 'roles_pending');
    const reads = asked.filter((path) => path.startsWith('/console/registrations/'));
    expect(await page.locator('#live .follows').isVisible()).toBe(true);
    expect(await page.locator('#live .lost').isVisible()).toBe(false);
    await page
      .getByRole('status')
      .filter({ hasText: 'Status: roles pending. 1 of 3 steps done. Failing: Assign role viewer.' })
      .waitFor({ state: 'attached' });
    await inspectPage(page, 'live');

    await deployment.pool.clearFaults();
    await page.getByRole('link', { name: 'Retry' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await inspectPage(page, 'dialog');
    await page.keyboard.press('Escape');
    expect(await dialog.count()).toBe(0);
    await page.getByRole('link', { name: 'Retry' }).first().click();
    await dialog.getByRole('link', { name: 'Back' }).click();
    expect(await dialog.count()).toBe(0);
    await page.getByRole('link', { name: 'Retry' }).first().click();
    await dialog.getByRole('textbox').fill('Cognito is back');
    await dialog.getByRole('button').click();
    await dialog.waitFor({ state: 'detached' });
    await statusOf(page, 'completed');
    expect(await page.locator('#live .follows, #live .lost').count()).toBe(0);
    // The parts that depend on the status are read again, once for each status.
    await page.getByRole('link', { name: 'Disable' }).first().waitFor();
    expect(new Set(background)).toEqual(new Set([new URL(page.url()).pathname]));
    expect(await page.getByText('Cognito is back').count()).toBeGreaterThan(0);
    expect(reads.filter((path) => path.endsWith('/stream'))).toHaveLength(1);
    expect(complaints.filter((text) => !text.includes('422'))).toEqual([]);
    await page.context().close();
  });

  test('without JavaScript, somebody is registered and watched by a link', async ({
    deployment,
  }) => {
    await deployment.pool.setFaults(NO_ROLES);
    const { page } = await visit({ javaScriptEnabled: false });
    await signIn(page);
    await page.getByRole('link', { name: 'New', exact: true }).click();
    await page.getByLabel('E-mail', { exact: true }).fill('parked-plain@example.com');
    await page.getByLabel('viewer').check();
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByText('The registration is accepted.').waitFor();
    await eventually(async () => {
      await page.getByRole('link', { name: 'Refresh' }).click();
      return (await page.locator('#live[data-status="roles_pending"]').count()) === 1;
    });
    await deployment.pool.clearFaults();
    await page.getByRole('link', { name: 'Retry' }).first().click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.locator('main form').getByRole('button').click();
    await eventually(async () => {
      await page.reload();
      return (await page.locator('#live[data-status="completed"]').count()) === 1;
    });
    expect(await page.getByRole('link', { name: 'Refresh' }).count()).toBe(0);
    await page.context().close();
  });

  test('the keyboard reaches the content first, and every part of the form', async () => {
    const { page } = await visit();
    await signIn(page);
    await page.goto(`${api.url}/console/new`);
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe(
      'Skip to the content',
    );
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    const email = `keys-${randomUUID().slice(0, 8)}@example.com`;
    await page.keyboard.type(email);
    // First name, last name, username, and the first role.
    for (let presses = 0; presses < 4; presses += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await page.keyboard.press('Enter');
    await page.locator('#live').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(email);
    await page.context().close();
  });

  test('a link on a page of another site leads a signed-in person to the page', async () => {
    const { page } = await visit();
    await signIn(page);
    await page.goto('about:blank');
    await page.setContent(`<a href="${api.url}/console/system">System</a>`);
    await page.getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: 'System' }).waitFor();
    expect(page.url()).toBe(`${api.url}/console/system`);
  });
});
