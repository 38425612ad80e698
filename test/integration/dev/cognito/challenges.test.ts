import { createHmac } from 'node:crypto';
import {
  AdminInitiateAuthCommand,
  AdminRespondToAuthChallengeCommand,
  AdminSetUserMFAPreferenceCommand,
  AssociateSoftwareTokenCommand,
  CreateUserPoolClientCommand,
  DescribeUserPoolCommand,
  GetUserCommand,
  GetUserPoolMfaConfigCommand,
  SetUserMFAPreferenceCommand,
  SetUserPoolMfaConfigCommand,
  type SetUserPoolMfaConfigRequest,
  type UserPoolMfaType,
  VerifySoftwareTokenCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { expect } from 'vitest';
import { totpAt } from '../../../../dev/cognito/totp.ts';
import { test } from '../../../support/base-test.ts';
import type { TestPool } from '../../../support/cognito.ts';
import {
  addPerson,
  answerChallenge,
  attributesOf,
  lastCode,
  otherThan,
  signIn,
  tokensOf,
} from '../../../support/pool-people.ts';

const refusal = (name: string, message?: string) =>
  expect.objectContaining({ name, ...(message !== undefined && { message }) });

const ONCE = 'Invalid session for the user, session can only be used once.';
const EXPIRED = 'Invalid session for the user, session is expired.';
const OTHER = 'Invalid session for the user.';

const otherClient = async (pool: TestPool, more: object = {}) => {
  const { UserPoolClient } = await pool.client.send(
    new CreateUserPoolClientCommand({
      UserPoolId: pool.userPoolId,
      ClientName: 'other',
      ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_ADMIN_USER_PASSWORD_AUTH'],
      ...more,
    }),
  );
  const { ClientId = '', ClientSecret = '' } = UserPoolClient ?? {};
  return { ClientId, ClientSecret };
};

const setMfa = (
  pool: TestPool,
  MfaConfiguration: UserPoolMfaType,
  more: Partial<SetUserPoolMfaConfigRequest> = {
    SoftwareTokenMfaConfiguration: { Enabled: true },
    EmailMfaConfiguration: {},
    SmsMfaConfiguration: { SmsConfiguration: { SnsCallerArn: 'arn:aws:iam::1:role/sms' } },
  },
) =>
  pool.client.send(
    new SetUserPoolMfaConfigCommand({ UserPoolId: pool.userPoolId, MfaConfiguration, ...more }),
  );

const prefer = (pool: TestPool, Username: string, more: object) =>
  pool.client.send(
    new AdminSetUserMFAPreferenceCommand({ UserPoolId: pool.userPoolId, Username, ...more }),
  );

/** An authenticator of this user; answers its secret. */
async function addAuthenticator(pool: TestPool, AccessToken: string): Promise<string> {
  const { SecretCode = '' } = await pool.client.send(
    new AssociateSoftwareTokenCommand({ AccessToken }),
  );
  const UserCode = totpAt(SecretCode, await pool.now());
  await pool.client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode }));
  return SecretCode;
}

test('the challenge of a temporary password is answered once, for its user and client alone', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'first', { temporary: true });
  const other = await addPerson(pool, 'first-other', { temporary: true });
  const { ClientId: elsewhere } = await otherClient(pool);
  await expect(signIn(pool, name, 'password-2')).rejects.toEqual(
    refusal('NotAuthorizedException', 'Incorrect username or password.'),
  );
  const asked = await signIn(pool, name);
  expect(asked).toMatchObject({
    ChallengeName: 'NEW_PASSWORD_REQUIRED',
    ChallengeParameters: { requiredAttributes: '[]' },
  });
  const answer = (USERNAME: string, NEW_PASSWORD: string, client?: string) =>
    answerChallenge(pool, asked, { USERNAME, NEW_PASSWORD }, client);
  const notHers = refusal('NotAuthorizedException', OTHER);
  await expect(answer(other, 'chosen-by-her')).rejects.toEqual(notHers);
  await expect(answer(name, 'chosen-by-her', elsewhere)).rejects.toEqual(notHers);
  await expect(answer(name, 'short')).rejects.toEqual(refusal('InvalidPasswordException'));
  await expect(answerChallenge(pool, asked, { USERNAME: name })).rejects.toEqual(
    refusal('InvalidParameterException', 'Missing required parameter NEW_PASSWORD'),
  );
  const { AuthenticationResult } = await answer(name, 'chosen-by-her');
  await expect(answer(name, 'chosen-again')).rejects.toEqual(
    refusal('NotAuthorizedException', ONCE),
  );
  const { email } = await attributesOf(pool, AuthenticationResult?.AccessToken ?? '');
  expect(email).toBe(name);
  expect((await signIn(pool, name, 'chosen-by-her')).ChallengeName).toBeUndefined();
});

