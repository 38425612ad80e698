import { VerifyUserAttributeCommand } from '@aws-sdk/client-cognito-identity-provider';
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Answer, ApiUnderTest } from '../api-under-test.ts';
import { AccountDoors, PASSWORD } from './account-doors.ts';
import { test } from '../../../support/api-test.ts';
import { isSameDistribution } from '../../../support/distribution.ts';

/** SIGNUP_VERIFICATION=required: nobody gets a token, and no prober learns anything, before the address
 * is proved. */

let doors: AccountDoors;
let optional: AccountDoors;
const WRONG_PAIR = [401, { detail: 'Incorrect username or password' }];

test.beforeAll(({ api, pool }) => {
  doors = new AccountDoors(api, pool, { signupVerification: 'required' });
  optional = new AccountDoors(api, pool);
});

const newBody = (more: object = {}) => {
  const name = randomUUID().slice(0, 8);
  const names = { first_name: 'Ada', last_name: 'Lovelace' };
  return {
    email: `${name}@example.com`,
    username: `u-${name}`,
    password: PASSWORD,
    ...names,
    ...more,
  };
};
const register = (json: object, headers: Record<string, string> = {}) =>
  doors.call('POST', '/auth/register', json, null, headers);
const mailsCode = async (api: ApiUnderTest, id: string) => {
  const [row] = await api.sql`SELECT status, mails_code FROM registrations WHERE id = ${id}`;
  return row;
};
const shown = ({ status, headers, body }: Answer) => ({
  status,
  headers: [...headers].filter(([name]) => name !== 'x-request-id'),
  message: body.message,
  fields: Object.keys(body),
});

test('both forms of sign-up answer 202 alike for a free and a taken address or username', async ({
  api,
}) => {
  const first = newBody();
  const free = await register(first);
  expect(shown(free)).toMatchObject({ status: 202, fields: ['message', 'registration_id'] });
  expect(free.body.message).toContain('your e-mail address is verified');
  expect(free.headers.get('location')).toBeNull();
  const taken = [
    await register(newBody({ email: first.email })),
    await register(newBody({ username: first.username })),
  ];
  for (const answer of taken) expect(shown(answer)).toEqual(shown(free));
  const async = { prefer: 'respond-async' };
  const [one, two] = [
    await register(newBody(), async),
    await register(newBody({ email: first.email }), async),
  ];
  expect(shown(two)).toEqual(shown(one));
  expect(await mailsCode(api, free.body.registration_id)).toMatchObject({ mails_code: true });
  expect(await mailsCode(api, taken[0]?.body.registration_id)).toMatchObject({ status: 'failed' });
  expect(await mailsCode(api, one.body.registration_id)).toMatchObject({ mails_code: false });
});

test('an unproved sign-up gets the 401 of a wrong password, and tokens once a code proved the address', async () => {
  const { email, username, registrationId } = await doors.unproved();
  for (const name of [email, username]) {
    const { status, body } = await doors.login(name);
    expect([status, body]).toEqual(WRONG_PAIR);
  }
  await doors.post('/auth/verify-email/request', { username, password: PASSWORD });
  const code = await doors.codeFor(email);
  const pair = { username, password: PASSWORD };
  const proved = await doors.post('/auth/verify-email', { ...pair, code });
  expect([proved.status, proved.body.is_verified]).toEqual([200, true]);
  expect((await doors.login(email)).status).toBe(200);
  expect(await doors.told(registrationId)).toEqual(['user.email_verified']);
});

test('the session of a refused sign-in is ended', async ({ pool }) => {
  const { email } = await doors.unproved();
  await pool.clearCalls();
  await doors.login(email);
  await doors.api.settled();
  expect((await pool.calls())['RevokeToken']?.done).toBe(1);
});

test('a refresh token from before gives no tokens until the address is proved', async () => {
  const { email } = await doors.unproved();
  const { body } = await optional.login(email);
  const refused = await doors.post('/auth/refresh', { refresh_token: body.refresh_token });
  expect([refused.status, refused.body]).toEqual([
    401,
    { detail: 'Invalid or expired refresh token' },
  ]);
  await doors.api.settled();
  const proved = await doors.known();
  const { refresh_token } = (await doors.login(proved.email)).body;
  expect((await doors.post('/auth/refresh', { refresh_token })).status).toBe(200);
});

test('a change of the password gives no tokens until the address is proved', async () => {
  const { email } = await doors.unproved();
  const token = await optional.accessToken(email);
  const change = { current_password: PASSWORD, new_password: 'Difference-22' };
  const answer = await doors.post('/auth/change-password', change, token);
  expect(answer.status).toBe(401);
  expect(answer.text).not.toContain('token":');
});

