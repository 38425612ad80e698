import { randomUUID } from 'node:crypto';
import { AdminAddUserToGroupCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect, onTestFinished, vi } from 'vitest';
import { createCognito } from '../../../../src/cognito/adapter.ts';
import { createAccounts } from '../../../../src/cognito/directory.ts';
import { createPasswordRecovery } from '../../../../src/cognito/password-recovery.ts';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import { openDatabase } from '../../../../src/db/client.ts';
import {
  createTokenCutoffs,
  pollTokenCutoffs,
  type TokenCutoffs,
} from '../../../../src/http/access/token-cutoffs.ts';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import { cutOffTokens } from '../../../../src/ledger/token-cutoffs.ts';
import { test } from '../../../support/api-test.ts';
import type { TestPool } from '../../../support/cognito.ts';
import { AccountDoors, NEXT_PASSWORD, PASSWORD } from '../accounts/account-doors.ts';
import { newBody, type ApiUnderTest } from '../api-under-test.ts';

/** An API process over the shared ledger and pool, with a memory of its own. */
class Process extends AccountDoors {
  readonly cutoffs: TokenCutoffs;

  constructor(api: ApiUnderTest, pool: TestPool, db = api.deps.db) {
    const { client, clientId, userPoolId } = pool;
    const { logger: log } = api.deps;
    const settings = { clientId, clientSecret: null };
    const recovery = createPasswordRecovery(client, settings, log);
    const cutoffs = createTokenCutoffs({
      db,
      sessions: createSessions(client, settings, log),
      accounts: createAccounts(createCognito(client, userPoolId), async () => undefined),
      log,
    });
    super(api, pool, { cutoffs, recovery });
    this.cutoffs = cutoffs;
  }

  /** The status at a route that does not ask Cognito for the person; 403: the token counts. */
  async roles(token: string): Promise<number> {
    return (await this.call('GET', '/roles', undefined, token)).status;
  }
}

let one: Process;
let other: Process;

test.beforeEach(async ({ api, pool }) => {
  one = new Process(api, pool);
  other = new Process(api, pool);
  await Promise.all([one.cutoffs.read(), other.cutoffs.read()]);
  await pool.clearCalls();
});
test.afterEach(async ({ pool }) => {
  vi.useRealTimers();
  await pool.clearFaults();
});

const now = () => Math.floor(Date.now() / 1000);
const getUsers = async (pool: TestPool) => (await pool.calls())['GetUser']?.calls ?? 0;
const resetOf = async (at: Process, pool: TestPool, email: string) => {
  const settings = { clientId: pool.clientId, clientSecret: null };
  const recovery = createPasswordRecovery(pool.client, settings, at.api.deps.logger);
  await recovery.mailCode(email, AbortSignal.timeout(5000));
  const code = await at.codeFor(email);
  const json = { username: email, code, new_password: NEXT_PASSWORD };
  return (await at.post('/auth/reset-password', json)).status;
};

test('a reset in one API process ends the tokens of the person in the other, and a new sign-in works at once', async ({
  pool,
}) => {
  const { email } = await one.known();
  const bystander = await one.accessToken((await one.known()).email);
  const token = await one.accessToken(email);
  expect([await one.roles(token), await other.roles(token)]).toEqual([403, 403]);
  expect(await resetOf(one, pool, email)).toBe(204);
  const renewed = await one.accessToken(email, NEXT_PASSWORD);
  await Promise.all([one.cutoffs.read(), other.cutoffs.read()]);
  for (const at of [one, other]) {
    const answer = await at.call('GET', '/roles', undefined, token);
    expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated']);
    expect([await at.roles(renewed), await at.roles(bystander)]).toEqual([403, 403]);
  }
});

test('a changed password leaves its own new token alone, and ends the others in every process', async () => {
  const { email } = await one.known();
  const [own, thief] = [await one.accessToken(email), await other.accessToken(email)];
  const json = { current_password: PASSWORD, new_password: NEXT_PASSWORD };
  const { body } = await one.post('/auth/change-password', json, own);
  await Promise.all([one.cutoffs.read(), other.cutoffs.read()]);
  for (const at of [one, other]) {
    expect([await at.roles(own), await at.roles(thief), await at.roles(body.access_token)]).toEqual(
      [401, 401, 403],
    );
  }
});

