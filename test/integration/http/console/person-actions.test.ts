import { randomUUID } from 'node:crypto';
import { AdminSetUserPasswordCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import type { ConsoleAnswer, ConsoleBrowser, Fields } from '../../../support/console-browser.ts';
import { test } from '../../../support/console-saga-test.ts';
import type { Saga } from '../../../support/saga.ts';
import { PASSWORD } from '../../../support/pool-people.ts';
import { addRole } from '../../../support/pool-user.ts';

const ROLES_FAIL: Rule = {
  operation: 'AdminAddUserToGroup',
  match: { group: 'viewer' },
  fault: { kind: 'server' },
};

test.afterEach(({ saga }) => saga.pool.clearFaults());

/** Sends the form of a confirmation twice, as a double click without JavaScript does.
 * @returns where the second one leads */
async function confirmTwice(
  browser: ConsoleBrowser,
  path: string,
  fields: Fields = {},
): Promise<ConsoleAnswer> {
  const page = await browser.get(path);
  expect([path, page.status]).toEqual([path, 200]);
  const first = await browser.submit(page, fields);
  expect([first.status, first.html]).toEqual([303, '']);
  const second = await browser.submit(page, fields);
  expect([second.status, second.location]).toEqual([303, first.location]);
  return await browser.follow(second);
}

const events = async ({ db }: Saga, id: string) =>
  (await readTimeline(db, id)).map(({ event }) => event);
const times = async (saga: Saga, id: string, event: string) =>
  (await events(saga, id)).filter((one) => one === event).length;

const csrfOf = ({ html }: ConsoleAnswer): string =>
  /name="csrf(?:Token)?" value="([^"]+)"/.exec(html)?.[1] ?? '';

/** Somebody who is registered. */
async function person(saga: Saga) {
  const { id } = await saga.register({ invite: false });
  const row = await saga.untilStatus(id, 'completed');
  return { id, email: row.email, userId: row.userId ?? '' };
}

/** Parked by a role that Cognito does not assign. */
async function parked(saga: Saga) {
  await saga.pool.setFaults([ROLES_FAIL]);
  const { id } = await saga.register({ invite: false });
  return await saga.untilStatus(id, 'roles_pending');
}

/** The page of a person, once no change is open any more. */
async function settledPage(saga: Saga, browser: ConsoleBrowser, id: string): Promise<string> {
  let html = '';
  await saga.eventually(async () => {
    ({ html } = await browser.get(`/console/registrations/${id}`));
    return !/id="change-[0-9a-f-]+"/.test(html);
  });
  return html;
}

test('a parked registration says what it waits for, gets other roles once and completes', async ({
  saga,
  administrator: { browser },
}) => {
  const { id } = await parked(saga);
  const page = await browser.get(`/console/registrations/${id}`);
  expect(page.html).toContain('The identity provider was unavailable for the whole retry budget.');
  expect(page.html).toContain('Wait: the schedule resumes it.');
  expect(page.html).toContain('Resumes ');
  for (const name of ['retry', 'roles', 'cancel']) {
    expect(page.html).toContain(`href="/console/registrations/${id}/${name}"`);
  }

  const path = `/console/registrations/${id}/roles`;
  const form = await browser.get(path);
  expect(form.html).toMatch(/<input[^>]*value="viewer"[^>]*checked/);
  const after = await confirmTwice(browser, path, { roles: 'researcher', reason: 'no viewer' });
  expect(after.html).toContain('The roles are replaced; the registration goes on.');
  const row = await saga.untilStatus(id, 'completed');
  expect(row.roles).toEqual(['researcher']);
  expect(await times(saga, id, 'registration.roles_requested')).toBe(1);
  expect((await browser.get(`/console/registrations/${id}`)).html).toContain('no viewer');
});

test('Retry resumes a parked registration once, and the timeline has who and why', async ({
  saga,
  administrator: { browser },
}) => {
  const { id } = await parked(saga);
  await saga.pool.clearFaults();
  const path = `/console/registrations/${id}/retry`;
  await confirmTwice(browser, path, { reason: 'Cognito is back' });
  await saga.untilStatus(id, 'completed');
  expect(await times(saga, id, 'registration.retry_requested')).toBe(1);
  const { html } = await browser.get(`/console/registrations/${id}`);
  expect(html).toContain('Cognito is back');
  expect(html).not.toContain(path);
  const late = await browser.get(path);
  expect(late.status).toBe(409);
  expect(late.html).toContain('This cannot be done in the present state');
});