test('people whom others registered sign in without proof', async ({ api }) => {
  const { email, registrationId } = await doors.unproved();
  await api.row(registrationId, { door: 'canonical' });
  const { status, body } = await doors.login(email);
  expect([status, body.is_verified]).toEqual([200, false]);
});

test('an address that the pool says is proved is recorded by a refused sign-in, and the next succeeds', async ({
  pool,
}) => {
  const { email } = await doors.unproved();
  const AccessToken = await optional.accessToken(email);
  await doors.post('/auth/verify-email/request', undefined, AccessToken);
  const Code = await doors.codeFor(email);
  await pool.client.send(
    new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code }),
  );
  expect((await doors.login(email)).status).toBe(401);
  await doors.api.settled();
  expect((await doors.login(email)).status).toBe(200);
});

test('a prober who signs up and then tries every route gets the same answers for a free and a taken address', async () => {
  const owner = await doors.known();
  // What the prober's own sign-up with a free address leads to.
  const own = await doors.unproved();
  const seen = async (email: string, password: string) => {
    const answers = [
      await register(newBody({ email, password })),
      await doors.login(email, password),
      await doors.post('/auth/verify-email/request', { username: email, password }),
      await doors.post('/auth/verify-email', { username: email, password, code: '000000' }),
      await doors.post('/auth/challenge', {
        username: email,
        challenge: 'SMS_MFA',
        session: 'x',
        code: '000000',
      }),
    ];
    return answers.map(({ status, body }) => [status, body?.detail ?? body?.message]);
  };
  const taken = await seen(owner.email, 'Another-Guess-1');
  expect(await seen(own.email, PASSWORD)).toEqual(taken);
  expect(taken.map(([status]) => status)).toEqual([202, 401, 202, 400, 401]);
});

const EACH = 40;
type Kind = 'unknown' | 'known' | 'disabled' | 'invited' | 'unproved';
type Route = (username: string, password: string) => Promise<Answer>;

/** Times of 40 requests of each kind, five at once. */
async function timesOf(route: Route, names: Record<Kind, string>): Promise<Record<Kind, number[]>> {
  const times: Record<Kind, number[]> = {
    unknown: [],
    known: [],
    disabled: [],
    invited: [],
    unproved: [],
  };
  const kinds = Object.keys(times) as Kind[];
  for (let n = 0; n < EACH; n += 1) {
    await Promise.all(
      kinds
        .toSorted(() => Math.random() - 0.5)
        .map(async (kind) => {
          // An unproved account with its own password: what a prober has. The others with a wrong one.
          const password = kind === 'unproved' ? PASSWORD : 'Wrong-Guess-1';
          const begun = performance.now();
          await route(names[kind], password);
          times[kind].push(performance.now() - begun);
        }),
    );
  }
  return times;
}

test.for(['/auth/login', '/auth/verify-email', '/auth/verify-email/request', '/auth/challenge'])(
  'the time of %s does not tell an unproved account from any other',
  { timeout: 180_000 },
  async (path) => {
    const names = {
      unknown: 'nobody@example.com',
      known: (await doors.known()).email,
      disabled: (await doors.disabled()).email,
      invited: (await doors.invited()).email,
      unproved: (await doors.unproved()).email,
    };
    const session = Buffer.from(JSON.stringify({})).toString('base64url');
    const times = await timesOf(
      (username, password) =>
        doors.post(path, {
          username,
          password,
          code: '000000',
          ...(path === '/auth/challenge' && { challenge: 'SMS_MFA', session }),
        }),
      names,
    );
    await doors.api.settled();
    for (const kind of ['known', 'disabled', 'invited', 'unproved'] as const) {
      expect([kind, isSameDistribution(times.unknown, times[kind])]).toEqual([kind, true]);
    }
  },
);

test('the comparison of times finds a difference that is planted', async ({ api, pool }) => {
  // The work for a right password, which belongs after the response, holds it up.
  const planted = new AccountDoors(api, pool, {
    signupVerification: 'required',
    afterwards: (work) => {
      const until = performance.now() + 600;
      void work();
      while (performance.now() < until);
    },
  });
  const [wrong, unproved] = [await doors.known(), await doors.unproved()];
  const times = { wrong: [] as number[], right: [] as number[] };
  for (let n = 0; n < EACH / 2; n += 1) {
    for (const [kind, name, password] of [
      ['wrong', wrong.email, 'Wrong-Guess-1'],
      ['right', unproved.email, PASSWORD],
    ] as const) {
      const begun = performance.now();
      await planted.login(name, password);
      times[kind].push(performance.now() - begun);
    }
  }
  expect(isSameDistribution(times.wrong, times.right)).toBe(false);
});
