import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AdminDisableUserCommand,
  AdminGetUserCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { recoverPasswords } from '../../../../activities/relay/password-recoveries.ts';
import { createCognito } from '../../../../src/cognito/adapter.ts';
import { createAccounts } from '../../../../src/cognito/directory.ts';
import { createPasswordRecovery } from '../../../../src/cognito/password-recovery.ts';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import { createTokenVerifier } from '../../../../src/http/access/tokens.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import type { AppDeps } from '../../../../src/http/app.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import { FAILURES } from '../../../../src/domain/failure.ts';
import { accept } from '../../../../src/ledger/registrations/accept.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { acceptInput, type Wanted } from '../../../support/accept-input.ts';
import { test as base } from '../../../support/api-test.ts';
import { signsIn } from '../../../support/passwords.ts';
import { Steps } from '../../../support/steps.ts';
import { distance, isSameDistribution } from '../../../support/distribution.ts';
import type { TestPool } from '../../../support/cognito.ts';
import type { Answer, ApiUnderTest } from '../api-under-test.ts';
import { known, type Known } from '../../../support/known.ts';

const PASSWORD = 'Analytical1';
const NEXT = 'Difference2';
const WRONG_CODE = { detail: 'Invalid or expired code' };

const test = base.extend('steps', { scope: 'file' }, ({ database, pool }, { onCleanup }) => {
  const steps = new Steps(database, pool);
  onCleanup(() => steps.stop());
  return steps;
});

test.afterEach(async ({ api, pool }) => {
  await pool.clearFaults();
  await api.sql`DELETE FROM mail_counts`;
  await api.sql`DELETE FROM outbox WHERE account_name IS NOT NULL`;
});

function appOf(api: ApiUnderTest, pool: TestPool, over: Partial<AppDeps> = {}) {
  const { issuer, jwksUrl, clientId, client } = pool;
  const settings = { clientId, clientSecret: null };
  return api.app({
    doors: new Set(['session', 'signup']),
    sessions: createSessions(client, settings, api.deps.logger),
    recovery: createPasswordRecovery(client, settings, api.deps.logger),
    accounts: createAccounts(createCognito(client, pool.userPoolId), async () => undefined),
    verifyToken: createTokenVerifier({ issuer, jwksUrl, clientIds: [clientId] }),
    ...over,
  });
}

const post = async (
  api: ApiUnderTest,
  pool: TestPool,
  path: string,
  json: unknown,
  over: Partial<AppDeps> = {},
): Promise<Answer> =>
  await api.call(path, { method: 'POST', json, token: null, app: appOf(api, pool, over) });
const reset = (
  api: ApiUnderTest,
  pool: TestPool,
  username: string,
  code: string,
  over: Partial<AppDeps> = {},
) => post(api, pool, '/auth/reset-password', { username, code, new_password: NEXT }, over);

async function completed(steps: Steps, wanted: Wanted): Promise<Known> {
  const id = randomUUID();
  await accept(steps.db, acceptInput({ id, username: `u-${id.slice(0, 8)}`, ...wanted }));
  const { row } = await registerAtOnce(steps.context(), id);
  expect(row.status).toBe('completed');
  return known(row);
}
const signedUp = (steps: Steps) =>
  completed(steps, { door: 'signup', roles: [], emailVerified: false, password: PASSWORD });
const proved = (steps: Steps) => completed(steps, { password: PASSWORD, invite: false });
const invited = (steps: Steps) => completed(steps, { invite: true });
const disabled = async (steps: Steps) => {
  const row = await proved(steps);
  const at = { UserPoolId: steps.pool.userPoolId, Username: row.email };
  await steps.pool.client.send(new AdminDisableUserCommand(at));
  return known(row);
};