test('the session of a challenge ends after three minutes', async ({ pool }) => {
  const name = await addPerson(pool, 'slow', { temporary: true });
  const answer = { USERNAME: name, NEW_PASSWORD: 'chosen-by-her' };
  const first = await signIn(pool, name);
  await pool.advanceClock(181);
  await expect(answerChallenge(pool, first, answer)).rejects.toEqual(
    refusal('NotAuthorizedException', EXPIRED),
  );
  const second = await signIn(pool, name);
  await pool.advanceClock(178);
  expect((await answerChallenge(pool, second, answer)).AuthenticationResult).toBeTruthy();
});

test('with the first password come the attributes that the client may write, and no other', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'with-names', { temporary: true });
  const asked = await signIn(pool, name);
  const answer = (more: Record<string, string>) =>
    answerChallenge(pool, asked, { USERNAME: name, NEW_PASSWORD: 'chosen-by-her', ...more });
  for (const attribute of ['email', 'email_verified', 'custom:registration_id']) {
    await expect(answer({ [`userAttributes.${attribute}`]: 'true' })).rejects.toEqual(
      refusal('NotAuthorizedException', 'A client attempted to write unauthorized attribute'),
    );
  }
  const { AuthenticationResult } = await answer({ 'userAttributes.given_name': 'Ada' });
  const attributes = await attributesOf(pool, AuthenticationResult?.AccessToken ?? '');
  expect(attributes).toMatchObject({ given_name: 'Ada', email: name });
});

test('the answer to a challenge proves the secret of its client, as a user or an administrator', async ({
  pool,
}) => {
  const name = await addPerson(pool, 'proved', { temporary: true });
  const { ClientId, ClientSecret } = await otherClient(pool, { GenerateSecret: true });
  const SECRET_HASH = createHmac('sha256', ClientSecret)
    .update(name + ClientId)
    .digest('base64');
  const at = { UserPoolId: pool.userPoolId, ClientId };
  const { ChallengeName, Session } = await pool.client.send(
    new AdminInitiateAuthCommand({
      ...at,
      AuthFlow: 'ADMIN_USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: name, PASSWORD: 'password-1', SECRET_HASH },
    }),
  );
  const answer = (more: Record<string, string>) =>
    pool.client.send(
      new AdminRespondToAuthChallengeCommand({
        ...at,
        ChallengeName,
        Session,
        ChallengeResponses: { USERNAME: name, NEW_PASSWORD: 'chosen-by-her', ...more },
      }),
    );
  await expect(answer({})).rejects.toEqual(
    refusal(
      'NotAuthorizedException',
      `Client ${ClientId} is configured with secret but SECRET_HASH was not received`,
    ),
  );
  await expect(answer({ SECRET_HASH: 'wrong' })).rejects.toEqual(
    refusal('NotAuthorizedException', `SecretHash does not match for the client: ${ClientId}`),
  );
  expect((await answer({ SECRET_HASH })).AuthenticationResult?.AccessToken).toBeTruthy();
});

