import {
  AdminSetUserMFAPreferenceCommand,
  AdminUpdateUserAttributesCommand,
  AssociateSoftwareTokenCommand,
  SetUserPoolMfaConfigCommand,
  VerifySoftwareTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { totpAt } from '../../../../dev/cognito/totp.ts';
import { createLimits } from '../../../../src/http/access/limits.ts';
import { limitCounts } from '../../../../src/db/schema.ts';
import { createClientAddress } from '../../../../src/http/access/client-address.ts';
import type { SignedUp } from '../signed-up.ts';
import { AccountDoors, NEXT_PASSWORD } from './account-doors.ts';
import { test } from '../../../support/api-test.ts';
import { otherThan } from '../../../support/pool-people.ts';

let doors: AccountDoors;
/** As the sandbox can send. */
const ALL_FACTORS = {
  SoftwareTokenMfaConfiguration: { Enabled: true },
  EmailMfaConfiguration: {},
  SmsMfaConfiguration: { SmsConfiguration: { SnsCallerArn: 'arn:aws:iam::1:role/sms' } },
};
const REFUSED = [401, { detail: 'Invalid code or session' }];

test.beforeAll(({ api, pool }) => {
  doors = new AccountDoors(api, pool);
});

/** Signs in and returns what the answer to the challenge has to repeat. */
async function challenged(username: string) {
  const { status, body } = await doors.login(username);
  expect([status, body.code]).toEqual([403, 'challenge_required']);
  return { username, challenge: body.challenge as string, session: body.session as string };
}
const answer = (json: object) => doors.post('/auth/challenge', json);

/** As the relay leaves it once it has mailed the temporary password. */
const mailed = ({ registrationId }: SignedUp) =>
  doors.api.row(registrationId, { invitation_status: 'sent', invitation_sent_at: new Date() });

async function unprovedAddress({ email, registrationId }: SignedUp): Promise<void> {
  await doors.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: doors.pool.userPoolId,
      Username: email,
      UserAttributes: [{ Name: 'email_verified', Value: 'false' }],
    }),
  );
  await doors.api.row(registrationId, { email_verified: false });
}

test('an invited person signs in with the temporary password, chooses one and is signed in, once', async () => {
  const { email, username } = await doors.invited();
  const first = await challenged(email);
  expect(first.challenge).toBe('NEW_PASSWORD_REQUIRED');
  const done = await answer({ ...first, username, new_password: NEXT_PASSWORD });
  expect(done.status).toBe(200);
  expect(done.body).toMatchObject({ email, token_type: 'bearer', is_verified: true });
  const again = await answer({ ...first, new_password: 'Difference-33' });
  expect([again.status, again.body]).toEqual(REFUSED);
  expect((await doors.login(email, NEXT_PASSWORD)).status).toBe(200);
});

test('the first password proves the address only if Registrar mailed the temporary one', async () => {
  for (const isMailed of [true, false]) {
    const person = await doors.invited();
    await unprovedAddress(person);
    if (isMailed) await mailed(person);
    const { body } = await answer({
      ...(await challenged(person.email)),
      new_password: NEXT_PASSWORD,
    });
    expect(body.is_verified).toBe(isMailed);
    expect(await doors.isProved(person.registrationId)).toBe(isMailed);
    const events = (await doors.events(person.registrationId)).filter((one) =>
      one.startsWith('user.'),
    );
    expect(events).toEqual(isMailed ? ['user.email_verified'] : []);
    expect(await doors.told(person.registrationId)).toEqual(events);
  }
});

test('the session of a challenge serves no other person and no other challenge', async () => {
  const [one, other] = [await doors.invited(), await doors.invited()];
  const first = await challenged(one.email);
  const wrong = [
    { ...first, username: other.email, new_password: NEXT_PASSWORD },
    { ...first, username: 'nobody', new_password: NEXT_PASSWORD },
    { ...first, challenge: 'SMS_MFA', code: '123456' },
    { ...first, session: 'nonsense', new_password: NEXT_PASSWORD },
    { ...first, session: `${first.session}x`.slice(2), new_password: NEXT_PASSWORD },
  ];
  for (const json of wrong) {
    const { status, body } = await answer(json);
    expect([status, body]).toEqual(REFUSED);
  }
  expect((await doors.login(other.email)).status).toBe(403);
  expect((await answer({ ...first, new_password: NEXT_PASSWORD })).status).toBe(200);
});