/** The relay, until every promise of a mail is kept. */
async function relay(steps: Steps): Promise<void> {
  const { db, log, provider } = steps.context();
  const { client, clientId } = steps.pool;
  const stopping = new AbortController();
  const recovery = createPasswordRecovery(client, { clientId, clientSecret: null }, log);
  const shift = recoverPasswords(
    {
      db,
      log,
      provider,
      recovery,
      acquireQuota: () => async () => undefined,
      publicMailsPerDay: null,
      propagationGraceSeconds: 0,
    },
    stopping.signal,
  );
  const left = sql`SELECT 1 FROM outbox WHERE kind = 'password_recovery'`;
  while ((await db.execute(left)).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stopping.abort();
  await shift;
}

const codeFor = async (steps: Steps, email: string): Promise<string> =>
  (await steps.pool.mail()).findLast(({ to }) => to === email)?.code ?? '';

/** What is left of promises to end sessions. */
const promises = async (api: ApiUnderTest) =>
  await api.sql`SELECT kind FROM outbox WHERE kind IN ('sign_out', 'password_reset')`;

test('forgot-password answers everybody alike', async ({ api, pool, steps }) => {
  const people = [
    await proved(steps),
    await signedUp(steps),
    await invited(steps),
    await disabled(steps),
  ];
  const names = people.flatMap(({ email, username }) => [email, username ?? '']);
  const answers = await Promise.all(
    [...names, 'nobody', 'nobody@example.com', '?', ''].map((username) =>
      post(api, pool, '/auth/forgot-password', { username }),
    ),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(202);
});

test('a code from the mail sets a new password and ends every session', async ({
  api,
  pool,
  steps,
}) => {
  const row = await proved(steps);
  const { body: before } = await post(api, pool, '/auth/login', {
    username: row.email,
    password: PASSWORD,
  });
  await post(api, pool, '/auth/forgot-password', { username: row.username });
  await relay(steps);
  const code = await codeFor(steps, row.email);
  const answer = await reset(api, pool, row.username ?? '', ` ${code} `);
  expect([answer.status, answer.text]).toEqual([204, '']);
  expect(await signsIn(pool, row.email, PASSWORD)).toBe(false);
  expect(await signsIn(pool, row.email, NEXT)).toBe(true);
  const refreshed = await post(api, pool, '/auth/refresh', { refresh_token: before.refresh_token });
  expect(refreshed.status).toBe(401);
  const profile = await api.call('/profile', {
    token: before.access_token,
    app: appOf(api, pool),
  });
  expect(profile.status).toBe(401);
  expect(await promises(api)).toEqual([]);
  const trail = (await readTimeline(steps.db, row.id)).slice(-2);
  expect(trail.map(({ event, details }) => [event, details])).toEqual([
    ['user.password_reset', { by: 'code' }],
    ['user.signed_out_everywhere', { by: 'code' }],
  ]);
  expect((await reset(api, pool, row.email, code)).body).toEqual(WRONG_CODE);
});

test('the owner of a mailbox gets the account of a squatter by mail, and the address counts as proved', async ({
  api,
  pool,
  steps,
}) => {
  const row = await signedUp(steps);
  const login = { username: row.email, password: PASSWORD };
  const { body: squatter } = await post(api, pool, '/auth/login', login);
  await post(api, pool, '/auth/forgot-password', { username: row.email });
  await relay(steps);
  expect((await post(api, pool, '/auth/login', login)).status).toBe(401);
  const { refresh_token } = squatter;
  expect((await post(api, pool, '/auth/refresh', { refresh_token })).status).toBe(401);
  const answer = await reset(api, pool, row.email, await codeFor(steps, row.email));
  expect(answer.status).toBe(204);
  const { body: owner } = await post(api, pool, '/auth/login', { ...login, password: NEXT });
  expect(owner.is_verified).toBe(true);
  expect((await steps.row(row.id)).emailVerified).toBe(true);
  const events = (await readTimeline(steps.db, row.id)).map(({ event }) => event);
  expect(events).toContain('user.email_verified');
  const told = await api.sql`SELECT kind FROM outbox WHERE registration_id = ${row.id}
    AND kind = 'user.email_verified'`;
  expect(told).toHaveLength(1);
});

test("an administrator's registration meets email_unverified, and replaces the sign-up on request", async ({
  api,
  pool,
  steps,
}) => {
  const squatter = await signedUp(steps);
  const body = { email: squatter.email, roles: ['viewer'], invite: false };
  const register = (json: object) => api.call('/registrations', { method: 'POST', json });
  const refused = await register(body);
  expect([refused.status, refused.body.code, refused.body.registrationId]).toEqual([
    409,
    'email_unverified',
    squatter.id,
  ]);
  const users = await api.call('/api/users', { method: 'POST', json: { email: squatter.email } });
  expect([users.status, users.body.code]).toEqual([409, 'email_unverified']);
  const taken = { ...body, replaceUnverified: true, username: squatter.username };
  expect((await register(taken)).body.code).toBe('username_taken');
  const accepted = await register({ ...body, replaceUnverified: true });
  expect(accepted.status).toBe(202);
  const { row } = await registerAtOnce(steps.context(), accepted.body.id);
  expect(row).toMatchObject({ status: 'completed', roles: ['viewer'] });
  expect(await signsIn(pool, squatter.email, PASSWORD)).toBe(false);
  const at = { UserPoolId: pool.userPoolId, Username: squatter.cognitoUsername ?? '' };
  await expect(pool.client.send(new AdminGetUserCommand(at))).rejects.toThrow(
    'User does not exist',
  );
  expect((await steps.row(squatter.id)).rolesTouched).toEqual([]);
});

test('an unverified sign-up gets no role while it is parked', async ({ api, steps }) => {
  const row = await signedUp(steps);
  await api.row(row.id, { status: 'roles_pending', parked_at: new Date() });
  const answer = await api.call(`/registrations/${row.id}/roles`, {
    method: 'PUT',
    json: { roles: ['viewer'] },
  });
  expect([answer.status, answer.body.code]).toEqual([409, 'email_unverified']);
  await api.row(row.id, { status: 'completed' });
});

test('a wrong code gets one answer for everybody, and the promised sign-out is withdrawn', async ({
  api,
  pool,
  steps,
}) => {
  const people = [
    await proved(steps),
    await signedUp(steps),
    await invited(steps),
    await disabled(steps),
  ];
  const names = [...people.map(({ email }) => email), 'nobody', 'nobody@example.com', ''];
  for (const code of ['000000', 'Wr0ng-temporary', PASSWORD]) {
    const answers = await Promise.all(names.map((name) => reset(api, pool, name, code)));
    for (const { status, body } of answers) expect([status, body]).toEqual([400, WRONG_CODE]);
  }
  expect(await promises(api)).toEqual([]);
  expect(await signsIn(pool, people[0]?.email ?? '', PASSWORD)).toBe(true);
});

test.for([
  'LimitExceededException',
  'TooManyFailedAttemptsException',
  'ExpiredCodeException',
  'UserNotFoundException',
])('%s of the pool is answered as a wrong code', async (error, { api, pool, steps }) => {
  const { email } = await proved(steps);
  await pool.setFaults([{ operation: 'ConfirmForgotPassword', fault: { kind: 'error', error } }]);
  const answer = await reset(api, pool, email, '123456');
  expect([answer.status, answer.body]).toEqual([400, WRONG_CODE]);
});

test('a password that breaks a rule is refused before the code reaches Cognito', async ({
  api,
  pool,
  steps,
}) => {
  const { email } = await proved(steps);
  await pool.clearCalls();
  for (const [password, detail] of [
    ['short1', 'Password must contain at least one uppercase letter'],
    [`A1${email}`, 'Password must not contain your e-mail, username or name'],
  ]) {
    const answer = await post(api, pool, '/auth/reset-password', {
      username: email,
      code: '123456',
      new_password: password,
    });
    expect([answer.status, answer.body.detail]).toEqual([400, detail]);
  }
  expect(await pool.calls()).toEqual({});
});

test('a refusal of this service by the pool withdraws the promised sign-out', async ({
  api,
  pool,
  steps,
}) => {
  const { email } = await proved(steps);
  const error = 'TooManyRequestsException';
  for (const [operation, code] of [
    ['ConfirmForgotPassword', '123456'],
    ['InitiateAuth', 'Wr0ng-temporary'],
  ] as const) {
    await pool.setFaults([{ operation, fault: { kind: 'error', error } }]);
    expect((await reset(api, pool, email, code)).status).toBe(503);
    expect(await promises(api)).toEqual([]);
  }
});

test('a password that the pool rejects before it checks the code does not tell who exists', async ({
  api,
  pool,
  steps,
}) => {
  const { email } = await proved(steps);
  const confirmTemporary = async () => 'refused' as const;
  const ofEmail = { confirm: async (name: string) => rejectedIf(name === email), confirmTemporary };
  const answer = await reset(api, pool, email, '123456', { recovery: ofEmail });
  expect([answer.status, answer.body]).toEqual([400, WRONG_CODE]);
  const all = { confirm: async () => rejectedIf(true), confirmTemporary };
  for (const name of [email, 'nobody@example.com']) {
    const { body } = await reset(api, pool, name, '123456', { recovery: all });
    expect(body.detail).toBe(FAILURES.password_rejected.publicText);
  }
});
const rejectedIf = (isRejected: boolean) => (isRejected ? 'password_rejected' : 'refused');

test('a lost reply of the reset leaves the sign-out to the relay', async ({ api, pool, steps }) => {
  const { email } = await proved(steps);
  await pool.setFaults([
    {
      operation: 'ConfirmForgotPassword',
      times: 1,
      fault: { kind: 'replyLost', effect: 'after' },
    },
  ]);
  expect((await reset(api, pool, email, '123456')).status).toBe(503);
  expect(await promises(api)).toEqual([{ kind: 'sign_out' }]);
});

test('a sign-out that fails after the reset is left to the relay, and the answer is 204', async ({
  api,
  pool,
  steps,
}) => {
  const row = await proved(steps);
  await post(api, pool, '/auth/forgot-password', { username: row.email });
  await relay(steps);
  await pool.setFaults([{ operation: 'AdminUserGlobalSignOut', fault: { kind: 'server' } }]);
  const answer = await reset(api, pool, row.email, await codeFor(steps, row.email));
  expect(answer.status).toBe(204);
  expect(await promises(api)).toEqual([{ kind: 'password_reset' }]);
});

test('100 guesses of a code from 100 addresses are stopped', async ({ api, pool, steps }) => {
  const { email } = await proved(steps);
  await pool.clearCalls();
  const limits = createLimits({ db: api.deps.db, table: limitCounts }, 10);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      reset(api, pool, email, String(100_000 + index), {
        limits,
        clientAddress: () => `192.0.2.${index}`,
      }),
    ),
  );
  const passed = answers.filter(({ status }) => status !== 429);
  expect(passed.length).toBeLessThanOrEqual(10);
  expect((await pool.calls())['ConfirmForgotPassword']?.calls ?? 0).toBe(passed.length);
});

