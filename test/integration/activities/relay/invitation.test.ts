import { AdminSetUserPasswordCommand } from '@aws-sdk/client-cognito-identity-provider';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { REQUEST_TIMEOUT_MS } from '../../../../src/cognito/call.ts';
import { deleteUser } from '../../../../activities/registration/delete-user.ts';
import { registerAtOnce } from '../../../../activities/registration/register-at-once.ts';
import { sendInvitations } from '../../../../activities/relay/invitations.ts';
import { publicFailure } from '../../../../src/domain/failure.ts';
import { beginCompensation } from '../../../../src/ledger/registrations/compensation.ts';
import { claimInvitation } from '../../../../src/ledger/outbox/outbox.ts';
import { requestInvitation } from '../../../../src/ledger/outbox/request-invitation.ts';
import { readTimeline } from '../../../../src/ledger/registrations/read.ts';
import { removeUser } from '../../../support/pool-user.ts';
import type { Steps } from '../../../support/steps.ts';
import { test } from '../../../support/steps-test.ts';
import { known, type Known } from '../../../support/known.ts';

test.afterEach(async ({ steps }) => {
  await steps.pool.clearFaults();
});

const completed = async (steps: Steps): Promise<Known> => {
  const { id } = await steps.begun();
  return known((await registerAtOnce(steps.context(), id)).row);
};
const mailsTo = async (steps: Steps, { email }: Known): Promise<number> =>
  (await steps.pool.mail()).filter(({ to }) => to === email).length;

/** Invitations that have been neither delivered nor attempted. */
async function untried(steps: Steps): Promise<number> {
  const rows = await steps.db.execute(sql`SELECT 1 FROM outbox_deliveries
    WHERE delivered_at IS NULL AND given_up_at IS NULL AND last_error IS NULL`);
  return rows.length;
}