test('a session that names another user of the pool is refused by the pool', async () => {
  const [one, other] = [await doors.invited(), await doors.invited()];
  const first = await challenged(one.email);
  const bound = JSON.parse(Buffer.from(first.session, 'base64url').toString());
  const forged = Buffer.from(JSON.stringify({ ...bound, poolName: other.sub })).toString(
    'base64url',
  );
  const { status, body } = await answer({
    ...first,
    session: forged,
    new_password: NEXT_PASSWORD,
  });
  expect([status, body]).toEqual(REFUSED);
  expect((await doors.login(other.email)).status).toBe(403);
});

test('a first password that breaks a rule is refused with the text of sign-up, and the session stays valid', async () => {
  const { email } = await doors.invited();
  const first = await challenged(email);
  const texts = {
    'no-capital-1': 'Password must contain at least one uppercase letter',
    Short1: 'Password must be at least 8 characters long',
    Password1: 'Password is too common',
    [`A1-${email}`]: 'Password must not contain your e-mail, username or name',
  };
  for (const [new_password, detail] of Object.entries(texts)) {
    const { status, body } = await answer({ ...first, new_password });
    expect([status, body]).toEqual([400, { detail }]);
  }
  const odd = await answer({ ...first, challenge: 'CUSTOM_CHALLENGE', code: '1' });
  expect([odd.status, odd.body.detail]).toEqual([
    422,
    [{ type: 'enum', loc: ['body', 'challenge'], msg: 'Input should be one of the listed values' }],
  ]);
  for (const field of ['new_password', 'code']) {
    const challenge = field === 'code' ? 'SMS_MFA' : first.challenge;
    const { status, body } = await answer({ ...first, challenge });
    expect([status, body.detail]).toEqual([
      422,
      [{ type: 'missing', loc: ['body', field], msg: 'Field required' }],
    ]);
  }
  expect((await answer({ ...first, new_password: NEXT_PASSWORD })).status).toBe(200);
});

const setMfa = (MfaConfiguration: 'ON' | 'OPTIONAL' | 'OFF', more: object = ALL_FACTORS) =>
  doors.pool.client.send(
    new SetUserPoolMfaConfigCommand({
      UserPoolId: doors.pool.userPoolId,
      MfaConfiguration,
      ...more,
    }),
  );
const prefer = ({ email }: SignedUp, more: object) =>
  doors.pool.client.send(
    new AdminSetUserMFAPreferenceCommand({
      UserPoolId: doors.pool.userPoolId,
      Username: email,
      ...more,
    }),
  );
const ENABLED = { Enabled: true };
const totp = async (secret: string) => totpAt(secret, await doors.pool.now());

/** Signs in once and sets an authenticator up. @returns its secret */
async function withAuthenticator(person: SignedUp, more: object = {}): Promise<string> {
  const { client } = doors.pool;
  await setMfa('OPTIONAL');
  const AccessToken = await doors.accessToken(person.email);
  const { SecretCode = '' } = await client.send(new AssociateSoftwareTokenCommand({ AccessToken }));
  const UserCode = await totp(SecretCode);
  await client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode }));
  await prefer(person, { SoftwareTokenMfaSettings: ENABLED, ...more });
  return SecretCode;
}

test('a person with an authenticator signs in with its code', async () => {
  const person = await doors.known();
  const secret = await withAuthenticator(person);
  const first = await challenged(person.username);
  expect(first.challenge).toBe('SOFTWARE_TOKEN_MFA');
  const refused = await answer({ ...first, code: otherThan(await totp(secret)) });
  expect([refused.status, refused.body]).toEqual(REFUSED);
  const done = await answer({ ...first, code: await totp(secret) });
  expect([done.status, done.body.email]).toEqual([200, person.email]);
});

