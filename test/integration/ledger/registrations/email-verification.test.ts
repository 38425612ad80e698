import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import {
  adoptEvents,
  dueEvents,
  outboxFrom,
} from '../../../../src/ledger/outbox/event-deliveries.ts';
import {
  findByUserId,
  recordAccountEvents,
} from '../../../../src/ledger/registrations/account-events.ts';
import { recordEmailVerified } from '../../../../src/ledger/registrations/email-verification.ts';
import { complete } from '../../../../src/ledger/registrations/transitions.ts';
import { type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

test.beforeEach(({ ledger }) => ledger.db.execute(sql`DELETE FROM outbox`));

const unproved = (ledger: Ledger, status: 'completed' | 'running' = 'completed') =>
  ledger.at(status, { emailVerified: false, invite: false, door: 'signup' });
const prove = (ledger: Ledger, userId: string | null, email: string) =>
  recordEmailVerified(ledger.db, { userId: userId ?? '', email, actor: userId ?? '' });
async function eventsFor(ledger: Ledger) {
  await adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 100);
  const due = await dueEvents(ledger.db, 'webhook', 100);
  return due
    .toSorted((a, b) => a.sequence - b.sequence)
    .map(({ type, sequence, user }) => [sequence, type, user.emailVerified]);
}

test('of twenty simultaneous proofs of an address one is recorded, with its audit event and its event', async ({
  ledger,
}) => {
  const { id, userId, email } = await unproved(ledger);
  const recorded = await times(20, () => prove(ledger, userId, email));
  expect(recorded.filter((one) => one)).toHaveLength(1);
  expect((await ledger.row(id)).emailVerified).toBe(true);
  expect(await ledger.events(id)).toEqual([
    'registration.requested',
    'user.registered',
    'user.email_verified',
  ]);
  expect(await eventsFor(ledger)).toEqual([
    [1, 'user.created', true],
    [2, 'user.email_verified', true],
  ]);
});

test('another address than the ledger’s, another user or a deleted user proves nothing', async ({
  ledger,
}) => {
  const { id, userId, email } = await unproved(ledger);
  expect(await prove(ledger, userId, `other-${email}`)).toBe(false);
  expect(await prove(ledger, 'another-user', email)).toBe(false);
  await ledger.set(id, { userDeletedAt: new Date() });
  expect(await prove(ledger, userId, email)).toBe(false);
  expect((await ledger.row(id)).emailVerified).toBe(false);
  expect(await ledger.events(id)).not.toContain('user.email_verified');
});

test('an address proved before the registration completes is told by user.created alone', async ({
  ledger,
}) => {
  const { id, userId, email, roles } = await unproved(ledger, 'running');
  expect(await prove(ledger, userId, email)).toBe(true);
  await complete(ledger.db, id, roles, {});
  expect(await eventsFor(ledger)).toEqual([[1, 'user.created', true]]);
});

test('where the trail refuses the event, the address stays unproved', async ({ ledger }) => {
  const { id, userId, email } = await unproved(ledger);
  await ledger.refuseAudit('user.email_verified');
  await expect(prove(ledger, userId, email)).rejects.toThrow('');
  await ledger.allowAudit();
  expect((await ledger.row(id)).emailVerified).toBe(false);
  expect(await prove(ledger, userId, email)).toBe(true);
});

test('the sequence of simultaneous events of one person rises without a gap', async ({
  ledger,
}) => {
  const { id, userId } = await unproved(ledger);
  await times(10, () =>
    recordAccountEvents(ledger.db, userId ?? '', userId ?? '', [
      'user.password_changed',
      'user.signed_out_everywhere',
    ]),
  );
  const told = await eventsFor(ledger);
  expect(told.map(([sequence]) => sequence)).toEqual(Array.from({ length: 11 }, (_, n) => n + 1));
  // Sessions concern nobody else.
  expect(new Set(told.slice(1).map(([, type]) => type))).toEqual(
    new Set(['user.password_changed']),
  );
  const events = await ledger.events(id);
  expect(events.filter((event) => event === 'user.signed_out_everywhere')).toHaveLength(10);
});

test('a person who is not in the ledger has audit events and no event for others', async ({
  ledger,
}) => {
  await recordAccountEvents(ledger.db, 'foreign-user', 'foreign-user', ['user.password_changed']);
  expect(await findByUserId(ledger.db, 'foreign-user')).toBeNull();
  const events = await ledger.db.execute(
    sql`SELECT event, registration_id FROM audit_events WHERE user_id = 'foreign-user'`,
  );
  expect([...events]).toEqual([{ event: 'user.password_changed', registration_id: null }]);
  expect(await eventsFor(ledger)).toEqual([]);
});
