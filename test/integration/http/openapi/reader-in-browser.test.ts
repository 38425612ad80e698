import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, describe, expect } from 'vitest';
import type { createApp } from '../../../../src/http/app.ts';
import { createHttpServer } from '../../../../src/http/server.ts';
import { CHROMIUM } from '../../../support/programs.ts';
import { test } from '../../../support/api-test.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(CHROMIUM.path === null)('in Chromium', () => {
  let server: Server;
  let browser: Browser;
  let url: string;
  let app: ReturnType<typeof createApp>;
  test.beforeAll(async ({ api }) => {
    app = api.app({ doors: new Set(['users', 'step', 'signup', 'session', 'seeding']) });
    server = createHttpServer(app.fetch, api.deps.logger);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath: CHROMIUM.path ?? '', args: FLAGS });
  });
  afterAll(async () => {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  interface Visit {
    readonly page: Page;
    /** Every address that the page asked for. */
    readonly asked: string[];
    /** What the browser complained about: errors, and what the policy refused. */
    readonly said: string[];
  }

  async function open(path: string, width = 1280): Promise<Visit> {
    const page = await browser.newPage({ viewport: { width, height: 1000 } });
    const asked: string[] = [];
    const said: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(`${url}${path}`, { waitUntil: 'networkidle' });
    return { page, asked, said };
  }

  test.each(['/problems', '/problems/email_taken'])(
    '%s is one request, and the browser has nothing to refuse',
    async (path) => {
      const { page, asked, said } = await open(path);
      expect(asked).toEqual([`${url}${path}`]);
      expect(said).toEqual([]);
      // The style sheet in the page passes the page's own policy.
      const width = await page.evaluate<string>('getComputedStyle(document.body).maxWidth');
      expect(width).toBe('992px');
      await page.close();
    },
  );

  test('/docs shows every operation, loads nothing from elsewhere and breaks no policy', async ({
    api,
  }) => {
    const { page, asked, said } = await open('/docs');
    const { body } = await api.call('/openapi.json', { app });
    const operations = Object.values<Record<string, { operationId: string }>>(body.paths).flatMap(
      (item) => Object.values(item).map(({ operationId }) => operationId),
    );
    const names = page.locator('.opblock-summary-operation-id');
    await names.nth(operations.length - 1).waitFor();
    const shown = await names.allTextContents();
    // The library puts a zero-width space where a long name may break.
    expect(shown.map((name) => name.replaceAll('\u200b', '')).toSorted()).toEqual(
      operations.toSorted(),
    );
    // One at a time: the library renders whatever is open again at each click.
    for (const operation of await page.locator('.opblock').all()) {
      await operation.locator('.opblock-summary-control').click();
      await operation.locator('.responses-wrapper').waitFor();
      await operation.locator('.opblock-summary-control').click();
    }
    expect(operations.length).toBeGreaterThan(15);
    expect(await page.title()).toBe('Registrar');
    expect(asked.map((address) => address.replace(/-[\d.]+(?=\/)/, '-<version>'))).toEqual([
      `${url}/docs`,
      `${url}/docs/swagger-ui-<version>/swagger-ui.css`,
      `${url}/docs/swagger-ui-<version>/swagger-ui-bundle.js`,
      `${url}/openapi.json`,
    ]);
    expect(said).toEqual([]);
    await page.close();
  });

  test('/docs fits a telephone, and follows the dark mode of the system', async () => {
    const { page } = await open('/docs', 390);
    const operation = page.locator('#operations-Registrations-createRegistration');
    await operation.locator('.opblock-summary-control').click();
    await operation.locator('.responses-wrapper').waitFor();
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(390);
    const colour = 'getComputedStyle(document.documentElement).backgroundColor';
    const light = await page.evaluate<string>(colour);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.locator('html.dark-mode').waitFor();
    expect(await page.evaluate<string>(colour)).not.toBe(light);
    await page.close();
  });

  test('an operation can be tried out with a pasted token, and its answer is shown', async ({
    api,
  }) => {
    const { page, said } = await open('/docs');
    const operation = page.locator('#operations-Registrations-createRegistration');
    await operation.locator('.opblock-summary-control').click();
    await page.locator('.btn.authorize').click();
    const token = api.issuer.token();
    await page.locator('.auth-container input').fill(token);
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.auth-btn-wrapper .btn-done').click();
    await operation.locator('tr[data-param-name="Prefer"] input').fill('');

    // The body is the example of the document: it must be one that the API accepts.
    const [request] = await Promise.all([
      page.waitForRequest(`${url}/registrations`),
      operation.locator('.btn.execute').click(),
    ]);
    expect(await request.headerValue('authorization')).toBe(`Bearer ${token}`);
    const answer = operation.locator('.live-responses-table .response');
    await answer.waitFor({ state: 'visible' });
    expect(await answer.locator('.response-col_status').innerText()).toMatch(/^202/);
    expect(await answer.locator('.response-col_description').innerText()).toContain(
      '"status": "accepted"',
    );
    expect(said).toEqual([]);

    await page.reload({ waitUntil: 'networkidle' });
    expect(await page.locator('.btn.authorize.locked').count()).toBe(0);
    await page.close();
  });
});
