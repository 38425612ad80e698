import {
  AdminSetUserMFAPreferenceCommand,
  AssociateSoftwareTokenCommand,
  SetUserPoolMfaConfigCommand,
  VerifySoftwareTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { totpAt } from '../../../../dev/cognito/totp.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import type { ConsoleAnswer } from '../../../support/console-browser.ts';
import { COOKIE, test, type ConsoleUnderTest } from '../../../support/console-test.ts';
import {
  addPerson,
  lastCode,
  otherThan,
  PASSWORD,
  tokensOf,
} from '../../../support/pool-people.ts';

const CHOSEN = 'Difference-22';
const textOf = ({ html }: ConsoleAnswer) => html.replaceAll(/<[^>]*>/g, ' ');

/** The alert of a page. */
const alertOf = ({ html }: ConsoleAnswer) =>
  /role="alert"[^>]*>(.*?)<\/(?:p|div)>/s.exec(html)?.[1];

const secretIn = ({ html }: ConsoleAnswer) =>
  /<code[^>]*>([A-Z2-7 ]{16,})<\/code>/.exec(html)?.[1]?.replaceAll(' ', '') ?? '';

/** Gives somebody an authenticator that is asked for at each sign-in. @returns its secret */
async function authenticatorOf({ pool }: ConsoleUnderTest, email: string): Promise<string> {
  const { AccessToken } = await tokensOf(pool, email);
  const { SecretCode = '' } = await pool.client.send(
    new AssociateSoftwareTokenCommand({ AccessToken }),
  );
  const UserCode = totpAt(SecretCode, await pool.now());
  await pool.client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode }));
  await pool.client.send(
    new AdminSetUserMFAPreferenceCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      SoftwareTokenMfaSettings: { Enabled: true, PreferredMfa: true },
    }),
  );
  return SecretCode;
}

test('a person signs in, comes back to the page that was asked for, and signs out', async ({
  site,
}) => {
  const { email, password, browser } = await site.person('admin');
  const first = await browser.get('/console/person?q=ada');
  expect([first.status, first.location]).toEqual([
    303,
    '/console/sign-in?next=%2Fconsole%2Fperson%3Fq%3Dada',
  ]);
  const signedIn = await browser.submit(await browser.follow(first), { username: email, password });
  expect([signedIn.status, signedIn.location]).toEqual([303, '/console/person?q=ada']);
  const page = await browser.follow(signedIn);
  expect([page.status, textOf(page).includes(email)]).toEqual([200, true]);
  const { refreshToken } = await site.tokensOf(email);
  const out = await browser.submit(page, {}, { action: '/console/sign-out' });
  expect([out.status, out.location]).toEqual([303, '/console/sign-in?reason=signed_out']);
  expect(textOf(await browser.follow(out))).toContain('You are signed out.');
  expect((await browser.get('/console')).location).toBe('/console/sign-in');
  await site.api.settled();
  expect(await site.deps.sessions.refresh(refreshToken)).toBeNull();
});

test('the cookie is HttpOnly, Secure, strict and bound to the host; locally it works over plain HTTP', async ({
  site,
}) => {
  const attributes = async (of: ConsoleUnderTest) => {
    const { email, password } = await of.person('admin');
    const answer = await of.browser().signIn(email, password);
    return answer.headers.getSetCookie().map((line) => line.replace(/=[\w-]{43};/, '=…;'));
  };
  expect(await attributes(site)).toEqual([
    '__Host-registrar-console=…; Path=/; HttpOnly; Secure; SameSite=Strict',
  ]);
  const local = { acceptsHost: () => true, mailbox: '' };
  expect(await attributes(site.with({ local }))).toEqual([
    'registrar-console=…; Path=/; HttpOnly; SameSite=Strict',
  ]);
});

test('each sign-in has a new id, whatever the browser sent, and ends the session before it', async ({
  site,
}) => {
  const { email, password, browser } = await site.person('admin');
  const name = COOKIE;
  const planted = 'planted'.repeat(6);
  browser.cookies.set(name, planted);
  const form = await browser.get('/console/sign-in');
  const signIn = () => browser.submit(form, { username: email, password });
  await signIn();
  const first = browser.cookies.get(name) ?? '';
  expect(first).not.toBe(planted);
  const { refreshToken } = await site.tokensOf(email);
  await signIn();
  expect(browser.cookies.get(name)).not.toBe(first);
  expect((await browser.get('/console')).status).toBe(200);
  for (const old of [planted, first]) {
    const thief = site.browser();
    thief.cookies.set(name, old);
    expect((await thief.get('/console')).location).toBe('/console/sign-in?reason=expired');
  }
  await site.api.settled();
  expect(await site.deps.sessions.refresh(refreshToken)).toBeNull();
});

