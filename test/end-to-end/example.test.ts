import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AdminSetUserMFAPreferenceCommand,
  AdminUpdateUserAttributesCommand,
  AdminUserGlobalSignOutCommand,
  SetUserPoolMfaConfigCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Browser, Page } from 'playwright-core';
import { afterAll, describe, expect } from 'vitest';
import type { TestPool } from '../support/cognito.ts';
import type { Api } from '../support/deployment.ts';
import { test } from '../support/deployment-test.ts';
import { eventually } from '../support/eventually.ts';
import { inspectPage, launchChromium, WIDE } from '../support/inspect-page.ts';
import { REPOSITORY } from '../support/program.ts';
import { CHROMIUM } from '../support/programs.ts';

/** The example front end against the real API, worker and sandbox, as somebody uses it. */

const PASSWORD = 'Analytical1';
const OTHER_PASSWORD = 'Difference2';
const DOORS = 'signup,session';

test.override('deploymentOptions', {
  env: {
    DOORS,
    ENVIRONMENT: 'local',
    PASSWORD_SEALING_KEYS: `test:${randomBytes(32).toString('base64')}`,
    REGISTER_LIMIT_PER_MINUTE: '1000',
  },
});

let api: Api;
test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  api = await deployment.api();
});

test('the example is there in local mode, and nowhere else', async ({ deployment }) => {
  const elsewhere = await deployment.api({ ENVIRONMENT: 'staging' });
  for (const path of ['/example', '/example/', '/example/app.js', '/example/mailbox']) {
    const statuses = [elsewhere, api].map(async ({ url }) => (await fetch(`${url}${path}`)).status);
    expect([path, ...(await Promise.all(statuses))]).toEqual([path, 404, 200]);
  }
  const page = await fetch(`${api.url}/example`);
  expect(page.headers.get('content-security-policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  await elsewhere.kill();
});

describe.skipIf(CHROMIUM.path === null)('in Chromium', () => {
  let browser: Browser;
  /** The views that `inspect` has seen. */
  const inspected = new Set<string>();
  test.beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  interface Visit {
    readonly page: Page;
    /** What the browser complained about: errors, and what the policy refused. */
    readonly complaints: string[];
    /** Paths that were asked for, with their status. */
    readonly answers: string[];
    enter(fields: Record<string, string>): Promise<void>;
    press(name: string): Promise<void>;
    /** Waits for the view. */
    shows(view: string): Promise<void>;
    says(text: string): Promise<void>;
  }

  async function visit(url = api.url): Promise<Visit> {
    const context = await browser.newContext({ viewport: WIDE });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const complaints: string[] = [];
    const answers: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser says of each refused request that it was refused.
      const text = message.text();
      if (!text.startsWith('Failed to load resource')) complaints.push(text);
    });
    page.on('response', (answer) => {
      answers.push(`${answer.status()} ${new URL(answer.url()).pathname}`);
    });
    await page.goto(`${url}/example`);
    const inView = (selector: string) => page.locator(`section:not([hidden]) ${selector}`);
    return {
      page,
      complaints,
      answers,
      async enter(fields) {
        for (const [label, text] of Object.entries(fields)) {
          await page.getByLabel(label, { exact: true }).filter({ visible: true }).fill(text);
        }
      },
      press: (name) => page.getByRole('button', { name, exact: true }).click(),
      shows: (view) => page.locator(`[data-view="${view}"]:not([hidden])`).waitFor(),
      async says(text) {
        await page.locator('#message').filter({ hasText: text }).waitFor();
        expect(await inView('[aria-busy]').count()).toBe(0);
      },
    };
  }

  async function inspect({ page }: Visit): Promise<void> {
    const view = await page.locator('[data-view]:not([hidden])').getAttribute('data-view');
    expect(new URL(page.url()).hash).toBe(`#${view}`);
    await inspectPage(page, view ?? '');
    inspected.add(view ?? '');
  }

  /** The mail behind the page's own link, newest first, as a person would read it. */
  async function mailedCode(visited: Visit): Promise<string> {
    const [mailbox] = await Promise.all([
      visited.page.waitForEvent('popup'),
      visited.page.getByRole('link', { name: 'Mailbox of the sandbox' }).click(),
    ]);
    const code = mailbox.locator('code').first();
    await eventually(async () => {
      await mailbox.waitForLoadState();
      if ((await code.count()) > 0) return true;
      await mailbox.reload();
      return false;
    });
    const text = await code.innerText();
    await mailbox.close();
    return text;
  }

  const mailCount = async (pool: TestPool, to: string): Promise<number> =>
    (await pool.mail()).filter((mail) => mail.to === to).length;

  async function signUp(visited: Visit, name: string): Promise<string> {
    const email = `${name}@example.com`;
    await visited.page.getByRole('link', { name: 'Create an account' }).click();
    await visited.shows('sign-up');
    await visited.enter({
      'E-mail': email,
      Username: name,
      'First name': 'Ada',
      'Last name': 'Lovelace',
      Password: PASSWORD,
      'Repeat the password': PASSWORD,
    });
    await visited.press('Create account');
    await visited.shows('verify');
    return email;
  }

  async function signIn(visited: Visit, username: string, password: string): Promise<void> {
    await visited.shows('sign-in');
    await visited.enter({ 'E-mail or username': username, Password: password });
    await visited.press('Sign in');
  }

  test('somebody signs up, proves the address, signs out, forgets the password and gets in again', async ({
    deployment,
  }) => {
    const visited = await visit();
    const { page } = visited;
    await inspect(visited);
    await page.getByRole('link', { name: 'Create an account' }).click();
    await inspect(visited);
    await visited.page.goBack();

    const email = await signUp(visited, 'ada');
    await inspect(visited);
    await visited.enter({ Code: '000000' });
    await visited.press('Confirm');
    await visited.says('Invalid or expired code');
    await visited.enter({ Code: await mailedCode(visited) });
    await visited.press('Confirm');
    await visited.shows('profile');
    await visited.says('Your address is confirmed.');
    expect(await page.locator('[data-show="verified"]').innerText()).toBe('confirmed');
    await inspect(visited);

    await visited.enter({ 'First name': 'Augusta' });
    await visited.press('Save name');
    await visited.says('Your name is saved.');
    await visited.press('Sign out');
    await visited.says('You are signed out.');

    await page.getByRole('link', { name: 'Forgot your password?' }).click();
    await visited.shows('forgot');
    await inspect(visited);
    const before = await mailCount(deployment.pool, email);
    await visited.enter({ 'E-mail or username': email });
    await visited.press('Send it');
    await visited.shows('reset');
    await inspect(visited);
    await eventually(async () => (await mailCount(deployment.pool, email)) > before);
    await visited.enter({
      'Code or temporary password from the mail': await mailedCode(visited),
      'New password': OTHER_PASSWORD,
      'Repeat the password': 'Different3',
    });
    await visited.press('Set password');
    await visited.says('The passwords do not match.');
    await visited.enter({ 'Repeat the password': OTHER_PASSWORD });
    await visited.press('Set password');
    await visited.says('Your new password is set.');
    await signIn(visited, email, PASSWORD);
    await visited.says('Incorrect');
    await signIn(visited, 'ada', OTHER_PASSWORD);
    await visited.shows('profile');
    expect(await page.getByLabel('First name').filter({ visible: true }).inputValue()).toBe(
      'Augusta',
    );
    expect(visited.complaints).toEqual([]);
    await page.context().close();
  });

  test('somebody who was invited signs in with the mailed password and chooses one of their own', async ({
    deployment,
  }) => {
    const email = 'invited@example.com';
    const registered = await fetch(`${api.url}/registrations`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${deployment.token}`,
        'content-type': 'application/json',
        prefer: 'wait=30',
      },
      body: JSON.stringify({ email, roles: ['viewer'], firstName: 'Grace', lastName: 'Hopper' }),
    });
    expect(registered.status).toBe(201);
    await eventually(async () => (await mailCount(deployment.pool, email)) > 0);
    const mailed = (await deployment.pool.mail()).findLast(({ to }) => to === email)?.code ?? '';

    const visited = await visit();
    await signIn(visited, email, mailed);
    await visited.shows('new-password');
    await inspect(visited);
    await visited.enter({ 'New password': 'password', 'Repeat the password': 'password' });
    await visited.press('Save and sign in');
    await visited.says('Password must');
    await visited.enter({ 'New password': PASSWORD, 'Repeat the password': PASSWORD });
    await visited.press('Save and sign in');
    await visited.shows('profile');
    await visited.says('Your password is saved.');
    expect(await visited.page.locator('[data-show="email"]').innerText()).toBe(email);
    expect(await visited.page.locator('[data-show="verified"]').innerText()).toBe('confirmed');

    await visited.enter({
      'Current password': PASSWORD,
      'New password': OTHER_PASSWORD,
      'Repeat the new password': OTHER_PASSWORD,
    });
    await visited.press('Change password');
    await visited.says('Your password is changed.');
    await visited.enter({ 'Last name': 'Murray Hopper' });
    await visited.press('Save name');
    await visited.says('Your name is saved.');
    expect(visited.complaints).toEqual([]);
    await visited.page.context().close();
  });

  test('somebody with two second factors chooses one and enters its code', async ({
    deployment,
  }) => {
    const { client, userPoolId: UserPoolId } = deployment.pool;
    await client.send(
      new SetUserPoolMfaConfigCommand({
        UserPoolId,
        MfaConfiguration: 'OPTIONAL',
        EmailMfaConfiguration: {},
        SmsMfaConfiguration: { SmsConfiguration: { SnsCallerArn: 'arn:aws:iam::1:role/sms' } },
      }),
    );
    const visited = await visit();
    const email = await signUp(visited, 'careful');
    await visited.page.getByRole('link', { name: 'Later' }).click();
    await visited.shows('profile');
    await visited.press('Sign out');
    const whom = { UserPoolId, Username: email };
    const phone = { Name: 'phone_number', Value: '+15550100123' };
    await client.send(new AdminUpdateUserAttributesCommand({ ...whom, UserAttributes: [phone] }));
    await client.send(
      new AdminSetUserMFAPreferenceCommand({
        ...whom,
        SMSMfaSettings: { Enabled: true },
        EmailMfaSettings: { Enabled: true },
      }),
    );
    await signIn(visited, email, PASSWORD);
    await visited.shows('select-factor');
    await inspect(visited);
    const before = await mailCount(deployment.pool, email);
    await visited.page.getByLabel('E-mail', { exact: true }).filter({ visible: true }).check();
    await visited.press('Continue');
    await visited.shows('sign-in-code');
    await inspect(visited);
    expect(await mailCount(deployment.pool, email)).toBe(before + 1);
    await visited.enter({ Code: '00000000' });
    await visited.press('Continue');
    await visited.says('Invalid code or session');
    await visited.enter({ Code: await mailedCode(visited) });
    await visited.press('Continue');
    await visited.shows('profile');
    expect(visited.complaints).toEqual([]);
    await visited.page.context().close();
  });

  test('where the address must be proved first, the code itself signs in', async ({
    deployment,
  }) => {
    const strict = await deployment.api({ SIGNUP_VERIFICATION: 'required' });
    const visited = await visit(strict.url);
    const email = await signUp(visited, 'strict');
    expect(visited.answers).toContain('202 /auth/register');
    await visited.enter({ Code: await mailedCode(visited) });
    await visited.press('Confirm');
    await visited.shows('profile');
    expect(await visited.page.locator('[data-show="email"]').innerText()).toBe(email);
    await visited.page.context().close();
    await strict.kill();
  });

  test('the access token is renewed in time, each refresh token once, until the session is ended', async ({
    deployment,
  }) => {
    const visited = await visit();
    const { page } = visited;
    const email = await signUp(visited, 'staying');
    await page.getByRole('link', { name: 'Later' }).click();
    const refreshes: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/auth/refresh')) refreshes.push(request.postData() ?? '');
    });
    for (const minutes of [31, 62]) {
      await page.clock.setFixedTime(Date.now() + minutes * 60_000);
      await visited.enter({ 'First name': `After ${minutes}` });
      await visited.press('Save name');
      await visited.says('Your name is saved.');
    }
    expect(new Set(refreshes).size).toBe(2);
    expect(refreshes).toHaveLength(2);

    const { client, userPoolId: UserPoolId } = deployment.pool;
    await client.send(new AdminUserGlobalSignOutCommand({ UserPoolId, Username: email }));
    await visited.press('Save name');
    await visited.shows('sign-in');
    await visited.says('Your session has ended. Please sign in again.');
    await page.context().close();
  });

  test('the keyboard alone signs in, and a reload signs out', async () => {
    const visited = await visit();
    const { page } = visited;
    const focused = () => page.evaluate<string>('document.activeElement.id');
    for (const id of ['mailbox', 'sign-in-username']) {
      await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
    }
    await page.keyboard.type('ada');
    await page.keyboard.press('Tab');
    await page.keyboard.type(OTHER_PASSWORD);
    await page.keyboard.press('Enter');
    await visited.shows('profile');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Your profile');
    expect(await page.title()).toBe('Your profile · Registrar example');
    const kept = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])';
    expect(await page.evaluate<string>(kept)).toBe('[{},{},""]');
    await page.reload();
    await visited.shows('sign-in');
    await page.context().close();
  });

  test('every view was inspected', async () => {
    const html = await readFile(join(REPOSITORY, 'examples/web/index.html'), 'utf8');
    const views = Array.from(html.matchAll(/data-view="([^"]+)"/g), ([, name]) => name);
    expect([...inspected].toSorted()).toEqual(views.toSorted());
  });
});