test('Cancel undoes a registration once and frees its address', async ({
  saga,
  administrator: { browser },
}) => {
  const { id, email } = await parked(saga);
  const address = `/console/addresses?email=${encodeURIComponent(email)}`;
  const taken = await browser.get(address);
  expect(taken.html).toContain('A registration of this address is not finished.');
  const path = `/console/registrations/${id}/cancel`;
  expect(taken.html).toContain(`href="${path}"`);
  await confirmTwice(browser, path, { reason: 'wrong person' });
  await saga.untilStatus(id, 'cancelled');
  expect(await times(saga, id, 'registration.cancel_requested')).toBe(1);
  expect((await browser.get(address)).html).toContain('Nobody holds this address');
});

test('a cleanup that keeps failing names what is stuck, and Retry clears it', async ({
  saga,
  administrator: { browser },
}) => {
  await saga.pool.setFaults([
    {
      operation: 'AdminAddUserToGroup',
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
    { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
  ]);
  const { id } = await saga.register({ invite: false });
  await saga.untilStatus(id, 'cleanup_required');
  const { html } = await browser.get(`/console/registrations/${id}`);
  expect(html).toContain('What prevents the undo');
  expect(html).toContain('<strong>Delete user</strong>: ');
  expect(html).toContain('Correct what prevents the cleanup');
  await saga.pool.clearFaults();
  await confirmTwice(browser, `/console/registrations/${id}/retry`);
  await saga.untilStatus(id, 'failed');
});

test('Disable, Enable, Sign out and Roles change a person, each once', async ({
  saga,
  administrator: { browser },
}) => {
  const { id, userId } = await person(saga);
  const user = `/console/users/${userId}`;
  const actions = [
    ['disable', {}, 'Disable the account'],
    ['enable', {}, 'Enable the account'],
    ['sign-out', {}, 'End every session'],
    ['roles', { roles: ['researcher', 'viewer'] }, 'Change of roles'],
  ] as const;
  for (const [name, fields, title] of actions) {
    const after = await confirmTwice(browser, `${user}/${name}`, {
      ...fields,
      reason: `r-${name}`,
    });
    expect(after.url).toBe(`/console/registrations/${id}`);
    const html = await settledPage(saga, browser, id);
    const table =
      /<caption[^>]*>Changes, newest first<\/caption>.*?<\/table>/s.exec(html)?.[0] ?? '';
    expect([title, table.split(`>${title}</a>`).length]).toEqual([title, 2]);
  }
  expect(await saga.world(await saga.row(id))).toMatchObject({ roles: ['researcher', 'viewer'] });
  const { html } = await browser.get(`/console/registrations/${id}`);
  expect(html).toMatch(/Sessions last ended<\/dt><dd><time/);
  expect(html).toContain('enabled');
});

test('Delete asks for the address, erases the person once and frees the address', async ({
  saga,
  administrator: { browser },
}) => {
  const { id, userId, email } = await person(saga);
  const path = `/console/users/${userId}/delete`;
  const page = await browser.get(path);
  expect(page.html).toContain('Type the address of the person to confirm');
  const wrong = await browser.submit(page, { email: 'other@example.com', reason: 'asked for it' });
  expect(wrong.status).toBe(422);
  expect(wrong.html).toMatch(/id="email-error"[^>]*>[^<]*is not the address of this person\./);
  expect(wrong.html).toContain('asked for it');
  expect((await saga.row(id)).userDeletedAt).toBeNull();

  await confirmTwice(browser, path, { email: email.toUpperCase(), reason: 'asked for it' });
  const html = await settledPage(saga, browser, id);
  expect(html).toContain(`Erased person (${id.slice(0, 8)})`);
  expect(html).not.toContain(email);
  expect(html).not.toContain('asked for it');
  expect(html).toContain('user.deleted');
  const address = await browser.get(`/console/addresses?email=${encodeURIComponent(email)}`);
  expect(address.html).toContain('Nobody holds this address');
  const found = await browser.get(`/console/person?q=${userId}`);
  expect(found.html).toContain(`/console/registrations/${id}`);
});

test('nothing else is offered while a person is being deleted', async ({
  saga,
  administrator: { browser },
}) => {
  const { id, userId, email } = await person(saga);
  const user = `/console/users/${userId}`;
  expect((await browser.get(`/console/registrations/${id}`)).html).toContain(`${user}/roles`);
  await saga.pool.setFaults([{ ...ROLES_FAIL, operation: 'AdminDeleteUser' }]);
  await confirmTwice(browser, `${user}/delete`, { email });
  await saga.eventually(async () =>
    (await browser.get(`/console/registrations/${id}`)).html.includes('is being deleted, so'),
  );
  expect((await browser.get(`/console/registrations/${id}`)).html).not.toContain(user);
  await saga.pool.clearFaults();
});

test('a parked change shows on top of the person, is retried and is cancelled', async ({
  saga,
  administrator: { browser },
}) => {
  const { id, userId } = await person(saga);
  await saga.pool.setFaults([{ ...ROLES_FAIL, match: { group: 'researcher' } }]);
  const roles = `/console/users/${userId}/roles`;
  await confirmTwice(browser, roles, { roles: ['researcher', 'viewer'] });
  let change = '';
  await saga.eventually(async () => {
    const { html } = await browser.get(`/console/registrations/${id}`);
    change = /\/console\/changes\/[0-9a-f-]{36}/.exec(html)?.[0] ?? '';
    return html.includes(`href="${change}/retry"`);
  });
  const page = await browser.get(change);
  expect(page.html).toContain('The identity provider was unavailable for the whole retry budget.');
  const after = await confirmTwice(browser, `${change}/retry`, { reason: 'try again' });
  expect(after.url).toBe(change);
  await saga.eventually(async () =>
    (await browser.get(change)).html.includes(`href="${change}/retry"`),
  );
  await confirmTwice(browser, `${change}/cancel`, { reason: 'leave it' });
  await saga.eventually(async () =>
    (await browser.get(change)).html.includes('the person is as before'),
  );
  const { html } = await browser.get(change);
  expect(html.split('change.retry_requested').length).toBe(2);
  expect(html.split('change.cancel_requested').length).toBe(2);
  expect(html).toContain('leave it');
  expect(await saga.world(await saga.row(id))).toMatchObject({ roles: ['viewer'] });
});

test('Resend queues one invitation, however often the form is sent', async ({
  saga,
  administrator: { browser },
}) => {
  const { id } = await person(saga);
  const path = `/console/registrations/${id}/invitation`;
  const after = await confirmTwice(browser, path, { reason: 'the first one went to spam' });
  expect(after.html).toContain('The invitation is sent again.');
  expect(after.html).toContain('the first one went to spam');
  expect(after.html).toMatch(/mail by Cognito.*?pending/s);
  expect(await times(saga, id, 'invitation.requested')).toBe(1);
});

test('nobody is offered, or can do, something to their own account', async ({ saga, site }) => {
  const { id, email, userId } = await person(saga);
  const { client, userPoolId: UserPoolId } = saga.pool;
  await addRole(saga.pool, email, 'admin');
  const own = { UserPoolId, Username: email, Password: PASSWORD, Permanent: true };
  await client.send(new AdminSetUserPasswordCommand(own));
  const browser = site.browser();
  await browser.signIn(email, PASSWORD);
  const page = await browser.get(`/console/registrations/${id}`);
  expect(page.html).toContain('This is your own account.');
  const path = `/console/users/${userId}/disable`;
  expect(page.html).not.toContain(path);
  const asked = await browser.get(path);
  expect(asked.status).toBe(409);
  expect(asked.html).toContain('Nobody may change their own account here.');
  const fields = new URLSearchParams({ idempotencyKey: randomUUID(), csrfToken: csrfOf(page) });
  const sent = await browser.post(path, fields);
  expect(sent.status).toBe(403);
  expect(sent.html).toContain('Nobody may change their own account here.');
});
