import { randomBytes } from 'node:crypto';
import { AdminUserGlobalSignOutCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { openDatabase } from '../../../../src/db/client.ts';
import { ProviderUnavailable } from '../../../../src/domain/role.ts';
import { forgetEndedConsoleSessions } from '../../../../src/ledger/console-sessions.ts';
import { erasePerson } from '../../../../src/ledger/erasure.ts';
import { cutOffTokens } from '../../../../src/ledger/token-cutoffs.ts';
import { createSealing } from '../../../../src/secrets/sealing.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import {
  COOKIE,
  test,
  type ConsoleUnderTest,
  type Operator,
} from '../../../support/console-test.ts';
import { SEALING } from '../../../support/passwords.ts';
import { createSignedUp } from '../signed-up.ts';

const OVER = '/console/sign-in?reason=expired&next=%2Fconsole%2Fsystem';
const ENDED = '/console/sign-in?reason=ended&next=%2Fconsole%2Fsystem';
const MINUTE_MS = 60_000;
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * MINUTE_MS);

/** Where the page leads, or its status. */
async function opens({ browser }: Pick<Operator, 'browser'>): Promise<string | number> {
  const { status, location } = await browser.get('/console/system');
  return location ?? status;
}

/** Makes the access token of somebody look as if it were about to expire. */
async function nearlyExpired(site: ConsoleUnderTest, email: string, inMs = 1000): Promise<void> {
  const tokens = await site.tokensOf(email);
  const [row] = await site.api.sql<{ id: string }[]>`
    SELECT id FROM console_sessions WHERE name = ${email}`;
  const old = { ...tokens, expiresAt: new Date(Date.now() + inMs) };
  const sealed = SEALING.seal(new Secret(JSON.stringify(old)), row?.id ?? '');
  await site.session(email, { sealed_tokens: sealed });
}

const refreshes = async ({ pool }: ConsoleUnderTest) =>
  (await pool.calls())['GetTokensFromRefreshToken']?.calls ?? 0;

async function rowsOf(site: ConsoleUnderTest, email: string): Promise<number> {
  return (await site.api.sql`SELECT FROM console_sessions WHERE name = ${email}`).length;
}

test('a cookie authenticates no route of the API', async ({ administrator }) => {
  expect(await opens(administrator)).toBe(200);
  for (const path of ['/registrations', '/roles', '/audit-events', '/overview', '/profile']) {
    const { status } = await administrator.browser.get(path);
    expect([path, status === 401 || status === 404]).toEqual([path, true]);
  }
});

test('a session ends 30 minutes after the last page', async ({ site, administrator }) => {
  const { email } = administrator;
  await site.session(email, { seen_at: minutesAgo(29) });
  expect(await opens(administrator)).toBe(200);
  // The page has begun the time anew.
  await site.session(email, { created_at: minutesAgo(59) });
  expect(await opens(administrator)).toBe(200);
  await site.session(email, { seen_at: minutesAgo(31) });
  expect(await opens(administrator)).toBe(OVER);
  expect([await rowsOf(site, email), administrator.browser.cookies.size]).toEqual([0, 0]);
  const page = await administrator.browser.get(OVER);
  expect(page.html).toContain('Your session is over');
});

test('a session ends after 12 hours, however busy it is', async ({ site, administrator }) => {
  await site.session(administrator.email, { created_at: minutesAgo(12 * 60 - 1) });
  expect(await opens(administrator)).toBe(200);
  await site.session(administrator.email, { created_at: minutesAgo(12 * 60 + 1) });
  expect(await opens(administrator)).toBe(OVER);
});

test('a stream neither keeps a session from ending nor leads to a page', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const stream = '/console/registrations/00000000-0000-4000-8000-000000000000/stream';
  await site.session(email, { seen_at: minutesAgo(20) });
  expect((await browser.get(stream)).status).toBe(404);
  const [row] = await site.api.sql<{ seen_at: Date }[]>`
    SELECT seen_at FROM console_sessions WHERE name = ${email}`;
  expect(row?.seen_at.getTime()).toBeLessThan(minutesAgo(19).getTime());
  await site.session(email, { seen_at: minutesAgo(31) });
  const { status, location } = await browser.get(stream);
  expect([status, location]).toEqual([401, null]);
});

test('housekeeping removes sessions that are over, and no other', async ({ site }) => {
  const [idle, old, alive] = [
    await site.operator('admin'),
    await site.operator('admin'),
    await site.operator('admin'),
  ];
  await site.session(idle.email, { seen_at: minutesAgo(31) });
  await site.session(old.email, { created_at: minutesAgo(12 * 60 + 1) });
  await forgetEndedConsoleSessions(site.api.deps.db);
  const left = await Promise.all([idle, old, alive].map(({ email }) => rowsOf(site, email)));
  expect(left).toEqual([0, 0, 1]);
});

test('tokens that have nearly expired are refreshed, once for requests at one time', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const before = await site.tokensOf(email);
  await nearlyExpired(site, email);
  const calls = await refreshes(site);
  const pages = await Promise.all(
    ['/console', '/console/system', '/console/person', '/console/new'].map((path) =>
      browser.get(path),
    ),
  );
  expect(pages.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect((await refreshes(site)) - calls).toBe(1);
  const after = await site.tokensOf(email);
  expect(after.refreshToken).not.toBe(before.refreshToken);
  expect(after.expiresAt.getTime()).toBeGreaterThan(Date.now() + 10 * MINUTE_MS);
  expect(await opens(administrator)).toBe(200);
});

