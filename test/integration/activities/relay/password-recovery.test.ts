import { randomUUID } from 'node:crypto';
import {
  AdminDisableUserCommand,
  AdminUpdateUserAttributesCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { ProviderError } from '../../../../src/cognito/provider-error.ts';
import { hasMailedPassword } from '../../../../src/domain/registration.ts';
import {
  claimRecovery,
  requestRecovery,
} from '../../../../src/ledger/outbox/account-deliveries.ts';
import { MAILS_PER_HOUR } from '../../../../src/ledger/mail-limits.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import { signsIn } from '../../../support/passwords.ts';
import { addUser } from '../../../support/pool-user.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import {
  PASSWORD,
  clearPromises,
  invited,
  mailsTo,
  promises,
  proved,
  relayPromises,
  sessionsEndedAt,
  sessionsOf,
  unproved,
} from '../../../support/account-promises.ts';
import type { Known } from '../../../support/known.ts';

test.beforeEach(async ({ steps }) => {
  await steps.db.execute(sql`DELETE FROM mail_counts`);
});
test.afterEach(({ steps }) => clearPromises(steps));

test('somebody who never proved the address is mailed a temporary password, and the old one and every session are dead', async ({
  steps,
}) => {
  const row = await unproved(steps);
  const sessions = sessionsOf(steps);
  const squatter = await sessions.signIn(row.email, new Secret(PASSWORD));
  if (squatter.kind !== 'signed_in') throw new Error('the squatter is not signed in');
  await requestRecovery(steps.db, row.username ?? '');
  await relayPromises(steps);
  expect(await signsIn(steps.pool, row.email, PASSWORD)).toBe(false);
  expect(await sessions.refresh(squatter.tokens.refreshToken)).toBeNull();
  expect(await sessions.personOf(squatter.tokens.accessToken)).toBeNull();
  expect(await sessionsEndedAt(steps, row.userId)).not.toBeNull();
  const [mail, ...others] = await mailsTo(steps, row.email);
  expect(others).toEqual([]);
  const first = await sessions.signIn(row.email, new Secret(mail?.code ?? ''));
  expect(first.kind).toBe('challenge');
  const trail = (await readTimeline(steps.db, row.id)).map(({ event }) => event);
  expect(trail.slice(-2)).toEqual(['user.password_reset', 'user.signed_out_everywhere']);
  expect((await steps.row(row.id)).recoveryMailedAt).not.toBeNull();
  expect(await promises(steps)).toEqual([]);
});

test('an invited person who lost the invitation is mailed another temporary password', async ({
  steps,
}) => {
  const row = await invited(steps);
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps);
  expect((await mailsTo(steps, row.email)).map(({ source }) => source)).toEqual([
    'AdminCreateUser',
  ]);
  expect((await steps.row(row.id)).invitation.status).toBe('sent');
});

test('somebody with a proved address is mailed a code by Cognito, and the password stays', async ({
  steps,
}) => {
  const row = await proved(steps);
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps);
  expect((await mailsTo(steps, row.email)).map(({ source }) => source)).toEqual(['ForgotPassword']);
  expect(await signsIn(steps.pool, row.email, PASSWORD)).toBe(true);
});

test('nobody is mailed for an unknown name, a disabled account or one with another address in the pool', async ({
  steps,
}) => {
  const { client, userPoolId: UserPoolId } = steps.pool;
  const disabled = await unproved(steps);
  const moved = await unproved(steps);
  const elsewhere = `thief-${randomUUID()}@example.com`;
  await client.send(new AdminDisableUserCommand({ UserPoolId, Username: disabled.email }));
  await client.send(
    new AdminUpdateUserAttributesCommand({
      UserPoolId,
      Username: moved.email,
      UserAttributes: [
        { Name: 'email', Value: elsewhere },
        { Name: 'email_verified', Value: 'true' },
      ],
    }),
  );
  const before = (await steps.pool.mail()).length;
  const names = [disabled.email, moved.email, moved.username ?? '', elsewhere, 'nobody', ''];
  for (const name of [...names, `${randomUUID()}@example.com`])
    await requestRecovery(steps.db, name);
  await relayPromises(steps);
  expect((await steps.pool.mail()).length).toBe(before);
  expect(await signsIn(steps.pool, elsewhere, PASSWORD)).toBe(true);
  expect(await promises(steps)).toEqual([]);
});

