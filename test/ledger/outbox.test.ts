import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  claimInvitations,
  deferInvitation,
  noteInvitation,
  requestInvitation,
} from '../../src/ledger/outbox.ts';
import { Ledger, times } from './ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start();
});
afterAll(() => ledger.stop());

/** Claims whatever is due; a claim of no time leaves it due. */
async function dueOf(id: string, claimMs = 0) {
  const claimed = await claimInvitations(ledger.db, 1000, claimMs);
  return claimed.filter((due) => due.registrationId === id);
}

async function onlyDueOf(id: string) {
  const [due, ...more] = await dueOf(id);
  if (!due || more.length > 0) throw new Error(`${more.length + (due ? 1 : 0)} due`);
  return due;
}

test('an invitation is due once the registration is complete, never before', async () => {
  const open = await ledger.at('running');
  expect(await dueOf(open.id)).toEqual([]);
  const { id } = await ledger.at('completed');
  expect(await onlyDueOf(id)).toMatchObject({ cognitoUsername: `user-${id}`, attempts: 0 });
});

test('claimed fifty times at once, one relay has it, until the claim is over', async () => {
  const { id } = await ledger.at('completed');
  const claims = await times(50, () => dueOf(id, 60_000));
  expect(claims.flat()).toHaveLength(1);
  expect(await dueOf(id)).toEqual([]);
});

test('noted fifty times at once, it was sent once', async () => {
  const { id } = await ledger.at('completed');
  const due = await onlyDueOf(id);
  await times(50, () => noteInvitation(ledger.db, due, 'mailed'));
  const { invitation } = await ledger.row(id);
  expect(invitation.status).toBe('sent');
  const days = (invitation.expiresAt?.getTime() ?? 0) - (invitation.sentAt?.getTime() ?? 0);
  expect(days).toBe(7 * 86_400_000);
  expect((await ledger.events(id)).filter((e) => e === 'invitation.sent')).toHaveLength(1);
  expect(await dueOf(id)).toEqual([]);
});

test('not needed: nobody was invited, or the mail of before stays what it was', async () => {
  const { id } = await ledger.at('completed');
  await noteInvitation(ledger.db, await onlyDueOf(id), 'not_needed');
  expect((await ledger.row(id)).invitation.status).toBe('none');

  const sent = await ledger.at('completed');
  await noteInvitation(ledger.db, await onlyDueOf(sent.id), 'mailed');
  await requestInvitation(ledger.db, sent.id, { actor: 'alice' });
  await noteInvitation(ledger.db, await onlyDueOf(sent.id), 'not_needed');
  expect((await ledger.row(sent.id)).invitation.status).toBe('sent');
});

test('put off, it is not due, keeps its code and counts', async () => {
  const { id } = await ledger.at('completed');
  await deferInvitation(ledger.db, await onlyDueOf(id), 'mail_deferred', 60_000);
  expect(await dueOf(id)).toEqual([]);
  const [row] = await ledger.db.execute<{ attempts: number; last_error: string }>(
    sql`SELECT attempts, last_error FROM outbox_deliveries d JOIN outbox o ON o.id = d.outbox_id
      WHERE o.registration_id = ${id}::uuid`,
  );
  expect(row).toMatchObject({ attempts: 1, last_error: 'mail_deferred' });
});

test('wished again, one that still waits is not sent as well', async () => {
  const { id } = await ledger.at('completed');
  const before = await onlyDueOf(id);
  await requestInvitation(ledger.db, id, { actor: 'alice' });
  const after = await onlyDueOf(id);
  expect(after.outboxId).not.toBe(before.outboxId);
  await noteInvitation(ledger.db, before, 'mailed');
  expect((await ledger.row(id)).invitation.status).toBe('pending');
  expect(await ledger.events(id)).toContain('invitation.requested');
});

test('only a completed registration has one to send again', async () => {
  const { id } = await ledger.at('failed');
  await expect(requestInvitation(ledger.db, id, { actor: 'alice' })).rejects.toThrow(
    'no completed row',
  );
});

test('noting what was sent and wishing it again at the same time do not block each other', async () => {
  const { id } = await ledger.at('completed');
  for (let round = 0; round < 20; round += 1) {
    const due = await onlyDueOf(id);
    await Promise.all([
      noteInvitation(ledger.db, due, 'mailed'),
      requestInvitation(ledger.db, id, { actor: 'alice' }),
      requestInvitation(ledger.db, id, { actor: 'bob' }),
      noteInvitation(ledger.db, due, 'mailed'),
    ]);
  }
  expect((await ledger.row(id)).invitation.status).toMatch(/pending|sent/);
});
