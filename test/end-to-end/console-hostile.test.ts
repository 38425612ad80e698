import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AdminAddUserToGroupCommand,
  CreateGroupCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/inspect-page.ts';
import { addPerson, PASSWORD } from '../support/pool-people.ts';
import { CHROMIUM } from '../support/programs.ts';
import { ConsoleSite } from './console-site.ts';
import { Operator } from './operator.ts';

/** Pages of other origins, tokens of other sessions, and markup where text belongs. */

const SCRIPT = '<script>hacked=1</script>';
const IMAGE = '<img src=x onerror="hacked=1">';
const MARKUP = `${SCRIPT}${IMAGE}`;

describe.skipIf(CHROMIUM.path === null)('attacks on the console in Chromium', () => {
  let browser: Browser;
  let site: ConsoleSite;
  let operator: Operator;
  let other: Operator;
  let elsewhere: Server;
  /** What the server elsewhere serves. */
  let lure = '';
  /** Parked, so that everything is offered. */
  let parked: string;

  beforeAll(async () => {
    browser = await launchChromium();
    site = await ConsoleSite.open(({ client, userPoolId: UserPoolId }) =>
      client.send(
        new CreateGroupCommand({ UserPoolId, GroupName: 'described', Description: MARKUP }),
      ),
    );
    await site.deployment.worker();
    await site.setFaults({
      operation: 'AdminAddUserToGroup',
      match: { email: 'parked@*' },
      fault: { kind: 'server', status: 503 },
    });
    parked = await site.register('parked@example.com');
    await site.untilStatus(parked, 'roles_pending');
    operator = await signedIn('operator');
    other = await signedIn('other');
    elsewhere = createServer((_, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8').end(lure);
    });
    await new Promise<void>((resolve) => {
      elsewhere.listen(0, '127.0.0.1', resolve);
    });
  });
  afterAll(async () => {
    elsewhere?.closeAllConnections();
    elsewhere?.close();
    await operator?.leave();
    await other?.leave();
    await browser?.close();
    await site?.close();
  });

  async function signedIn(name: string): Promise<Operator> {
    const Username = await addPerson(site.pool, name);
    const { userPoolId: UserPoolId } = site.pool;
    const named = { UserPoolId, Username, GroupName: 'admin' };
    await site.pool.client.send(new AdminAddUserToGroupCommand(named));
    const arrived = await Operator.at(browser, site.api.url);
    await arrived.go('/console');
    await arrived.signIn(Username, PASSWORD);
    return arrived;
  }

  const csrfTokenOf = async ({ page }: Operator): Promise<string> =>
    await page.locator('input[name="csrfToken"]').first().inputValue();

  /** The registration is as before, and the operator is signed in. */
  async function expectNothingHappened(): Promise<void> {
    expect(await site.count('roles_pending')).toBe(1);
    expect(await site.account('lured@example.com')).toBeNull();
    for (const event of ['registration.cancel_requested', 'registration.retry_requested']) {
      expect(await site.trail(event)).toEqual([]);
    }
    await operator.go('/console/new');
    expect(operator.path).toBe('/console/new');
    expect(await operator.page.locator('.who').innerText()).toBe('operator@example.com');
  }

  test.each([
    { origin: 'another site', host: 'localhost' },
    { origin: 'another port of the same host', host: '127.0.0.1' },
  ])('forms of $origin do nothing, even with the right token', async ({ host }) => {
    const csrfToken = await csrfTokenOf(operator);
    const named = { csrfToken, idempotencyKey: randomUUID(), reason: 'lured' };
    const person = { email: 'lured@example.com', roles: 'viewer', access: 'invite' };
    const pair = { username: 'other@example.com', password: PASSWORD };
    const forms: [string, Record<string, string>][] = [
      [`/console/registrations/${parked}/cancel`, named],
      [`/console/registrations/${parked}/retry`, named],
      ['/console/attention/retry?kind=registration&status=roles_pending', named],
      ['/console/new', { ...named, ...person }],
      ['/console/sign-out', named],
      ['/console/sign-in', pair],
    ];
    const { port } = elsewhere.address() as AddressInfo;
    const tab = await operator.page.context().newPage();
    for (const [path, fields] of forms) {
      const inputs = Object.entries(fields).map(
        ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
      );
      lure = `<form method="post" action="${site.api.url}${path}">${inputs.join('')}<button>Win</button></form>`;
      await tab.goto(`http://${host}:${port}/`);
      const answer = tab.waitForResponse((response) => response.request().method() === 'POST');
      await tab.getByRole('button').click();
      expect([path, (await answer).status()]).toEqual([path, 403]);
      await tab.getByText('was not sent from a page of this console').waitFor();
    }
    await tab.close();
    await expectNothingHappened();
  });

  test('a form with the token of another session does nothing', async () => {
    const stolen = await csrfTokenOf(other);
    for (const [path, button] of [
      [`/console/registrations/${parked}/cancel`, 'Cancel the registration'],
      [`/console/registrations/${parked}/retry`, 'Retry'],
      ['/console/attention/retry?kind=registration&status=roles_pending', 'Retry all'],
    ] as const) {
      for (const token of [stolen, '']) {
        await operator.go(path);
        await operator.page
          .locator('main input[name="csrfToken"]')
          .evaluate((input, value) => input.setAttribute('value', value), token);
        await operator.press(button);
        expect(await operator.page.locator('main').innerText()).toContain('another session');
      }
    }
    await expectNothingHappened();
  });

  test('markup in names, reasons, roles and searches is text', async () => {
    const { page } = operator;
    const verbatim = async (): Promise<void> => {
      const shown = page.locator('body').getByText(SCRIPT);
      await shown.first().waitFor();
      expect(await page.evaluate<string>('typeof hacked')).toBe('undefined');
      expect(await page.locator('img[src="x"]').count()).toBe(0);
    };
    await operator.go('/console/new');
    await verbatim();
    await operator.enter({
      'E-mail': 'markup@example.com',
      'First name': SCRIPT,
      'Last name': IMAGE,
      viewer: true,
    });
    await operator.press('Register');
    await operator.says('The registration is accepted.');
    await operator.watch('completed');
    await operator.page.reload();
    await verbatim();
    await operator.press('Disable');
    await verbatim();
    await operator.enter({ Reason: MARKUP });
    await operator.press('Disable');
    await expect
      .poll(async () => (await site.account('markup@example.com'))?.enabled, { timeout: 60_000 })
      .toBe(false);
    const change = page.getByRole('link', { name: 'Disable the account' }).first();
    await change.click();
    await verbatim();
    for (const query of [MARKUP, `"${MARKUP}`, `${MARKUP}@example.com`]) {
      await operator.go(`/console/person?q=${encodeURIComponent(query)}`);
      await verbatim();
    }
    await operator.go(`/console/registrations/${parked}/retry`);
    await operator.enter({ Reason: MARKUP });
    await operator.press('Retry');
    await operator.watch('roles_pending');
    await operator.page.reload();
    await verbatim();
    await operator.go(`/console/registrations?status=${encodeURIComponent(MARKUP)}`);
    expect(await page.evaluate<string>('typeof hacked')).toBe('undefined');
    expect(operator.complaints).toEqual([]);
  });
});