test('the row of a session holds neither the id of the cookie nor a token', async ({
  site,
  administrator,
}) => {
  const { accessToken, refreshToken } = await site.tokensOf(administrator.email);
  const rows = await site.api.sql`SELECT console_sessions::text AS row,
      encode(sealed_tokens, 'escape') AS sealed
    FROM console_sessions WHERE name = ${administrator.email}`;
  expect(rows).toHaveLength(1);
  const text = JSON.stringify(rows);
  const secrets = [...administrator.browser.cookies.values(), accessToken, refreshToken];
  for (const secret of secrets) expect(text).not.toContain(secret);
});

test('a wrong password, an unknown name and a disabled account look alike', async ({ site }) => {
  const { email, browser } = await site.person('admin');
  const disabled = await site.person('admin');
  await site.disable(disabled.email);
  const attempts = [
    [email, 'wrong'],
    [`${randomUUID()}@example.com`, 'wrong'],
    [disabled.email, disabled.password],
    ['', ''],
  ] as const;
  for (const [username, password] of attempts) {
    const page = await browser.signIn(username, password);
    expect([page.status, alertOf(page)]).toEqual([
      401,
      expect.stringContaining('The name or the password is wrong'),
    ]);
    expect(page.html).not.toContain(`value="${password || 'none'}"`);
  }
  expect([...browser.cookies]).toEqual([]);
});

test('an invited person chooses a password by the rules and is signed in', async ({ site }) => {
  const email = await addPerson(site.pool, `invited-${randomUUID()}`, { temporary: true });
  const browser = site.browser();
  const first = await browser.signIn(email, PASSWORD, '/console/system');
  expect([first.status, textOf(first)]).toEqual([
    200,
    expect.stringContaining('Choose a password of your own'),
  ]);
  const choose = (new_password: string, repeated_password = new_password) =>
    browser.submit(first, { new_password, repeated_password });
  const different = await choose(CHOSEN, `${CHOSEN}3`);
  expect([different.status, alertOf(different)]).toEqual([422, 'The two passwords differ.']);
  const short = await choose('Short1');
  expect([short.status, alertOf(short)]).toEqual([422, expect.stringMatching(/8 characters/)]);
  expect(short.html).not.toContain('Short1');
  const done = await choose(CHOSEN);
  expect([done.status, done.location]).toEqual([303, '/console/system']);
  expect((await site.browser().signIn(email, CHOSEN)).status).toBe(303);
});

test('a person with an authenticator signs in with its code, also after a wrong one', async ({
  site,
}) => {
  const { email, password, browser } = await site.person('admin');
  const secret = await authenticatorOf(site, email);
  const asked = await browser.signIn(email, password, '/console/new');
  expect(textOf(asked)).toContain('Code of your authenticator app');
  const code = totpAt(secret, await site.pool.now());
  const wrong = await browser.submit(asked, { code: otherThan(code) });
  expect([wrong.status, alertOf(wrong)]).toEqual([401, expect.stringContaining('wrong')]);
  const done = await browser.submit(wrong, { code });
  expect([done.status, done.location]).toEqual([303, '/console/new']);
});

test('a person chooses between factors, and signs in with a code by mail', async ({ site }) => {
  const { pool } = site;
  await pool.client.send(
    new SetUserPoolMfaConfigCommand({
      UserPoolId: pool.userPoolId,
      MfaConfiguration: 'OPTIONAL',
      SoftwareTokenMfaConfiguration: { Enabled: true },
      EmailMfaConfiguration: {},
    }),
  );
  const { email, password, browser } = await site.person('admin');
  await authenticatorOf(site, email);
  await pool.client.send(
    new AdminSetUserMFAPreferenceCommand({
      UserPoolId: pool.userPoolId,
      Username: email,
      SoftwareTokenMfaSettings: { Enabled: true, PreferredMfa: false },
      EmailMfaSettings: { Enabled: true, PreferredMfa: false },
    }),
  );
  const choice = await browser.signIn(email, password);
  expect(textOf(choice)).toContain('How do you want to prove that it is you?');
  const asked = await browser.submit(choice, { code: 'EMAIL_OTP' });
  expect(textOf(asked)).toMatch(/Code that was sent to \S+@/);
  const done = await browser.submit(asked, { code: await lastCode(pool, email) });
  expect(done.status).toBe(303);
});

test('where the pool insists on a second factor, a person sets an authenticator up', async ({
  site,
}) => {
  const { pool } = site;
  const insist = (MfaConfiguration: 'ON' | 'OPTIONAL') =>
    pool.client.send(
      new SetUserPoolMfaConfigCommand({
        UserPoolId: pool.userPoolId,
        MfaConfiguration,
        SoftwareTokenMfaConfiguration: { Enabled: true },
      }),
    );
  await insist('ON');
  try {
    const { email, password, browser } = await site.person('admin');
    const asked = await browser.signIn(email, password);
    const code = totpAt(secretIn(asked), await pool.now());
    const wrong = await browser.submit(asked, { code: otherThan(code) });
    expect(secretIn(wrong)).toBe(secretIn(asked));
    expect((await browser.submit(wrong, { code })).status).toBe(303);
  } finally {
    await insist('OPTIONAL');
  }
});

