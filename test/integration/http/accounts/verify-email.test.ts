import {
  AdminUpdateUserAttributesCommand,
  VerifyUserAttributeCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import type { Fault } from '../../../../dev/cognito/fault-plan.ts';
import { createClientAddress } from '../../../../src/http/access/client-address.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import { createSessions } from '../../../../src/cognito/sessions.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import type { SignedUp } from '../signed-up.ts';
import { AccountDoors, PASSWORD } from './account-doors.ts';
import { test } from '../../../support/api-test.ts';
import { otherThan } from '../../../support/pool-people.ts';

let doors: AccountDoors;
const REFUSED = [400, { detail: 'Invalid or expired code' }];
const REQUESTED = [202, { message: 'If the address is not verified yet, a code is on its way.' }];

test.beforeAll(({ api, pool }) => {
  doors = new AccountDoors(api, pool);
});

const request = (json?: object, token: string | null = null) =>
  doors.post('/auth/verify-email/request', json, token);
const verify = (json: object, token: string | null = null) =>
  doors.post('/auth/verify-email', json, token);
const pairOf = ({ email }: SignedUp) => ({ username: email, password: PASSWORD });
const setInPool = (person: SignedUp, Name: string, Value: string) =>
  doors.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: doors.pool.userPoolId,
      Username: person.sub,
      UserAttributes: [{ Name, Value }],
    }),
  );

test('a signed-in person requests a code and proves the address: profile, ledger, trail and event say it', async () => {
  const person = await doors.unproved();
  const { registrationId, email } = person;
  const { body: session } = await doors.login(email);
  expect(session.is_verified).toBe(false);
  const asked = await request(undefined, session.access_token);
  expect([asked.status, asked.body]).toEqual(REQUESTED);
  const code = await doors.codeFor(email);
  const wrong = await verify({ code: otherThan(code) }, session.access_token);
  expect([wrong.status, wrong.body]).toEqual(REFUSED);
  const proved = await verify({ code }, session.access_token);
  expect([proved.status, proved.body]).toMatchObject([200, { email, is_verified: true }]);
  expect(proved.body.access_token).toBeUndefined();
  expect((await doors.call('GET', '/profile', undefined, session.access_token)).body).toEqual(
    proved.body,
  );
  expect(await doors.isProved(registrationId)).toBe(true);
  expect(await doors.events(registrationId)).toContain('user.email_verified');
  expect(await doors.told(registrationId)).toEqual(['user.email_verified']);
  const again = await verify({ code }, session.access_token);
  expect(again.status).toBe(200);
  expect(await doors.told(registrationId)).toEqual(['user.email_verified']);
});

test('the pair requests a code, and proves the address as a sign-in', async () => {
  const person = await doors.unproved();
  const pair = { ...pairOf(person), username: person.username };
  const asked = await request(pair);
  expect([asked.status, asked.body]).toEqual(REQUESTED);
  const code = await doors.codeFor(person.email);
  const { status, body } = await verify({ ...pair, code });
  expect([status, body]).toMatchObject([200, { email: person.email, is_verified: true }]);
  expect((await doors.call('GET', '/profile', undefined, body.access_token)).status).toBe(200);
});

test('the session that a request for a code began is ended', async () => {
  const person = await doors.unproved();
  await doors.pool.clearCalls();
  await request(pairOf(person));
  await doors.api.settled();
  expect((await doors.pool.calls())['RevokeToken']?.done).toBe(1);
});

test('requests and codes are answered alike for unknown, disabled, invited, proved and unproved people', async () => {
  const people = [
    await doors.known(),
    await doors.disabled(),
    await doors.invited(),
    await doors.unproved(),
  ].map(({ email }) => email);
  for (const username of [...people, 'nobody@example.com', 'nobody', '']) {
    for (const password of [PASSWORD, 'Wrong-Password-1']) {
      const asked = await request({ username, password });
      expect([asked.status, asked.body]).toEqual(REQUESTED);
    }
    const guessed = await verify({ username, password: 'Wrong-Password-1', code: '000000' });
    expect([guessed.status, guessed.body]).toEqual(REFUSED);
  }
  await doors.api.settled();
  const mails = await Promise.all(people.map((email) => doors.mailsTo(email)));
  expect(mails).toEqual([0, 0, 0, 1]);
});

test('an address is mailed 5 codes an hour, whoever asks by whichever name', async () => {
  const person = await doors.unproved();
  const token = await doors.accessToken(person.email);
  for (let n = 0; n < 8; n += 1) {
    const { status } = n % 2 ? await request(pairOf(person)) : await request(undefined, token);
    expect(status).toBe(202);
    await doors.api.settled();
  }
  expect(await doors.mailsTo(person.email)).toBe(5);
});