test('an authenticator that was verified is asked for after the password', async ({ pool }) => {
  const name = await addPerson(pool, 'two-factors');
  const { AccessToken } = await tokensOf(pool, name);
  const ask = () =>
    pool.client.send(
      new SetUserMFAPreferenceCommand({ AccessToken, SoftwareTokenMfaSettings: { Enabled: true } }),
    );
  const { SecretCode = '' } = await pool.client.send(
    new AssociateSoftwareTokenCommand({ AccessToken }),
  );
  await expect(ask()).rejects.toEqual(
    refusal('InvalidParameterException', 'User has not verified software token mfa'),
  );
  await expect(
    pool.client.send(new VerifySoftwareTokenCommand({ AccessToken, UserCode: 'wrong' })),
  ).rejects.toEqual(refusal('EnableSoftwareTokenMFAException'));
  const secret = await addAuthenticator(pool, AccessToken);
  expect(secret).not.toBe(SecretCode);
  await ask();
  const { UserMFASettingList } = await pool.client.send(new GetUserCommand({ AccessToken }));
  expect(UserMFASettingList).toEqual(['SOFTWARE_TOKEN_MFA']);

  const asked = await signIn(pool, name);
  expect(asked.ChallengeName).toBe('SOFTWARE_TOKEN_MFA');
  const answer = (code: string) =>
    answerChallenge(pool, asked, { USERNAME: name, SOFTWARE_TOKEN_MFA_CODE: code });
  await expect(
    answerChallenge(
      pool,
      { ...asked, ChallengeName: 'NEW_PASSWORD_REQUIRED' },
      { USERNAME: name, NEW_PASSWORD: 'password-2' },
    ),
  ).rejects.toEqual(refusal('NotAuthorizedException', OTHER));
  await expect(answer('wrong')).rejects.toEqual(
    refusal('CodeMismatchException', 'Invalid code received for user'),
  );
  // The pool's clock is ahead of this machine's where a test above has advanced it.
  const now = await pool.now();
  expect((await answer(totpAt(secret, now))).AuthenticationResult?.AccessToken).toBeTruthy();
  await expect(answer(totpAt(secret, now))).rejects.toEqual(
    refusal('NotAuthorizedException', ONCE),
  );
});

test('a second factor by mail or text message is a code for one sign-in', async ({ pool }) => {
  await setMfa(pool, 'OPTIONAL');
  for (const [factor, setting, attributes, digits] of [
    ['EMAIL_OTP', 'EmailMfaSettings', {}, 8],
    ['SMS_MFA', 'SMSMfaSettings', { phone_number: '+15550100123' }, 6],
  ] as const) {
    const name = await addPerson(pool, `by-${factor.toLowerCase()}`, { attributes });
    const to = 'phone_number' in attributes ? attributes.phone_number : name;
    await prefer(pool, name, { [setting]: { Enabled: true } });
    const asked = await signIn(pool, name);
    expect(asked).toMatchObject({
      ChallengeName: factor,
      ChallengeParameters: {
        CODE_DELIVERY_DELIVERY_MEDIUM: factor === 'SMS_MFA' ? 'SMS' : 'EMAIL',
        CODE_DELIVERY_DESTINATION: expect.stringContaining('***') as unknown,
      },
    });
    const code = await lastCode(pool, to);
    expect(code).toMatch(new RegExp(`^\\d{${digits}}$`));
    const answer = (given: string, from = asked) =>
      answerChallenge(pool, from, { USERNAME: name, [`${factor}_CODE`]: given });
    const mismatch = refusal('CodeMismatchException', 'Invalid code or auth state for the user.');
    await expect(answer(otherThan(code))).rejects.toEqual(mismatch);
    const again = await signIn(pool, name);
    await expect(answer(code, again)).rejects.toEqual(mismatch);
    expect((await answer(code)).AuthenticationResult?.AccessToken).toBeTruthy();
    await expect(answer(code)).rejects.toEqual(refusal('NotAuthorizedException', ONCE));
    await pool.advanceClock(181);
    await expect(answer(await lastCode(pool, to), again)).rejects.toEqual(
      refusal('NotAuthorizedException', EXPIRED),
    );
  }
});

