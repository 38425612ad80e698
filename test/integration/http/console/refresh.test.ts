import { AdminUserGlobalSignOutCommand } from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { openDatabase } from '../../../../src/db/client.ts';
import { ProviderUnavailable } from '../../../../src/domain/role.ts';
import type { Tokens } from '../../../../src/domain/session.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import {
  COOKIE,
  ENDED,
  opens,
  rowsOf,
  test,
  type ConsoleUnderTest,
  type Operator,
} from '../../../support/console-test.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { SEALING } from '../../../support/passwords.ts';

const MINUTE_MS = 60_000;

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

/** The session of somebody seen through a process with one connection, whose refreshes wait for
 * `release`. */
async function heldRefresh(site: ConsoleUnderTest, database: TestDatabase, operator: Operator) {
  const one = openDatabase(database.appUrl, 1);
  const real = site.deps.sessions;
  const [held, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const got: Tokens[] = [];
  const refresh = async (token: string) => {
    asked.resolve();
    await held.promise;
    const tokens = await real.refresh(token);
    if (tokens) got.push(tokens);
    return tokens;
  };
  const process = site.with({ db: one.db, sessions: { ...real, refresh } });
  const as = ({ browser }: Operator) => {
    const other = process.browser();
    other.cookies.set(COOKIE, browser.cookies.get(COOKIE) ?? '');
    return { browser: other };
  };
  await nearlyExpired(site, operator.email, -1000);
  const page = opens(as(operator));
  await asked.promise;
  return { page, as, got, release: held.resolve, close: () => one.close() };
}

test('while Cognito is asked for new tokens, no connection is held, and others of the session wait', async ({
  site,
  database,
  administrator,
  manager,
}) => {
  const held = await heldRefresh(site, database, administrator);
  try {
    expect(await opens(held.as(manager))).toBe(403);
    const other = opens(held.as(administrator));
    // The page of the manager comes after the first look of the other request.
    expect(await opens(held.as(manager))).toBe(403);
    held.release();
    expect(await Promise.all([held.page, other])).toEqual([200, 200]);
    expect(held.got).toHaveLength(1);
  } finally {
    held.release();
    await held.close();
  }
});

test('a sign-out while tokens are refreshed leaves no session in the pool', async ({
  site,
  database,
  administrator,
}) => {
  const { browser } = administrator;
  const page = await browser.get('/console/system');
  const held = await heldRefresh(site, database, administrator);
  try {
    const out = await browser.submit(page, {}, { action: '/console/sign-out' });
    expect(out.location).toBe('/console/sign-in?reason=signed_out');
    held.release();
    expect(await held.page).toBe(ENDED);
    await site.api.settled();
    expect(await site.deps.sessions.refresh(held.got[0]?.refreshToken ?? '')).toBeNull();
  } finally {
    held.release();
    await held.close();
  }
});

test('a refresh that a process left unfinished is made by another request', async ({
  site,
  administrator,
}) => {
  const { email } = administrator;
  await nearlyExpired(site, email);
  await site.session(email, { refreshing_at: new Date(Date.now() - MINUTE_MS) });
  const calls = await refreshes(site);
  expect(await opens(administrator)).toBe(200);
  expect((await refreshes(site)) - calls).toBe(1);
});

test('somebody signs out while Cognito is away and the tokens have expired', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const page = await browser.get('/console/system');
  const sessions = {
    ...site.deps.sessions,
    refresh: () => Promise.reject(new ProviderUnavailable('scripted')),
    signOut: () => Promise.reject(new ProviderUnavailable('scripted')),
  };
  const away = site.with({ sessions }).browser();
  away.cookies.set(COOKIE, browser.cookies.get(COOKIE) ?? '');
  await nearlyExpired(site, email, -1000);
  const out = await away.submit(page, {}, { action: '/console/sign-out' });
  expect([out.status, out.location]).toEqual([303, '/console/sign-in?reason=signed_out']);
  expect([await rowsOf(site, email), away.cookies.size]).toEqual([0, 0]);
});