test('a user who is not in the ledger is left to Cognito alone', async ({ steps }) => {
  const email = `${randomUUID()}@example.com`;
  await addUser(steps.pool, email);
  await steps.pool.clearCalls();
  await requestRecovery(steps.db, email);
  await relayPromises(steps);
  expect(Object.keys(await steps.pool.calls()).toSorted()).toEqual([
    'AdminGetUser',
    'ForgotPassword',
  ]);
  expect(await mailsTo(steps, email)).toEqual([]);
});

test('the address is read again after the sessions have ended, before anything is mailed to it', async ({
  steps,
}) => {
  const row = await unproved(steps);
  const provider = steps.provider();
  const racing = {
    ...provider,
    replacePassword: async (username: string, signal: AbortSignal) => {
      await steps.pool.client.send(
        new AdminUpdateUserAttributesCommand({
          UserPoolId: steps.pool.userPoolId,
          Username: username,
          UserAttributes: [{ Name: 'email', Value: `thief-${row.email}` }],
        }),
      );
      await provider.replacePassword(username, signal);
    },
  };
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps, { provider: racing });
  expect(await mailsTo(steps, row.email)).toEqual([]);
  // The pool asks the new address for a proof by itself.
  const sources = (await mailsTo(steps, `thief-${row.email}`)).map(({ source }) => source);
  expect(sources).toEqual(['UpdateUserAttribute']);
});

test.for(['AdminSetUserPassword', 'AdminUserGlobalSignOut', 'AdminGetUser'] as const)(
  'a lost reply of %s delays the mail, and it is sent once',
  async (operation, { steps }) => {
    const row = await unproved(steps);
    await steps.pool.setFaults([
      { operation, times: 1, fault: { kind: 'replyLost', effect: 'after' } },
    ]);
    await requestRecovery(steps.db, row.email);
    await relayPromises(steps);
    expect(await mailsTo(steps, row.email)).toEqual([]);
    await relayPromises(steps);
    expect(await mailsTo(steps, row.email)).toHaveLength(1);
    expect(await signsIn(steps.pool, row.email, PASSWORD)).toBe(false);
  },
);

async function loseReplyOfMail(steps: Steps, row: Known): Promise<void> {
  await steps.pool.setFaults([
    { operation: 'AdminCreateUser', times: 1, fault: { kind: 'replyLost', effect: 'after' } },
  ]);
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(1);
}

test('a lost reply of the mail sends another one, and the first one proves the address too', async ({
  steps,
}) => {
  const row = await unproved(steps);
  await loseReplyOfMail(steps, row);
  expect(hasMailedPassword(await steps.row(row.id))).toBe(true);
  await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(2);
});

test('a lost reply of a mail that was used sends no other, and the chosen password stays', async ({
  steps,
}) => {
  const row = await unproved(steps);
  await loseReplyOfMail(steps, row);
  await steps.provider().setPassword(row.email, new Secret(PASSWORD), AbortSignal.timeout(4000));
  await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(1);
  expect(await signsIn(steps.pool, row.email, PASSWORD)).toBe(true);
});

test('a relay that dies after its claim leaves the promise to the next one', async ({ steps }) => {
  const row = await unproved(steps);
  await requestRecovery(steps.db, row.email);
  await steps.db.execute(sql`UPDATE outbox_deliveries SET next_attempt_at = now()
    WHERE destination = 'cognito-recovery'`);
  expect(await claimRecovery(steps.db)).toMatchObject({ name: row.email });
  expect(await claimRecovery(steps.db)).toBeNull();
  await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(1);
});