test('while Cognito is away, tokens serve until they expire, and then the session is kept', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const sessions = {
    ...site.deps.sessions,
    refresh: () => Promise.reject(new ProviderUnavailable('scripted')),
  };
  const away = site.with({ sessions }).browser();
  away.cookies.set(COOKIE, browser.cookies.get(COOKIE) ?? '');
  await nearlyExpired(site, email);
  expect((await away.get('/console/system')).status).toBe(200);
  await nearlyExpired(site, email, -1000);
  const page = await away.get('/console/system');
  expect([page.status, page.headers.get('retry-after')]).toEqual([503, '5']);
  expect(page.html).toContain('<h1');
  // Cognito is back.
  expect(await opens(administrator)).toBe(200);
});

test('a refresh whose reply is lost ends the session or is made again, as Cognito decides', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const real = site.deps.sessions;
  let lost = 0;
  const sessions = {
    ...real,
    refresh: async (token: string) => {
      await real.refresh(token);
      lost += 1;
      throw new ProviderUnavailable('the reply is lost');
    },
  };
  const losing = site.with({ sessions }).browser();
  losing.cookies.set(COOKIE, browser.cookies.get(COOKIE) ?? '');
  await nearlyExpired(site, email, -1000);
  expect([(await losing.get('/console/system')).status, lost]).toEqual([503, 1]);
  const { refreshToken } = await site.tokensOf(email);
  const then = await opens(administrator);
  expect([200, ENDED]).toContain(then);
  // The old token is worth nothing after either.
  expect(await real.refresh(refreshToken)).toBeNull();
  expect(await rowsOf(site, email)).toBe(then === 200 ? 1 : 0);
});

test('a disabled operator, and one whose refresh token is dead, is signed out', async ({
  site,
}) => {
  const disabled = await site.operator('admin');
  await site.disable(disabled.email);
  const ended = await site.operator('admin');
  await site.pool.client.send(
    new AdminUserGlobalSignOutCommand({
      UserPoolId: site.pool.userPoolId,
      Username: ended.email,
    }),
  );
  for (const person of [disabled, ended]) {
    await nearlyExpired(site, person.email);
    expect(await opens(person)).toBe(ENDED);
    expect(await rowsOf(site, person.email)).toBe(0);
  }
});

test('a cut-off of tokens ends the session, with a reason', async ({ site, administrator }) => {
  const { db } = site.api.deps;
  const [row] = await site.api.sql<{ user_id: string }[]>`
    SELECT user_id FROM console_sessions WHERE name = ${administrator.email}`;
  expect(await opens(administrator)).toBe(200);
  await cutOffTokens(db, row?.user_id ?? '', 'sessions_ended');
  await site.api.sql`UPDATE token_cutoffs SET sessions_ended_at = now() + interval '1 hour'
    WHERE user_id = ${row?.user_id ?? ''}`;
  await site.deps.cutoffs.read();
  expect(await opens(administrator)).toBe(ENDED);
  expect(await rowsOf(site, administrator.email)).toBe(0);
  const page = await administrator.browser.get(ENDED);
  expect(page.html).toContain('Your session was ended');
});

test('a session opens with any of the configured keys, and is over without its own', async ({
  site,
}) => {
  const [old, next] = ['old', 'next'].map((id) => ({ id, key: randomBytes(32) }));
  if (!old || !next) throw new Error('no keys');
  const before = site.with({ console: { sealing: createSealing([old]) } });
  const person = await before.operator('admin');
  const as = (...keys: (typeof old)[]) => {
    const browser = site.with({ console: { sealing: createSealing(keys) } }).browser();
    browser.cookies.set(COOKIE, person.browser.cookies.get(COOKIE) ?? '');
    return browser;
  };
  expect(await opens({ browser: as(next, old) })).toBe(200);
  expect(await opens({ browser: as(next) })).toBe(OVER);
  expect(await rowsOf(site, person.email)).toBe(0);
});

test('a seal of another session does not open', async ({ site }) => {
  const [thief, victim] = [await site.operator('viewer'), await site.operator('admin')];
  await site.api.sql`UPDATE console_sessions AS t SET sealed_tokens = v.sealed_tokens
    FROM console_sessions AS v WHERE t.name = ${thief.email} AND v.name = ${victim.email}`;
  expect(await opens(thief)).toBe(OVER);
});

test('the sessions of a person go when the person is erased', async ({ site }) => {
  const { email, sub, registrationId } = await createSignedUp(site.api, site.pool, 'Analytical1');
  const browser = site.browser();
  expect((await browser.signIn(email, 'Analytical1')).status).toBe(303);
  expect(await rowsOf(site, email)).toBe(1);
  await site.api.row(registrationId, { user_deleted_at: new Date() });
  await site.api.deps.db.transaction((tx) => erasePerson(tx, { registrationId, userId: sub }));
  expect(await rowsOf(site, email)).toBe(0);
});

test('without PostgreSQL every page says so, and a sign-in leaves no session in the pool', async ({
  site,
  administrator,
}) => {
  const nowhere = openDatabase('postgres://127.0.0.1:1/none', 1);
  try {
    const away = site.with({ db: nowhere.db });
    const browser = away.browser();
    browser.cookies.set(COOKIE, administrator.browser.cookies.get(COOKIE) ?? '');
    const page = await browser.get('/console/system');
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '5']);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const person = await site.person('admin');
    const calls = await site.pool.calls();
    const revoked = calls['RevokeToken']?.calls ?? 0;
    const answer = await away.browser().signIn(person.email, person.password);
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([503, []]);
    await site.api.settled();
    expect((await site.pool.calls())['RevokeToken']?.calls).toBe(revoked + 1);
  } finally {
    await nowhere.close();
  }
});