test('a sign-out of all sessions ends tokens that were refreshed a moment before', async () => {
  const { email } = await one.known();
  const { body: session } = await one.login(email);
  const refreshed = (await one.post('/auth/refresh', { refresh_token: session.refresh_token }))
    .body;
  const { body: last } = await one.login(email);
  await one.post('/auth/logout', { refresh_token: 'nonsense' }, last.access_token);
  await other.cutoffs.read();
  for (const token of [session.access_token, refreshed.access_token, last.access_token]) {
    expect(await other.roles(token)).toBe(401);
  }
  expect(await other.roles(await one.accessToken(email))).toBe(403);
});

test('a session from before a reset is refused even when it is refreshed after it', async ({
  api,
  pool,
}) => {
  const { sub } = await one.known();
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  const times = { iat: now() + 60, auth_time: now() - 60, exp: now() + 600 };
  expect(await other.roles(await pool.token({ sub, username: sub, ...times }))).toBe(401);
  const later = { ...times, auth_time: now() + 60 };
  expect(await other.roles(await pool.token({ sub, username: sub, ...later }))).toBe(403);
  expect(await getUsers(pool)).toBe(0);
});

test('a reset whose sign-out fails ends older tokens, of people whom Registrar did not register too', async ({
  api,
  pool,
}) => {
  for (const isOurs of [true, false]) {
    const { email, sub, registrationId } = await one.known();
    if (!isOurs) await api.row(registrationId, { user_id: null, cognito_username: null });
    const old = await pool.token({ sub, username: sub, iat: now() - 60, auth_time: now() - 60 });
    expect(await other.roles(old)).toBe(403);
    await pool.setFaults([{ operation: 'AdminUserGlobalSignOut', fault: { kind: 'server' } }]);
    expect(await resetOf(one, pool, email)).toBe(204);
    await pool.clearFaults();
    await other.cutoffs.read();
    expect([isOurs, await other.roles(old)]).toEqual([isOurs, 401]);
  }
});

test('a reset without a reply ends older tokens at once', async ({ api, pool }) => {
  const { email, sub } = await one.known();
  const old = await pool.token({ sub, username: sub, iat: now() - 60, auth_time: now() - 60 });
  await pool.setFaults([
    { operation: 'ConfirmForgotPassword', fault: { kind: 'replyLost', effect: 'after' } },
  ]);
  expect(await resetOf(one, pool, email)).toBe(503);
  await other.cutoffs.read();
  expect(await other.roles(old)).toBe(401);
  await api.sql`DELETE FROM outbox WHERE kind = 'sign_out'`;
});

test('a wrong code ends nobody’s tokens', async () => {
  const { email } = await one.known();
  const token = await one.accessToken(email);
  const json = { username: email, code: '000000', new_password: NEXT_PASSWORD };
  expect((await one.post('/auth/reset-password', json)).status).toBe(400);
  await one.cutoffs.read();
  expect(await one.roles(token)).toBe(403);
});

test('after a change of roles a token counts if it was issued later, or names the roles of now', async ({
  api,
  pool,
}) => {
  const { sub } = await one.known();
  const groups = { 'cognito:groups': ['viewer'] };
  const at = { UserPoolId: pool.userPoolId, Username: sub, GroupName: 'viewer' };
  await pool.client.send(new AdminAddUserToGroupCommand(at));
  await cutOffTokens(api.deps.db, sub, 'roles_changed');
  await other.cutoffs.read();
  const status = async (claims: Record<string, unknown>) =>
    await other.roles(
      await pool.token({ sub, username: sub, auth_time: now() - 86_400, ...claims }),
    );
  expect(await status({ ...groups, iat: now() - 60 })).toBe(401);
  expect(await status({ ...groups, iat: now() })).toBe(403);
  expect(await status({ 'cognito:groups': ['admin', 'viewer'], iat: now() })).toBe(401);
  expect(await status({ 'cognito:groups': undefined, iat: now() })).toBe(401);
  expect(await status({ 'cognito:groups': ['other'], iat: now() + 60 })).toBe(403);
});

test('Cognito is asked once for a token that the clocks cannot place', async ({ api, pool }) => {
  const { email, sub } = await one.known();
  vi.useFakeTimers({ toFake: ['performance'] });
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  const token = await one.accessToken(email);
  vi.advanceTimersByTime(6000);
  await pool.clearCalls();
  for (let call = 0; call < 5; call += 1) expect(await other.roles(token)).toBe(403);
  expect(await getUsers(pool)).toBe(1);
  // A later cutoff is another question.
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  expect(await other.roles(token)).toBe(403);
  expect(await getUsers(pool)).toBe(2);
});