test('a sign-in leads to a page of the console only', async ({ site }) => {
  const { email, password, browser } = await site.person('admin');
  const outside = [
    'https://evil.example/console',
    '//evil.example/console',
    '/\\evil.example/console',
    '\\\\evil.example',
    '/console/../docs',
    '/console/%2e%2e/docs',
    '/consolex',
    '/console\\@evil.example',
    'javascript:alert(1)',
    '/\t/evil.example',
    ' //evil.example',
    '/console/sign-in?next=//evil.example',
    '/docs',
    '',
  ];
  for (const next of outside) {
    const form = await site.browser().get(`/console/sign-in?next=${encodeURIComponent(next)}`);
    const answer = await browser.submit(form, { username: email, password, next });
    expect([next, answer.status, answer.location]).toEqual([
      next,
      303,
      expect.stringMatching(/^\/console(?:\/@evil\.example)?$/),
    ]);
  }
  const path = '/console/sign-in?next=/console/person%3Fq=a%2526b';
  const form = await site.browser().get(path);
  const answer = await browser.submit(form, { username: email, password });
  expect(answer.location).toBe('/console/person?q=a%26b');
  // Whoever is signed in already goes there at once.
  expect((await browser.get(path)).location).toBe('/console/person?q=a%26b');
  expect((await browser.get('/console/sign-in?next=//evil.example')).location).toBe('/console');
});

test('a link from another site, without the strict cookie, leads to the page by one of our own', async ({
  site,
  administrator,
}) => {
  const linked = await site
    .browser()
    .get('/console/person?q=ada', { 'sec-fetch-site': 'cross-site' });
  expect(linked.status).toBe(200);
  const [, next = ''] = /^0; url=(.*)$/.exec(linked.headers.get('refresh') ?? '') ?? [];
  expect(linked.html).toContain(`href="${next}"`);
  // The browser that is signed in sends its cookie again.
  expect((await administrator.browser.get(next)).location).toBe('/console/person?q=ada');
  const stranger = await site.browser().get(next, { 'sec-fetch-site': 'cross-site' });
  expect([stranger.status, stranger.headers.get('refresh')]).toEqual([200, null]);
  expect(stranger.html).toContain('name="password"');
});

test('what was typed, and what a link says, is shown as text', async ({ site }) => {
  const script = `"><script>alert('x')</script>`;
  const browser = site.browser();
  const pages = [
    await browser.signIn(script, 'wrong'),
    await browser.get(
      `/console/sign-in?reason=${encodeURIComponent(script)}&next=${encodeURIComponent(`/console/person?q=${script}`)}`,
    ),
    await browser.post(
      '/console/sign-in/challenge',
      new URLSearchParams(
        ['username', 'session', 'challenge', 'destination', 'secret', 'option', 'code', 'next'].map(
          (name): [string, string] => [name, name === 'challenge' ? 'EMAIL_OTP' : script],
        ),
      ),
    ),
  ];
  for (const { html } of pages) expect(html).not.toMatch(/<script>|"><script/i);
});

test('guesses of a password are limited as at /auth/login, and the page says for how long', async ({
  site,
}) => {
  const { db } = site.api.deps;
  const limits = createLimits({ db, table: limitCounts }, 10);
  const limited = site.with({ limits, clientAddress: () => '198.51.100.7' });
  const { email, password } = await site.person('admin');
  const browser = limited.browser();
  const form = await browser.get('/console/sign-in');
  const guesses = await Promise.all(
    Array.from({ length: 25 }, () => browser.submit(form, { username: email, password: 'wrong' })),
  );
  const refused = guesses.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(5);
  const [first] = refused;
  expect(Number(first?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(first && alertOf(first)).toBeDefined();
  // The door counts with it.
  const door = { doors: new Set(['session']), limits, clientAddress: () => '198.51.100.7' };
  const { app } = site.with(door);
  const login = await site.api.call('/auth/login', {
    method: 'POST',
    json: { username: email, password },
    token: null,
    app,
  });
  expect(login.status).toBe(429);
});

test('a form of another site signs nobody in', async ({ site }) => {
  const { email, password, browser } = await site.person('admin');
  const form = await browser.get('/console/sign-in');
  const foreign = [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'null', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://localhost.evil.example', 'sec-fetch-site': 'same-site' },
  ];
  for (const headers of foreign) {
    const answer = await browser.submit(form, { username: email, password }, { headers });
    expect(answer.status).toBe(403);
    expect(browser.cookies.size).toBe(0);
  }
});
