import { AdminAddUserToGroupCommand } from '@aws-sdk/client-cognito-identity-provider';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/inspect-page.ts';
import { addPerson, PASSWORD } from '../support/pool-people.ts';
import { CHROMIUM } from '../support/programs.ts';
import { ConsoleSite } from './console-site.ts';
import { Operator } from './operator.ts';

/** The console of somebody in the group `manager`, who may give the roles `researcher` and `viewer`. */

const PEOPLE = {
  parkedViewer: { email: 'parked-viewer@example.com', roles: ['viewer'] },
  parkedAdmin: { email: 'parked-admin@example.com', roles: ['viewer', 'admin'] },
  viewer: { email: 'viewer@example.com', roles: ['viewer'] },
  admin: { email: 'admin@example.com', roles: ['admin'] },
} as const;

describe.skipIf(CHROMIUM.path === null)('a manager in Chromium', () => {
  let browser: Browser;
  let site: ConsoleSite;
  let manager: Operator;
  const ids = new Map<string, string>();
  const page = (person: keyof typeof PEOPLE) => `/console/registrations/${ids.get(person)}`;

  beforeAll(async () => {
    browser = await launchChromium();
    site = await ConsoleSite.open();
    await site.deployment.worker();
    const fault = { kind: 'server', status: 503 } as const;
    await site.setFaults({
      operation: 'AdminAddUserToGroup',
      match: { email: 'parked-*', group: 'viewer' },
      fault,
    });
    for (const [name, { email, roles }] of Object.entries(PEOPLE)) {
      ids.set(name, await site.register(email, roles));
    }
    const Username = await addPerson(site.pool, 'manager');
    const { userPoolId: UserPoolId } = site.pool;
    const named = { UserPoolId, Username, GroupName: 'manager' };
    await site.pool.client.send(new AdminAddUserToGroupCommand(named));
    for (const name of ['parkedViewer', 'parkedAdmin']) {
      await site.untilStatus(ids.get(name) ?? '', 'roles_pending');
    }
    for (const name of ['viewer', 'admin']) {
      await site.untilStatus(ids.get(name) ?? '', 'completed');
    }
    manager = await Operator.at(browser, site.api.url);
    await manager.go('/console');
    await manager.signIn(Username, PASSWORD);
  });
  afterAll(async () => {
    await manager?.leave();
    await browser?.close();
    await site?.close();
  });

  /** All that a page says. */
  const text = (): Promise<string> => manager.page.locator('body').innerText();

  test('sees whom its grants allow, and nobody else', async () => {
    expect(manager.path).toBe('/console');
    expect(await text()).toContain(PEOPLE.parkedViewer.email);
    for (const path of [
      '/console',
      '/console/registrations',
      '/console/changes',
      '/console/invitations',
      '/console/person?q=parked',
      '/console/person?q=admin',
    ]) {
      await manager.go(path);
      expect(`${path}\n${await text()}`).not.toMatch(/(parked-)?admin@example\.com/);
    }
    await manager.go(page('viewer'));
    await manager.says('viewer@example.com');
    await manager.go(page('parkedAdmin'));
    expect(await manager.page.locator('h1').innerText()).toBe('Not found');
    const admin = await site.account(PEOPLE.admin.email);
    for (const action of ['roles', 'disable', 'sign-out', 'delete']) {
      await manager.go(`/console/users/${admin?.userId}/${action}`);
      expect(await text()).not.toContain(PEOPLE.admin.email);
      expect(await manager.page.locator('main form').count()).toBe(0);
    }
    await manager.go('/console/system');
    await manager.says('This page is for operators who may assign every role.');
    await manager.go(`/console/addresses?email=${PEOPLE.viewer.email}`);
    expect(await manager.page.locator('main').innerText()).not.toContain('taken');
  });

  test('is offered the roles that it may give, and no other is given', async () => {
    await manager.go('/console/new');
    const boxes = manager.page.locator('main input[name="roles"]');
    expect(await boxes.evaluateAll((all) => all.map((box) => box.getAttribute('value')))).toEqual([
      'researcher',
      'viewer',
    ]);
    await boxes.first().evaluate((box) => box.setAttribute('value', 'admin'));
    await manager.enter({ 'E-mail': 'forged@example.com', researcher: true });
    await manager.press('Register');
    await manager.says(/role/);
    expect(manager.path).toBe('/console/new');
    expect(await site.account('forged@example.com')).toBeNull();
  });

  test('sends forms to what it may not see, and nothing happens', async () => {
    const before = await site.account(PEOPLE.admin.email);
    const targets = [
      ...['retry', 'cancel', 'roles'].map((action) => `${page('parkedAdmin')}/${action}`),
      ...['roles', 'disable', 'sign-out', 'delete'].map(
        (action) => `/console/users/${before?.userId}/${action}`,
      ),
      '/console/system/redeliver?destination=webhook&waiting=true',
    ];
    for (const target of targets) {
      await manager.go(`${page('parkedViewer')}/cancel`);
      await manager.page.locator('main form').evaluate(
        (form, [action, email]) => {
          form.setAttribute('action', action);
          // What the form of a deletion has besides.
          for (const name of ['email', 'expectedEmail']) {
            const input = `<input type="hidden" name="${name}" value="${email}">`;
            form.insertAdjacentHTML('beforeend', input);
          }
        },
        [target, PEOPLE.admin.email] as const,
      );
      const answer = manager.page.waitForResponse((response) => response.url().endsWith(target));
      await manager.press('Cancel the registration');
      expect([target, (await answer).status()]).toEqual([
        target,
        target.includes('redeliver') ? 403 : 404,
      ]);
    }
    expect(await site.account(PEOPLE.admin.email)).toEqual(before);
    expect(await site.count('roles_pending')).toBe(2);
    for (const event of ['change.requested', 'registration.cancel_requested']) {
      expect(await site.trail(event)).toEqual([]);
    }
  });

  test('retries all that it sees: those of others stay parked', async () => {
    await site.setFaults();
    await manager.go('/console');
    await manager.confirm('Retry 1 registration', { Reason: 'It is back.' }, 'Retry all');
    await manager.says('Retried 1 registration. None remains.');
    await site.untilStatus(ids.get('parkedViewer') ?? '', 'completed');
    expect(await site.count('roles_pending')).toBe(1);
    expect((await site.account(PEOPLE.parkedViewer.email))?.roles).toEqual(['viewer']);
    expect(manager.complaints).toEqual([]);
  });
});
