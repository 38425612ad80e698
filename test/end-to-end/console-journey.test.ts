import {
  AdminSetUserMFAPreferenceCommand,
  AssociateSoftwareTokenCommand,
  InitiateAuthCommand,
  VerifySoftwareTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { totpAt } from '../../dev/cognito/totp.ts';
import { eventually } from '../support/eventually.ts';
import { launchChromium } from '../support/inspect-page.ts';
import { CHROMIUM } from '../support/programs.ts';
import { ConsoleSite, FIRST_ADMIN } from './console-site.ts';
import { Operator } from './operator.ts';

/** The journey of the first administrator with the console alone: with JavaScript, and with it off. */

const PASSWORD = 'Analytical1';
const STEP_MS = 30_000;
const unavailable = { kind: 'server', status: 503 } as const;
const gone = { kind: 'error', error: 'ResourceNotFoundException' } as const;

let browser: Browser;
beforeAll(async () => {
  if (CHROMIUM.path !== null) browser = await launchChromium();
});
afterAll(() => browser?.close());

describe.skipIf(CHROMIUM.path === null).each([
  { how: 'with JavaScript', javaScript: true },
  { how: 'with JavaScript off', javaScript: false },
])('the first administrator in Chromium $how', ({ javaScript }) => {
  let site: ConsoleSite;
  let operator: Operator;
  /** The administrator's id. */
  let adminId: string;
  beforeAll(async () => {
    site = await ConsoleSite.open();
    operator = await Operator.at(browser, site.api.url, { javaScript });
  });
  afterAll(async () => {
    await operator?.leave();
    await site?.close();
  });

  /** Fills in the form and opens the registration's page. @returns the id */
  async function register(email: string, role: string): Promise<string> {
    await operator.go('/console/new');
    await operator.enter({ 'E-mail': email, [role]: true });
    await operator.press('Register');
    await operator.says('The registration is accepted.');
    return operator.path.split('/').at(-1) ?? '';
  }

  /** The page of a person, by the search. */
  async function find(email: string): Promise<void> {
    await operator.go('/console/person');
    await operator.enter({ 'E-mail address, username or id': email });
    await operator.press('Search');
  }

  test('signs in with the mailed password and chooses another', async () => {
    await operator.go('/console/system');
    await operator.signIn(FIRST_ADMIN, 'wrong-Password-1');
    await operator.says('The name or the password is wrong, or the account is disabled.');
    await operator.signIn(FIRST_ADMIN, await site.mailed(FIRST_ADMIN));
    await operator.says(/Choose a password of your own/);
    await operator.enter({ 'New password': PASSWORD, 'New password, again': 'Difference2' });
    await operator.press('Go on');
    await operator.says('The two passwords differ.');
    await operator.enter({ 'New password': PASSWORD, 'New password, again': PASSWORD });
    await operator.press('Go on');
    // The page that was asked for.
    expect(operator.path).toBe('/console/system');
    adminId = (await site.account(FIRST_ADMIN))?.userId ?? '';
  });

  test('signs in with a second factor', async () => {
    const { client, clientId: ClientId, userPoolId: UserPoolId } = site.pool;
    const { AuthenticationResult } = await client.send(
      new InitiateAuthCommand({
        ClientId,
        AuthFlow: 'USER_PASSWORD_AUTH',
        AuthParameters: { USERNAME: FIRST_ADMIN, PASSWORD },
      }),
    );
    const { AccessToken } = AuthenticationResult ?? {};
    const { SecretCode = '' } = await client.send(
      new AssociateSoftwareTokenCommand({ AccessToken }),
    );
    const code = async (later = 0) => totpAt(SecretCode, (await site.pool.now()) + later);
    await client.send(
      new VerifySoftwareTokenCommand({ AccessToken, UserCode: await code(-STEP_MS) }),
    );
    await client.send(
      new AdminSetUserMFAPreferenceCommand({
        UserPoolId,
        Username: FIRST_ADMIN,
        SoftwareTokenMfaSettings: { Enabled: true, PreferredMfa: true },
      }),
    );
    await operator.press('Sign out');
    await operator.says('You are signed out.');
    await operator.signIn(FIRST_ADMIN, PASSWORD);
    await operator.enter({ 'Code of your authenticator app': '000000' });
    await operator.press('Go on');
    await operator.says(/The code is wrong/);
    await operator.enter({ 'Code of your authenticator app': await code() });
    await operator.press('Go on');
    expect(operator.path).toBe('/console');
  });

  test('registers somebody and watches it complete once a worker runs', async () => {
    await operator.says('No worker is running');
    const id = await register('ada@example.com', 'viewer');
    await operator.watch('accepted');
    await site.deployment.worker();
    await operator.watch('completed');
    expect((await site.account('ada@example.com'))?.roles).toEqual(['viewer']);
    const [requested] = await site.timeline(id);
    expect(requested).toMatchObject({ event: 'registration.requested', actor: adminId });
    await operator.goUntil('/console', 'Nothing needs a person.');
  });

  test('understands why a registration is parked, and gives other roles', async () => {
    const email = 'grace@example.com';
    await site.setFaults({
      operation: 'AdminAddUserToGroup',
      match: { email, group: 'researcher' },
      fault: unavailable,
    });
    const id = await register(email, 'researcher');
    await operator.watch('roles_pending');
    await operator.says('identity_provider_unavailable');
    await operator.go('/console');
    await operator.press(email);
    await operator.confirm(
      'Other roles',
      { researcher: false, viewer: true, Reason: 'The group cannot be reached.' },
      'Replace the roles and go on',
    );
    await operator.watch('completed');
    expect((await site.account(email))?.roles).toEqual(['viewer']);
    expect(await site.trail('registration.roles_requested')).toMatchObject([
      { actor: adminId, details: { roles: ['viewer'] } },
    ]);
    // The trail takes no free text: a reason is in the ledger.
    expect(await site.timeline(id)).toContainEqual(
      expect.objectContaining({
        event: 'registration.roles_requested',
        details: expect.objectContaining({ reason: 'The group cannot be reached.' }),
      }),
    );
  });

  test('clears a cleanup that is required', async () => {
    const email = 'cleanup@example.com';
    await site.setFaults(
      { operation: 'AdminAddUserToGroup', match: { email }, fault: gone },
      { operation: 'AdminDeleteUser', match: { email }, fault: unavailable },
    );
    const id = await register(email, 'viewer');
    await operator.watch('cleanup_required');
    await operator.says('What prevents the undo');
    expect(await site.account(email)).not.toBeNull();
    await site.setFaults();
    await operator.confirm('Retry the cleanup', { Reason: 'It is back.' }, 'Retry the cleanup');
    await operator.watch('failed');
    expect(await site.account(email)).toBeNull();
    expect(await site.timeline(id)).toContainEqual(
      expect.objectContaining({ event: 'registration.retry_requested', actor: adminId }),
    );
  });

  test('retries forty that are parked by one press', async () => {
    await site.setFaults({
      operation: 'AdminAddUserToGroup',
      match: { email: 'forty-*' },
      fault: unavailable,
    });
    const people = Array.from({ length: 40 }, (_, n) => `forty-${n}@example.com`);
    await Promise.all(people.map((email) => site.register(email)));
    await eventually(async () => (await site.count('roles_pending')) === 40);
    await site.setFaults();
    await operator.go('/console');
    await operator.confirm('Retry all 40 registrations', { Reason: 'It is back.' }, 'Retry all');
    await operator.says('Retried 40 registrations. None remains.');
    await eventually(async () => (await site.count('completed')) === 42);
    const asked = await site.trail('registration.retry_requested');
    expect(asked.filter(({ actor }) => actor === adminId)).toHaveLength(41);
    await operator.goUntil('/console', 'Nothing needs a person.');
  });

  test('finds why an address is taken, and frees it', async () => {
    const email = 'ada@example.com';
    const before = await site.account(email);
    await operator.go('/console/new');
    await operator.enter({ 'E-mail': email, viewer: true });
    await operator.press('Register');
    await operator.press('Why is this address taken?');
    await operator.says(/Registrar registered a person with this address/);
    await operator.press('Delete the person');
    const asked = 'Type the address of the person to confirm';
    await operator.enter({ [asked]: 'grace@example.com' });
    await operator.press('Delete the person');
    await operator.says(/is not the address of this person/);
    expect(await site.account(email)).toEqual(before);
    await operator.enter({ [asked]: email, Reason: 'Left the company.' });
    await operator.press('Delete the person');
    await eventually(async () => (await site.account(email)) === null);
    await eventually(async () => (await site.trail('user.deleted')).length === 1);
    await find(email);
    await operator.press('Register this address');
    await operator.enter({ viewer: true });
    await operator.press('Register');
    await operator.watch('completed');
    expect((await site.account(email))?.userId).not.toBe(before?.userId);
  });

  test('delivers to a webhook that came back', async () => {
    await eventually(async () => (await site.waitingDeliveries('webhook')) === 0);
    const { received } = site.webhook;
    const told = (userId: string) => received.filter(({ body }) => body.includes(userId));
    site.webhookAnswer.status = 503;
    await register('webhook@example.com', 'viewer');
    await operator.watch('completed');
    const { userId } = (await site.account('webhook@example.com')) ?? { userId: '-' };
    await eventually(() => told(userId).length > 0);
    await eventually(async () => (await site.lastError('webhook')) !== null);
    await operator.go('/console/system');
    await operator.says('failing');
    site.webhookAnswer.status = 204;
    expect(told(userId)).toHaveLength(1);
    await operator.press('Deliver now for webhook');
    await operator.press('Deliver now');
    await operator.says('Deliveries to webhook that are due now: 1.');
    await eventually(() => told(userId).length > 1);
    await eventually(async () => (await site.waitingDeliveries('webhook')) === 0);
  });

  test('disables and deletes a person', async () => {
    const email = 'grace@example.com';
    const userId = (await site.account(email))?.userId ?? '';
    await find(email);
    await operator.press(email);
    await operator.confirm('Disable', { Reason: 'On leave.' }, 'Disable');
    await eventually(async () => (await site.account(email))?.enabled === false);
    await eventually(async () => (await site.trail('user.disabled')).length === 1);
    await find(email);
    await operator.press(email);
    await operator.press('Delete');
    await operator.enter({
      'Type the address of the person to confirm': email,
      Reason: 'Left the company.',
    });
    await operator.press('Delete the person');
    await eventually(async () => (await site.account(email)) === null);
    await eventually(async () => (await site.trail('user.deleted')).length === 2);
    expect(await site.trail('change.requested')).toContainEqual(
      expect.objectContaining({
        actor: adminId,
        userId,
        details: expect.objectContaining({ kind: 'delete' }),
      }),
    );
    await find(email);
    await operator.says('free');
  });

  test('the browser has complained of nothing, and asked nobody else', () => {
    expect(operator.complaints).toEqual([]);
  });
});
