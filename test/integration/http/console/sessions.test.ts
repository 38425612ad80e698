import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { openDatabase } from '../../../../src/db/client.ts';
import { forgetEndedConsoleSessions } from '../../../../src/ledger/console-sessions.ts';
import { erasePerson } from '../../../../src/ledger/erasure.ts';
import { cutOffTokens } from '../../../../src/ledger/token-cutoffs.ts';
import { createSealing } from '../../../../src/secrets/sealing.ts';
import { COOKIE, ENDED, opens, rowsOf, test } from '../../../support/console-test.ts';
import { createSignedUp } from '../signed-up.ts';

const OVER = '/console/sign-in?reason=expired&next=%2Fconsole%2Fsystem';
const MINUTE_MS = 60_000;
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * MINUTE_MS);

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
  const { refreshToken } = await site.tokensOf(email);
  await site.session(email, { seen_at: minutesAgo(31) });
  expect(await opens(administrator)).toBe(OVER);
  expect([await rowsOf(site, email), administrator.browser.cookies.size]).toEqual([0, 0]);
  const page = await administrator.browser.get(OVER);
  expect(page.html).toContain('Your session is over');
  await site.api.settled();
  expect(await site.deps.sessions.refresh(refreshToken)).toBeNull();
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

test('what the script of a page reads again neither keeps a session from ending nor takes its notice', async ({
  site,
  administrator,
}) => {
  const { email, browser } = administrator;
  const form = await browser.get('/console/new');
  const done = await browser.submit(form, { email: 'background@example.com', roles: 'viewer' });
  const again = async () => await browser.get(done.location ?? '', { 'x-background': 'true' });
  await site.session(email, { seen_at: minutesAgo(20) });
  const read = await again();
  expect([read.status, read.html.includes('is accepted')]).toEqual([200, false]);
  const [row] = await site.api.sql<{ seen_at: Date }[]>`
    SELECT seen_at FROM console_sessions WHERE name = ${email}`;
  expect(row?.seen_at.getTime()).toBeLessThan(minutesAgo(19).getTime());
  expect((await browser.follow(done)).html).toContain('is accepted');
  await site.session(email, { seen_at: minutesAgo(31) });
  const late = await again();
  expect([late.status, late.location, late.headers.getSetCookie()]).toEqual([401, null, []]);
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