test('while Cognito cannot be asked, a token that the clocks cannot place is answered 503', async ({
  api,
  pool,
}) => {
  const { email, sub } = await one.known();
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  const token = await one.accessToken(email);
  await pool.setFaults([{ operation: 'GetUser', fault: { kind: 'server' } }]);
  expect(await other.roles(token)).toBe(503);
});

test('a token that Cognito tells nothing about is compared by the second that it states', async ({
  api,
  pool,
}) => {
  const { sub } = await one.known();
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  const status = async (second: number) => {
    const times = { iat: second, auth_time: second };
    return await other.roles(await pool.token({ sub, username: sub, scope: 'openid', ...times }));
  };
  expect([await status(now() - 2), await status(now() + 2)]).toEqual([401, 403]);
  expect(await getUsers(pool)).toBe(0);
});

test('a new process reads the cutoffs before its first answer', async ({ api, pool }) => {
  const { sub } = await one.known();
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  const old = await pool.token({ sub, username: sub, iat: now() - 60, auth_time: now() - 60 });
  expect(await new Process(api, pool).roles(old)).toBe(401);
});

test('while PostgreSQL is away, the cutoffs that are known still count', async ({
  api,
  pool,
  database,
}) => {
  const { sub } = await one.known();
  const stranger = randomUUID();
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  const connections = openDatabase(database.appUrl, 1);
  const process = new Process(api, pool, connections.db);
  await process.cutoffs.read();
  await connections.close(0);
  const logged = api.scripts.logged.length;
  await process.cutoffs.read();
  await process.cutoffs.read();
  const times = { iat: now() - 60, auth_time: now() - 60 };
  expect(await process.roles(await pool.token({ sub, username: sub, ...times }))).toBe(401);
  const counts = await pool.token({ sub: stranger, username: stranger, ...times });
  expect(await process.roles(counts)).toBe(403);
  const warnings = api.scripts.logged.slice(logged).filter(({ level }) => level === 'warn');
  expect(warnings.map(({ message }) => message)).toEqual([
    'token cutoffs cannot be read; those known before still count',
  ]);
});

test('a cutoff whose transaction commits after later ones is read', async ({ api, pool }) => {
  const [late, early] = [await one.known(), await one.known()];
  const { promise: committing, resolve: commit } = Promise.withResolvers<void>();
  const { promise: written, resolve: wrote } = Promise.withResolvers<void>();
  const open = api.deps.db.transaction(async (tx) => {
    await cutOffTokens(tx, late.sub, 'sessions_ended');
    // As one that has been open for seconds: the next one is written within the same millisecond.
    await tx.execute(sql`UPDATE token_cutoffs SET changed_at = changed_at - interval '5 seconds'
      WHERE user_id = ${late.sub}`);
    wrote();
    await committing;
  });
  await written;
  await cutOffTokens(api.deps.db, early.sub, 'sessions_ended');
  await other.cutoffs.read();
  commit();
  await open;
  await other.cutoffs.read();
  for (const { sub } of [late, early]) {
    const times = { iat: now() - 60, auth_time: now() - 60 };
    expect(await other.roles(await pool.token({ sub, username: sub, ...times }))).toBe(401);
  }
});

test('a receipt stream ends when its token does', async ({ api, pool }) => {
  const { sub } = await one.known();
  const { id } = (await api.call('/registrations', { method: 'POST', json: newBody() })).body;
  const { issuer, jwksUrl, clientId } = pool;
  const app = api.app({
    cutoffs: other.cutoffs,
    verifyToken: createTokenVerifier({ issuer, jwksUrl, clientIds: [clientId] }),
    streams: { pollMs: 10 },
  });
  const claims = { sub, username: sub, 'cognito:groups': ['admin'] };
  const token = await pool.token({ ...claims, iat: now() - 60, auth_time: now() - 60 });
  const answer = await app.request(`/registrations/${id}/stream`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  await cutOffTokens(api.deps.db, sub, 'sessions_ended');
  await other.cutoffs.read();
  // The whole body: it has an end.
  expect((await answer.text()).match(/^event: receipt$/gm)).toHaveLength(1);
});

test('a process reads at once and every 2 s until it stops', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let reads = 0;
  const polling = pollTokenCutoffs({ read: async () => void (reads += 1) });
  onTestFinished(() => polling.stop());
  vi.advanceTimersByTime(4000);
  expect(reads).toBe(3);
  polling.stop();
  vi.advanceTimersByTime(10_000);
  expect(reads).toBe(3);
});
