import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, describe, expect } from 'vitest';
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
  test.beforeAll(async ({ api }) => {
    server = createHttpServer(api.app().fetch, api.deps.logger);
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

  /** The page, and everything that it asked for or complained about. */
  async function open(path: string): Promise<{ page: Page; asked: string[]; said: string[] }> {
    const page = await browser.newPage();
    const asked: string[] = [];
    const said: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(`${url}${path}`, { waitUntil: 'networkidle' });
    return { page, asked, said };
  }

  test.each(['/docs', '/problems', '/problems/email_taken'])(
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

  test('every operation of the document can be opened and read', async ({ api }) => {
    const { page, asked, said } = await open('/docs');
    const { body } = await api.call('/openapi.json');
    const operations = Object.values<Record<string, { operationId: string }>>(body.paths).flatMap(
      (item) => Object.values(item).map(({ operationId }) => operationId),
    );
    for (const id of operations) {
      await page.locator(`#${id} > details > summary`).click();
      await page.locator(`#${id} h3`, { hasText: 'Answers' }).waitFor({ state: 'visible' });
    }
    expect(operations.length).toBeGreaterThan(10);
    expect([asked, said]).toEqual([[`${url}/docs`], []]);
    await page.close();
  });
});
