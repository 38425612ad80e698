import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import {
  claimInvitation,
  giveUpInvitation,
  recordInvitation,
  recordInvitationUnanswered,
  type DueInvitation,
} from '../../../../src/ledger/outbox/outbox.ts';
import { deferDelivery } from '../../../../src/ledger/outbox/cognito-deliveries.ts';
import { takeMail } from '../../../../src/ledger/mail-limits.ts';
import { requestInvitation } from '../../../../src/ledger/outbox/request-invitation.ts';
import { type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

/** Claims whatever is due. */
async function dueOf(ledger: Ledger, id: string): Promise<DueInvitation[]> {
  const claimed: DueInvitation[] = [];
  for (;;) {
    const due = await claimInvitation(ledger.db);
    if (!due) return claimed.filter(({ registrationId }) => registrationId === id);
    claimed.push(due);
  }
}

async function deliveriesOf(ledger: Ledger, id: string) {
  return await ledger.db.execute(sql`SELECT attempts, unanswered, last_error,
      mail_attempted_at IS NOT NULL AS mailed, given_up_at IS NOT NULL AS given_up,
      round(extract(epoch FROM next_attempt_at - now()) / 60)::int * 60 AS due_in
    FROM outbox_deliveries d JOIN outbox o ON o.id = d.outbox_id
    WHERE o.registration_id = ${id}::uuid AND d.destination = 'cognito-mail'
    ORDER BY o.occurred_at`);
}

const hourLater = (ledger: Ledger) =>
  ledger.db.execute(sql`UPDATE outbox_deliveries
    SET next_attempt_at = next_attempt_at - interval '1 hour',
      mail_attempted_at = mail_attempted_at - interval '1 hour'`);

async function onlyDueOf(ledger: Ledger, id: string) {
  const [due, ...more] = await dueOf(ledger, id);
  if (!due || more.length > 0) throw new Error(`${more.length + (due ? 1 : 0)} due`);
  return due;
}

test('an invitation is due once the registration is complete, never before', async ({ ledger }) => {
  const open = await ledger.at('running');
  expect(await dueOf(ledger, open.id)).toEqual([]);
  const { id } = await ledger.at('completed');
  expect(await onlyDueOf(ledger, id)).toMatchObject({ cognitoUsername: `user-${id}`, attempts: 0 });
});

test('of fifty simultaneous claims one relay gets the invitation, for an hour', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  const claims = await times(50, () => dueOf(ledger, id));
  expect(claims.flat()).toHaveLength(1);
  expect(await dueOf(ledger, id)).toEqual([]);
  expect(await deliveriesOf(ledger, id)).toMatchObject([{ unanswered: 1, due_in: 3600 }]);
});

test('an invitation that is recorded as sent fifty times at once was sent once', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  const due = await onlyDueOf(ledger, id);
  await times(50, () => recordInvitation(ledger.db, due, 'mailed'));
  const { invitation } = await ledger.row(id);
  expect(invitation.status).toBe('sent');
  const days = (invitation.expiresAt?.getTime() ?? 0) - (invitation.sentAt?.getTime() ?? 0);
  expect(days).toBe(7 * 86_400_000);
  expect((await ledger.events(id)).filter((e) => e === 'invitation.sent')).toHaveLength(1);
  expect(await dueOf(ledger, id)).toEqual([]);
});

test('an invitation that is not needed is settled, and an earlier mail keeps its state', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  await recordInvitation(ledger.db, await onlyDueOf(ledger, id), 'not_needed');
  expect((await ledger.row(id)).invitation.status).toBe('none');

  const sent = await ledger.at('completed');
  await recordInvitation(ledger.db, await onlyDueOf(ledger, sent.id), 'mailed');
  await requestInvitation(ledger.db, sent.id, { actor: 'alice' });
  await recordInvitation(ledger.db, await onlyDueOf(ledger, sent.id), 'not_needed');
  expect((await ledger.row(sent.id)).invitation.status).toBe('sent');
});

test('a deferred invitation is not due and keeps its code and count', async ({ ledger }) => {
  const { id } = await ledger.at('completed');
  await deferDelivery(ledger.db, await onlyDueOf(ledger, id), 'mail_deferred', 60_000);
  expect(await dueOf(ledger, id)).toEqual([]);
  expect(await deliveriesOf(ledger, id)).toMatchObject([
    { attempts: 1, unanswered: 0, mailed: false, due_in: 60, last_error: 'mail_deferred' },
  ]);
});