/** A relay's shift that ends as soon as each invitation has been tried once. */
async function relay(steps: Steps): Promise<void> {
  const stopping = new AbortController();
  const { db, log, provider } = steps.context();
  const changed = (): void => undefined;
  const deps = { db, log, provider, changed, propagationGraceSeconds: 0 };
  const shift = sendInvitations(deps, stopping.signal);
  while ((await untried(steps)) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stopping.abort();
  await shift;
}
const dueNow = (steps: Steps) =>
  steps.db.execute(sql`UPDATE outbox_deliveries
    SET next_attempt_at = now() - interval '1 second', last_error = NULL
    WHERE delivered_at IS NULL AND given_up_at IS NULL`);

test('an invitation is sent once and recorded once, and a second relay run sends nothing', async ({
  steps,
}) => {
  const registration = await completed(steps);
  expect(registration.invitation.status).toBe('pending');
  expect(await mailsTo(steps, registration)).toBe(0);
  await relay(steps);
  await dueNow(steps);
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(1);
  const { invitation } = await steps.row(registration.id);
  expect(invitation.status).toBe('sent');
  const days = (invitation.expiresAt?.getTime() ?? 0) - (invitation.sentAt?.getTime() ?? 0);
  expect(days / 86_400_000).toBe(7);
  expect((await readTimeline(steps.db, registration.id)).map(({ event }) => event)).toEqual([
    'registration.requested',
    'user.registered',
    'invitation.sent',
  ]);
});

test('two concurrent relays send an invitation once', async ({ steps }) => {
  const registration = await completed(steps);
  await Promise.all([relay(steps), relay(steps)]);
  const events = (await readTimeline(steps.db, registration.id)).map(({ event }) => event);
  expect(events.filter((event) => event === 'invitation.sent')).toHaveLength(1);
  expect(await mailsTo(steps, registration)).toBe(1);
});

test.for(['LimitExceededException', 'CodeDeliveryFailureException', 'NotAuthorizedException'])(
  '%s keeps the registration completed and the invitation pending, and the mail is sent later',
  async (error, { steps }) => {
    const registration = await completed(steps);
    await steps.pool.setFaults([
      { operation: 'AdminCreateUser', times: 1, fault: { kind: 'error', error } },
    ]);
    await relay(steps);
    expect(await steps.row(registration.id)).toMatchObject({
      status: 'completed',
      failure: null,
      invitation: { status: 'pending', sentAt: null },
    });
    expect(await mailsTo(steps, registration)).toBe(0);
    await dueNow(steps);
    await relay(steps);
    expect(await mailsTo(steps, registration)).toBe(1);
    expect((await steps.row(registration.id)).invitation.status).toBe('sent');
  },
);

test('a mail that takes longer than the normal call timeout is sent once', async ({ steps }) => {
  const registration = await completed(steps);
  await steps.pool.setFaults([
    { operation: 'AdminCreateUser', fault: { kind: 'latency', ms: REQUEST_TIMEOUT_MS + 500 } },
  ]);
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(1);
  expect((await steps.row(registration.id)).invitation).toMatchObject({
    status: 'sent',
    failure: null,
  });
});

test('after three attempts without a reply the receipt says so, and a new request sends the mail', async ({
  steps,
}) => {
  const registration = await completed(steps);
  await steps.pool.setFaults([
    { operation: 'AdminCreateUser', times: 3, fault: { kind: 'replyLost', effect: 'after' } },
  ]);
  for (let mails = 1; mails <= 3; mails += 1) {
    await relay(steps);
    expect(await mailsTo(steps, registration)).toBe(mails);
    const { invitation } = await steps.row(registration.id);
    expect(invitation.status).toBe('pending');
    expect(invitation.failure?.code).toBe(mails < 3 ? undefined : 'mail_unconfirmed');
    const [delivery] = await steps.db.execute<{ minutes: number }>(sql`SELECT
        extract(epoch FROM next_attempt_at - now()) / 60 AS minutes
      FROM outbox_deliveries d JOIN outbox o ON o.id = d.outbox_id
      WHERE o.registration_id = ${registration.id}::uuid AND destination = 'cognito-mail'`);
    expect(Number(delivery?.minutes)).toBeGreaterThan(55);
    await dueNow(steps);
  }
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(3);
  await steps.db.execute(sql`UPDATE outbox_deliveries
    SET mail_attempted_at = mail_attempted_at - interval '1 hour'`);
  await requestInvitation(steps.db, registration.id, { actor: 'operator' });
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(4);
  expect((await steps.row(registration.id)).invitation).toMatchObject({
    status: 'sent',
    failure: null,
  });
});

test('three attempts whose process died are not followed by a fourth', async ({ steps }) => {
  const registration = await completed(steps);
  for (let died = 1; died <= 3; died += 1) {
    expect(await claimInvitation(steps.db)).toMatchObject({ unanswered: died });
    await dueNow(steps);
  }
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(0);
  const { invitation } = await steps.row(registration.id);
  expect(invitation.failure?.code).toBe('mail_unconfirmed');
});

test('an invitation that is requested again while it waits is sent once', async ({ steps }) => {
  const registration = await completed(steps);
  await requestInvitation(steps.db, registration.id, { actor: 'operator' });
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(1);
  await requestInvitation(steps.db, registration.id, { actor: 'operator' });
  expect((await steps.row(registration.id)).invitation.status).toBe('pending');
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(2);
});

test('no invitation is sent to a user who has chosen a password', async ({ steps }) => {
  const registration = await completed(steps);
  await steps.pool.client.send(
    new AdminSetUserPasswordCommand({
      UserPoolId: steps.pool.userPoolId,
      Username: registration.email,
      Password: 'correct horse battery',
      Permanent: true,
    }),
  );
  await relay(steps);
  expect(await mailsTo(steps, registration)).toBe(0);
  expect((await steps.row(registration.id)).invitation.status).toBe('none');
});

test('no invitation is sent to a deleted user, and nothing waits for it', async ({ steps }) => {
  const registration = await completed(steps);
  await removeUser(steps.pool, registration.email);
  await relay(steps);
  await dueNow(steps);
  expect(await untried(steps)).toBe(0);
  expect((await steps.row(registration.id)).invitation.status).toBe('none');
});

test('a compensated registration never sends an invitation', async ({ steps }) => {
  const row = await steps.begun(['no-such-role']);
  await registerAtOnce(steps.context(), row.id);
  const cause = { closesAs: 'failed', failure: publicFailure('role_missing') } as const;
  await beginCompensation(steps.db, row.id, cause, publicFailure('registration_cancelled'), {});
  await deleteUser(steps.context(), row.id);
  await relay(steps);
  expect(await mailsTo(steps, row)).toBe(0);
});