test('who has two second factors chooses one, unless one is preferred', async ({ pool }) => {
  await setMfa(pool, 'OPTIONAL');
  const name = await addPerson(pool, 'choosing');
  const secret = await addAuthenticator(pool, (await tokensOf(pool, name)).AccessToken);
  const both = { SoftwareTokenMfaSettings: { Enabled: true }, EmailMfaSettings: { Enabled: true } };
  await prefer(pool, name, both);
  const asked = await signIn(pool, name);
  expect(asked).toMatchObject({
    ChallengeName: 'SELECT_MFA_TYPE',
    ChallengeParameters: { MFAS_CAN_CHOOSE: '["SOFTWARE_TOKEN_MFA","EMAIL_OTP"]' },
  });
  const choose = (ANSWER: string) => answerChallenge(pool, asked, { USERNAME: name, ANSWER });
  await expect(choose('SMS_MFA')).rejects.toEqual(refusal('InvalidParameterException'));
  const chosen = await choose('EMAIL_OTP');
  expect(chosen.ChallengeName).toBe('EMAIL_OTP');
  const right = { USERNAME: name, EMAIL_OTP_CODE: await lastCode(pool, name) };
  expect((await answerChallenge(pool, chosen, right)).AuthenticationResult).toBeTruthy();

  await prefer(pool, name, { SoftwareTokenMfaSettings: { Enabled: true, PreferredMfa: true } });
  const preferred = await signIn(pool, name);
  expect(preferred.ChallengeName).toBe('SOFTWARE_TOKEN_MFA');
  const totp = { USERNAME: name, SOFTWARE_TOKEN_MFA_CODE: totpAt(secret, await pool.now()) };
  expect((await answerChallenge(pool, preferred, totp)).AuthenticationResult).toBeTruthy();

  await expect(prefer(pool, name, { SMSMfaSettings: { Enabled: true } })).rejects.toEqual(
    refusal('InvalidParameterException'),
  );
  const off = { Enabled: false };
  await prefer(pool, name, { SoftwareTokenMfaSettings: off, EmailMfaSettings: off });
  expect((await signIn(pool, name)).AuthenticationResult).toBeTruthy();
});

test('where the pool insists on a second factor, one is set up in the session of the sign-in', async ({
  pool,
}) => {
  await setMfa(pool, 'ON', { SoftwareTokenMfaConfiguration: { Enabled: true } });
  const name = await addPerson(pool, 'setting-up', { temporary: true });
  const first = await signIn(pool, name);
  const asked = await answerChallenge(pool, first, { USERNAME: name, NEW_PASSWORD: 'password-2' });
  expect(asked).toMatchObject({
    ChallengeName: 'MFA_SETUP',
    ChallengeParameters: { MFAS_CAN_SETUP: '["SOFTWARE_TOKEN_MFA"]' },
  });
  const finish = (Session: string | undefined) =>
    answerChallenge(pool, { ...asked, Session }, { USERNAME: name });
  await expect(finish(asked.Session)).rejects.toEqual(refusal('SoftwareTokenMFANotFoundException'));
  const made = await pool.client.send(
    new AssociateSoftwareTokenCommand({ Session: asked.Session }),
  );
  const UserCode = totpAt(made.SecretCode ?? '', await pool.now());
  const verify = (Session?: string) =>
    pool.client.send(new VerifySoftwareTokenCommand({ Session, UserCode }));
  await expect(verify(asked.Session)).rejects.toEqual(refusal('NotAuthorizedException', ONCE));
  await expect(verify('unknown')).rejects.toEqual(refusal('NotAuthorizedException', OTHER));
  const { Session } = await verify(made.Session);
  const { AuthenticationResult } = await finish(Session);
  expect(AuthenticationResult?.AccessToken).toBeTruthy();
  expect((await signIn(pool, name, 'password-2')).ChallengeName).toBe('SOFTWARE_TOKEN_MFA');

  await setMfa(pool, 'ON', { EmailMfaConfiguration: {} });
  const mailed = await addPerson(pool, 'mailed-unasked');
  expect((await signIn(pool, mailed)).ChallengeName).toBe('EMAIL_OTP');
  await expect(setMfa(pool, 'OPTIONAL', {})).rejects.toEqual(refusal('InvalidParameterException'));
  await setMfa(pool, 'OFF', {});
  expect((await signIn(pool, mailed)).AuthenticationResult).toBeTruthy();
  const UserPoolId = pool.userPoolId;
  const config = await pool.client.send(new GetUserPoolMfaConfigCommand({ UserPoolId }));
  const described = await pool.client.send(new DescribeUserPoolCommand({ UserPoolId }));
  expect([config.MfaConfiguration, described.UserPool?.MfaConfiguration]).toEqual(['OFF', 'OFF']);
});