test('a person whose address in the pool is not the ledger’s counts as unproved and is sent no code', async () => {
  const person = await doors.known();
  const token = await doors.accessToken(person.email);
  await setInPool(person, 'email', `moved-${person.email}`);
  await setInPool(person, 'email_verified', 'true');
  const profile = await doors.call('GET', '/profile', undefined, token);
  expect(profile.body).toMatchObject({ email: `moved-${person.email}`, is_verified: false });
  await setInPool(person, 'email_verified', 'false');
  await doors.pool.clearCalls();
  await request(undefined, token);
  await doors.api.settled();
  expect((await doors.pool.calls())['GetUserAttributeVerificationCode']).toBeUndefined();
  const refused = await verify({ code: '000000' }, token);
  expect([refused.status, refused.body]).toEqual(REFUSED);
});

test.for(['login', 'profile', 'verify'] as const)(
  'an address that was proved in the pool without a record is recorded at the next %s',
  async (next) => {
    const person = await doors.unproved();
    const AccessToken = await doors.accessToken(person.email);
    await request(undefined, AccessToken);
    const Code = await doors.codeFor(person.email);
    // As a process leaves it that dies before it writes to the ledger.
    await doors.pool.client.send(
      new VerifyUserAttributeCommand({ AccessToken, AttributeName: 'email', Code }),
    );
    expect(await doors.isProved(person.registrationId)).toBe(false);
    const mends = {
      login: () => doors.login(person.email),
      profile: () => doors.call('GET', '/profile', undefined, AccessToken),
      verify: () => verify({ code: Code }, AccessToken),
    };
    const { status, body } = await mends[next]();
    expect([status, body.is_verified]).toEqual([200, true]);
    expect(await doors.isProved(person.registrationId)).toBe(true);
    expect(await doors.told(person.registrationId)).toEqual(['user.email_verified']);
  },
);

test('an address that was changed while its code was checked is not taken for the proved one', async ({
  api,
  pool,
}) => {
  const person = await doors.unproved();
  const token = await doors.accessToken(person.email);
  await request(undefined, token);
  const code = await doors.codeFor(person.email);
  const settings = { clientId: pool.clientId, clientSecret: null };
  const real = createSessions(pool.client, settings, api.deps.logger);
  const racing = new AccountDoors(api, pool, {
    sessions: {
      ...real,
      verifyEmail: async (accessToken, sent) => {
        const verified = await real.verifyEmail(accessToken, sent);
        await setInPool(person, 'email', `thief-${person.email}`);
        await setInPool(person, 'email_verified', 'true');
        return verified;
      },
    },
  });
  const { status, body } = await racing.post('/auth/verify-email', { code }, token);
  expect([status, body]).toEqual(REFUSED);
  expect(await doors.isProved(person.registrationId)).toBe(false);
  expect(await doors.told(person.registrationId)).toEqual([]);
});

test.for<[string, Fault]>([
  ['a lost reply', { kind: 'replyLost', effect: 'after' }],
  ['an error of Cognito', { kind: 'server' }],
])('a proof that ends in %s succeeds when it is repeated', async ([, fault]) => {
  const person = await doors.unproved();
  const token = await doors.accessToken(person.email);
  await request(undefined, token);
  const code = await doors.codeFor(person.email);
  await doors.pool.setFaults([{ operation: 'VerifyUserAttribute', times: 1, fault }]);
  expect((await verify({ code }, token)).status).toBe(503);
  await doors.pool.clearFaults();
  expect((await verify({ code }, token)).body.is_verified).toBe(true);
  expect(await doors.isProved(person.registrationId)).toBe(true);
});

test('100 guesses of a code from 100 addresses are stopped after 10', async ({ api, pool }) => {
  const limited = new AccountDoors(api, pool, {
    limits: createLimits({ db: api.deps.db, table: limitCounts }, 10),
    clientAddress: createClientAddress(1, api.deps.logger),
  });
  const person = await doors.unproved();
  const token = await doors.accessToken(person.email);
  await request(undefined, token);
  const code = otherThan(await doors.codeFor(person.email));
  const guess = (n: number, json: object, bearer: string | null) =>
    limited.call('POST', '/auth/verify-email', json, bearer, { 'x-forwarded-for': `192.0.2.${n}` });
  for (const [json, bearer] of [
    [{ code }, token],
    [{ ...pairOf(person), code }, null],
  ] as const) {
    await pool.clearCalls();
    const guesses = await Promise.all(
      Array.from({ length: 100 }, (_, n) => guess(n, json, bearer)),
    );
    expect(guesses.filter(({ status }) => status === 400)).toHaveLength(10);
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(90);
    expect((await pool.calls())['VerifyUserAttribute']?.calls).toBe(10);
  }
});

test('a token that is signed out or not valid proves nothing', async () => {
  const person = await doors.unproved();
  const { body } = await doors.login(person.email);
  await doors.post('/auth/logout', { refresh_token: body.refresh_token }, body.access_token);
  expect((await verify({ code: '000000' }, body.access_token)).status).toBe(401);
  for (const path of ['/auth/verify-email', '/auth/verify-email/request']) {
    expect((await doors.post(path, { code: '000000' }, 'nonsense')).status).toBe(401);
  }
});