test.for([
  ['EMAIL_OTP', 'EmailMfaSettings'],
  ['SMS_MFA', 'SMSMfaSettings'],
] as const)('a person signs in with a code by %s', async ([challenge, setting]) => {
  const person = await doors.known();
  await setMfa('OPTIONAL');
  const phone = '+15550100123';
  await doors.pool.client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId: doors.pool.userPoolId,
      Username: person.email,
      UserAttributes: [{ Name: 'phone_number', Value: phone }],
    }),
  );
  await prefer(person, { [setting]: ENABLED });
  const { body } = await doors.login(person.email);
  expect(body).toMatchObject({
    challenge,
    destination: expect.stringContaining('***') as unknown,
    options: null,
    secret: null,
  });
  const code = await doors.codeFor(challenge === 'SMS_MFA' ? phone : person.email);
  const { username } = person;
  const asked = { username, challenge, session: body.session as string };
  expect((await answer({ ...asked, code: otherThan(code) })).status).toBe(401);
  expect((await answer({ ...asked, code })).body.email).toBe(person.email);
});

test('a person with two second factors chooses one, and is asked for its code', async () => {
  const person = await doors.known();
  await withAuthenticator(person, { EmailMfaSettings: ENABLED });
  const { body } = await doors.login(person.email);
  expect(body).toMatchObject({
    challenge: 'SELECT_MFA_TYPE',
    options: ['SOFTWARE_TOKEN_MFA', 'EMAIL_OTP'],
  });
  const { username } = person;
  const { challenge, session } = body as { challenge: string; session: string };
  const chosen = await answer({ username, challenge, session, code: 'EMAIL_OTP' });
  expect([chosen.status, chosen.body]).toMatchObject([
    403,
    { code: 'challenge_required', challenge: 'EMAIL_OTP' },
  ]);
  const code = await doors.codeFor(person.email);
  const next = { username, challenge: 'EMAIL_OTP', session: chosen.body.session as string };
  expect((await answer({ ...next, code })).body.email).toBe(person.email);
});

test('where the pool insists on a second factor, an invited person chooses a password and sets an authenticator up', async () => {
  await setMfa('ON', { SoftwareTokenMfaConfiguration: ENABLED });
  try {
    const { email, username } = await doors.invited();
    const first = await challenged(email);
    const asked = await answer({ ...first, new_password: NEXT_PASSWORD });
    expect(asked.body).toMatchObject({
      challenge: 'MFA_SETUP',
      secret: expect.stringMatching(/^[A-Z2-7]{16,}$/) as unknown,
    });
    const { challenge, session, secret } = asked.body;
    const right = await totp(secret);
    const setUp = { username, challenge, session };
    expect((await answer({ ...setUp, code: otherThan(right) })).status).toBe(401);
    expect((await answer({ ...setUp, code: right })).body.email).toBe(email);
    const { body } = await doors.login(email, NEXT_PASSWORD);
    expect(body.challenge).toBe('SOFTWARE_TOKEN_MFA');
  } finally {
    await setMfa('OFF', {});
  }
});

test('100 guesses of a code from 100 addresses are stopped after 10, and nonsense sessions stop nobody', async ({
  api,
  pool,
}) => {
  const person = await doors.known();
  const secret = await withAuthenticator(person);
  const limited = new AccountDoors(api, pool, {
    limits: createLimits({ db: api.deps.db, table: limitCounts }, 10),
    clientAddress: createClientAddress(1, api.deps.logger),
  });
  const first = await challenged(person.email);
  const guess = (n: number, json: object) =>
    limited.call('POST', '/auth/challenge', json, null, { 'x-forwarded-for': `192.0.2.${n}` });
  for (let n = 0; n < 20; n += 1) {
    const { status } = await guess(n, { ...first, session: 'nonsense', code: '000000' });
    expect(status).toBe(401);
  }
  // Nor do codes of a recovery, or of a proof of the address, which are guessed without the password.
  for (let n = 0; n < 12; n += 1) {
    await limited.call(
      'POST',
      '/auth/verify-email',
      { username: person.email, password: 'Wrong-Guess-1', code: '000000' },
      null,
      { 'x-forwarded-for': `192.0.2.${n}` },
    );
  }
  await pool.clearCalls();
  const wrong = otherThan(await totp(secret));
  const guesses = await Promise.all(
    Array.from({ length: 100 }, (_, n) => guess(n, { ...first, code: wrong })),
  );
  expect(guesses.filter(({ status }) => status === 401)).toHaveLength(10);
  expect(guesses.filter(({ status }) => status === 429)).toHaveLength(90);
  expect((await pool.calls())['RespondToAuthChallenge']?.calls).toBe(10);
});