test('an invitation without a reply waits an hour, and one given up stays until it is requested again', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  await recordInvitationUnanswered(
    ledger.db,
    await onlyDueOf(ledger, id),
    'identity_provider_unavailable',
  );
  expect(await dueOf(ledger, id)).toEqual([]);
  expect(await deliveriesOf(ledger, id)).toMatchObject([
    { unanswered: 1, mailed: true, due_in: 3600 },
  ]);
  await hourLater(ledger);
  await giveUpInvitation(ledger.db, await onlyDueOf(ledger, id), 'identity_provider_unavailable');
  await hourLater(ledger);
  expect(await dueOf(ledger, id)).toEqual([]);
  expect((await ledger.row(id)).invitation).toMatchObject({
    status: 'pending',
    failure: { code: 'mail_unconfirmed' },
  });
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  const due = await onlyDueOf(ledger, id);
  expect((await ledger.row(id)).invitation.failure).toBeNull();
  expect(await deliveriesOf(ledger, id)).toMatchObject([
    { given_up: false, last_error: 'superseded' },
    {},
  ]);
  await recordInvitation(ledger.db, due, 'mailed');
  expect((await ledger.row(id)).invitation).toMatchObject({ status: 'sent', failure: null });
});

test('a new invitation replaces one that may or may not have been sent', async ({ ledger }) => {
  const { id } = await ledger.at('completed');
  const lost = await onlyDueOf(ledger, id);
  // A call may still be under way for this long.
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  expect(await deliveriesOf(ledger, id)).toHaveLength(1);
  await ledger.db.execute(sql`UPDATE outbox_deliveries
    SET mail_attempted_at = mail_attempted_at - interval '1 minute'`);
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  const next = await onlyDueOf(ledger, id);
  expect(next).toMatchObject({ attempts: 0, unanswered: 1 });
  // The late end of the first attempt changes nothing.
  await giveUpInvitation(ledger.db, lost, 'identity_provider_unavailable');
  expect((await ledger.row(id)).invitation).toMatchObject({ status: 'pending', failure: null });
});

test('one address gets five mails an hour at most, including those of earlier registrations', async ({
  ledger,
}) => {
  const first = await ledger.at('completed');
  const { email } = first;
  const mail = async (id: string): Promise<void> => {
    const due = await onlyDueOf(ledger, id);
    expect(await takeMail(ledger.db, { email, publicPerDay: null })).toEqual({ kind: 'allowed' });
    await recordInvitation(ledger.db, due, 'mailed');
  };
  await mail(first.id);
  await ledger.set(first.id, { userDeletedAt: new Date() });
  const { id } = await ledger.at('completed', { email });
  for (let mails = 2; mails <= 5; mails += 1) {
    await mail(id);
    const requests = await times(8, () => requestInvitation(ledger.db, id, { actor: 'alice' }));
    const kind = mails < 5 ? 'requested' : 'rate_limited';
    expect(requests.map((request) => request.kind)).toEqual(requests.map(() => kind));
  }
  expect(await deliveriesOf(ledger, id)).toHaveLength(4);
  expect(await dueOf(ledger, id)).toEqual([]);
});

test('a request makes a waiting invitation due at once and adds no second one', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  const before = await onlyDueOf(ledger, id);
  await deferDelivery(ledger.db, before, 'mail_deferred', 3_600_000);
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  const after = await onlyDueOf(ledger, id);
  expect(after.outboxId).toBe(before.outboxId);
  expect(await ledger.events(id)).toContain('invitation.requested');
});

test('only a completed registration has an invitation to send again', async ({ ledger }) => {
  const { id } = await ledger.at('failed');
  expect(await requestInvitation(ledger.db, id, { actor: 'alice' })).toEqual({ kind: 'not_due' });
});

test('recording a sent mail and requesting it again at the same time do not block each other', async ({
  ledger,
}) => {
  const { id } = await ledger.at('completed');
  for (let round = 0; round < 20; round += 1) {
    await hourLater(ledger);
    await requestInvitation(ledger.db, id, { actor: 'alice' });
    const due = await onlyDueOf(ledger, id);
    await hourLater(ledger);
    await Promise.all([
      recordInvitation(ledger.db, due, 'mailed'),
      requestInvitation(ledger.db, id, { actor: 'alice' }),
      requestInvitation(ledger.db, id, { actor: 'bob' }),
      recordInvitation(ledger.db, due, 'mailed'),
    ]);
  }
  expect((await ledger.row(id)).invitation.status).toMatch(/pending|sent/);
});