test('one address gets five mails an hour, whatever name is sent and however many ask at once', async ({
  steps,
}) => {
  const row = await unproved(steps);
  for (let asked = 0; asked < 4; asked += 1) {
    await requestRecovery(steps.db, row.email);
    await requestRecovery(steps.db, row.username ?? '');
  }
  await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(MAILS_PER_HOUR);
  expect(await promises(steps)).toEqual([]);
});

test('public mails stop at their share of the day, and what was promised waits for the next one', async ({
  steps,
}) => {
  const people = [await unproved(steps), await proved(steps), await unproved(steps)];
  for (const { email } of people) await requestRecovery(steps.db, email);
  await relayPromises(steps, { publicMailsPerDay: 2 });
  const mails = await Promise.all(people.map(({ email }) => mailsTo(steps, email)));
  expect(mails.flat()).toHaveLength(2);
  expect(await promises(steps)).toEqual([expect.objectContaining({ last_error: 'mail_deferred' })]);
  // Whoever is not mailed keeps the old password.
  const [left] = people.filter((_, index) => mails[index]?.length === 0);
  expect(await signsIn(steps.pool, left?.email ?? '', PASSWORD)).toBe(true);
  await steps.db.execute(sql`UPDATE mail_counts SET until = now() WHERE key = 'public'`);
  await relayPromises(steps, { publicMailsPerDay: 2 });
  expect(await mailsTo(steps, left?.email ?? '')).toHaveLength(1);
});

test('a mail that Cognito could not send does not count', async ({ steps }) => {
  const row = await unproved(steps);
  await steps.pool.setFaults([
    {
      operation: 'AdminCreateUser',
      times: MAILS_PER_HOUR,
      fault: { kind: 'error', error: 'LimitExceededException' },
    },
  ]);
  await requestRecovery(steps.db, row.email);
  for (let attempt = 0; attempt <= MAILS_PER_HOUR; attempt += 1) await relayPromises(steps);
  expect(await mailsTo(steps, row.email)).toHaveLength(1);
});

test('second factors and a phone number that the person added are removed', async ({ steps }) => {
  const row = await unproved(steps);
  const calls: unknown[] = [];
  const provider = steps.provider();
  const watched = {
    ...provider,
    readUser: async (username: string, signal: AbortSignal) => {
      const user = await provider.readUser(username, signal);
      return user && { ...user, secondFactors: ['SOFTWARE_TOKEN_MFA'], phoneNumber: '+15550100' };
    },
    removeSecondFactors: async (_username: string, which: object) => void calls.push(which),
  };
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps, { provider: watched });
  expect(calls).toEqual([{ factors: ['SOFTWARE_TOKEN_MFA'], phoneNumber: true }]);
});

test('a second factor that is added until the sessions have ended is removed too', async ({
  steps,
}) => {
  const row = await unproved(steps);
  const calls: unknown[] = [];
  const provider = steps.provider();
  let haveEnded = false;
  const racing = {
    ...provider,
    endSessions: async (username: string, signal: AbortSignal) => {
      await provider.endSessions(username, signal);
      haveEnded = true;
    },
    readUser: async (username: string, signal: AbortSignal) => {
      const user = await provider.readUser(username, signal);
      return user && { ...user, secondFactors: haveEnded ? ['SOFTWARE_TOKEN_MFA'] : [] };
    },
    removeSecondFactors: async (_username: string, which: object) => void calls.push(which),
  };
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps, { provider: racing });
  expect(calls).toEqual([{ factors: ['SOFTWARE_TOKEN_MFA'], phoneNumber: false }]);
});

test('a reset by mail ends the tokens of the old sessions before the rest of it is done', async ({
  steps,
}) => {
  const row = await unproved(steps);
  const removeSecondFactors = () =>
    Promise.reject(new ProviderError('InternalErrorException', 500));
  await requestRecovery(steps.db, row.email);
  await relayPromises(steps, { provider: { ...steps.provider(), removeSecondFactors } });
  expect(await mailsTo(steps, row.email)).toEqual([]);
  expect(await sessionsEndedAt(steps, row.userId)).not.toBeNull();
});