const EACH = 40;

test('the time of forgot-password tells nobody who exists, and the comparison finds a planted difference', async ({
  api,
  pool,
  steps,
}) => {
  const kinds = {
    unknown: `${randomUUID()}@example.com`,
    known: (await proved(steps)).email,
    disabled: (await disabled(steps)).email,
    invited: (await invited(steps)).email,
    unproved: (await signedUp(steps)).email,
  };
  const app = appOf(api, pool);
  const times = new Map(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
  const ask = async (username: string): Promise<number> => {
    const from = performance.now();
    const json = { username };
    await api.call('/auth/forgot-password', { method: 'POST', json, token: null, app });
    return performance.now() - from;
  };
  for (let warm = 0; warm < 10; warm += 1) await ask('nobody');
  // One after the other, in turn, so that what else happens meets all of them.
  for (let turn = 0; turn < EACH; turn += 1) {
    for (const [kind, name] of Object.entries(kinds)) times.get(kind)?.push(await ask(name));
  }
  const unknown = times.get('unknown') ?? [];
  for (const [kind, taken] of times) {
    expect([kind, isSameDistribution(unknown, taken)]).toEqual([kind, true]);
  }
  const median = unknown.toSorted((a, b) => a - b)[EACH / 2] ?? 0;
  const planted = (times.get('known') ?? []).map((time) => time + median);
  expect(isSameDistribution(unknown, planted)).toBe(false);
  expect(distance(unknown, planted)).toBeGreaterThan(distance(unknown, times.get('known') ?? []));
});

test.for(['000000', 'Wr0ng-temporary'])(
  'the time of a refused reset with %s tells nobody who exists',
  { timeout: 180_000 },
  async (code, { api, pool, steps }) => {
    const kinds = {
      unknown: `${randomUUID()}@example.com`,
      known: (await proved(steps)).email,
      disabled: (await disabled(steps)).email,
      invited: (await invited(steps)).email,
      unproved: (await signedUp(steps)).email,
    };
    const times = new Map(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
    const seen = new Set<string>();
    for (let turn = 0; turn < EACH; turn += 1) {
      const shuffled = Object.entries(kinds).toSorted(() => Math.random() - 0.5);
      await Promise.all(
        shuffled.map(async ([kind, name]) => {
          const from = performance.now();
          const { status, text } = await reset(api, pool, name, code);
          times.get(kind)?.push(performance.now() - from);
          seen.add(`${status} ${text}`);
        }),
      );
    }
    expect([...seen]).toEqual([`400 ${JSON.stringify(WRONG_CODE)}`]);
    for (const [kind, taken] of times) {
      expect([kind, isSameDistribution(times.get('unknown') ?? [], taken)]).toEqual([kind, true]);
    }
  },
);

test('work that only an existing account costs does not show in the time of a refused reset', async ({
  api,
  pool,
  steps,
}) => {
  const { email } = await proved(steps);
  const recovery = {
    confirm: async (name: string) => {
      if (name === email) await sleep(200);
      return 'refused' as const;
    },
    confirmTemporary: async () => 'refused' as const,
  };
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let turn = 0; turn < EACH / 2; turn += 1) {
    const names = [
      ['known', email],
      ['unknown', 'nobody@example.com'],
    ] as const;
    // One waits for the other's first steps: each comes first as often.
    await Promise.all(
      (turn % 2 === 0 ? names : names.toReversed()).map(async ([kind, name]) => {
        const from = performance.now();
        await reset(api, pool, name, '123456', { recovery });
        times[kind].push(performance.now() - from);
      }),
    );
  }
  expect(isSameDistribution(times.unknown, times.known)).toBe(true);
});
