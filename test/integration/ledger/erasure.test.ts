import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect } from 'vitest';
import type { Transaction } from '../../../src/db/client.ts';
import { changes } from '../../../src/db/schema.ts';
import { emailOf, type Registration } from '../../../src/domain/registration.ts';
import { eraseAddress, uncompletedOf } from '../../../src/ledger/erase-address.ts';
import { eraseExpired, erasePerson } from '../../../src/ledger/erasure.ts';
import { promiseSignOut, requestRecovery } from '../../../src/ledger/outbox/account-deliveries.ts';
import { appendUserEvent } from '../../../src/ledger/outbox/append-user-event.ts';
import { dueEvents, adoptEvents, outboxFrom } from '../../../src/ledger/outbox/event-deliveries.ts';
import { claimInvitation } from '../../../src/ledger/outbox/outbox.ts';
import { requestInvitation } from '../../../src/ledger/outbox/request-invitation.ts';
import { acceptWithoutDisclosure } from '../../../src/ledger/registrations/accept-without-disclosure.ts';
import { accept, findByKey } from '../../../src/ledger/registrations/accept.ts';
import { appendUnrecordedEvents } from '../../../src/ledger/unrecorded-events.ts';
import { listRegistrations } from '../../../src/ledger/registrations/list.ts';
import { listAuditEvents } from '../../../src/ledger/registrations/read.ts';
import { release } from '../../../src/ledger/registrations/release.ts';
import { requestCancel } from '../../../src/ledger/registrations/instructions.ts';
import { bodyOf } from '../../../src/domain/user-event.ts';
import { test } from '../../support/ledger-test.ts';
import type { Ledger } from './ledger-under-test.ts';

const ERASED = {
  email: null,
  username: null,
  firstName: null,
  lastName: null,
  attributes: {},
  idempotencyKey: null,
};
/** Of a row what no `Registration` has. */
async function hidden(ledger: Ledger, id: string) {
  const [row] = await ledger.db.execute(sql`SELECT key_scope, request_hash, instruction_reason,
      invitation_reason, sealed_password FROM registrations WHERE id = ${id}::uuid`);
  return row;
}
const NOTHING_HIDDEN = {
  key_scope: null,
  request_hash: null,
  instruction_reason: null,
  invitation_reason: null,
  sealed_password: null,
};

const person = () => ({
  username: `u${randomUUID().slice(0, 8)}`,
  firstName: 'Ada',
  lastName: 'King',
  attributes: { locale: 'en' },
  idempotencyKey: randomUUID(),
});

/** The transaction that completes a deletion. */
async function deleted(
  ledger: Ledger,
  { id, userId }: Registration,
  andThen?: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await ledger.db.transaction(async (tx) => {
    await tx.execute(
      sql`UPDATE registrations SET user_deleted_at = clock_timestamp() WHERE id = ${id}::uuid`,
    );
    await erasePerson(tx, { registrationId: id, userId });
    await appendUserEvent(tx, id, 'user.deleted');
    await andThen?.(tx);
  });
}

async function failed(ledger: Ledger, email: string, status: 'failed' | 'cancelled' = 'failed') {
  return await ledger.at(status, { email, ...person() });
}

async function promisesOf(ledger: Ledger, names: readonly string[]): Promise<string[]> {
  const rows = await ledger.db.execute<{ name: string }>(sql`SELECT account_name AS name FROM outbox
    WHERE account_name = ANY(${sql.param([...names])}::text[]) ORDER BY account_name`);
  return rows.map(({ name }) => name);
}

describe('a person whose account was deleted', () => {
  test('loses all that says who it is; ids, roles and the trail stay', async ({ ledger }) => {
    const row = await ledger.at('completed', { ...person(), roles: ['viewer'] });
    const why = { instructionReason: 'She called', invitationReason: 'Her mail was full' };
    await ledger.set(row.id, { instruction: 'retry', ...why });
    const events = await ledger.events(row.id);
    await deleted(ledger, row);
    const { id, userId, cognitoUsername, roles, requestedBy, acceptedAt } = row;
    const kept = { id, userId, cognitoUsername, roles, requestedBy, acceptedAt };
    expect(await ledger.row(id)).toMatchObject({ ...ERASED, ...kept, status: 'completed' });
    expect(await hidden(ledger, id)).toEqual(NOTHING_HIDDEN);
    expect(await ledger.events(id)).toEqual(events);
  });

  test('cannot be erased while the row lives: the database refuses', async ({ ledger }) => {
    for (const status of ['running', 'roles_pending', 'cleanup_required', 'completed'] as const) {
      const row = await ledger.at(status, person());
      const erase = ledger.db.transaction((tx) =>
        erasePerson(tx, { registrationId: row.id, userId: row.userId }),
      );
      await expect(erase).rejects.toMatchObject({ cause: { code: '23514' } });
      expect((await ledger.row(row.id)).email).toBe(row.email);
    }
  });

  test('is erased twice without an effect, and so is one without changes', async ({ ledger }) => {
    const row = await ledger.at('completed', person());
    await deleted(ledger, row);
    await deleted(ledger, row);
    expect(await ledger.row(row.id)).toMatchObject(ERASED);
  });

  test('frees the key and the address', async ({ ledger }) => {
    const row = await ledger.at('completed', { ...person(), keyScope: 'alice' });
    const key = { keyScope: 'alice', idempotencyKey: row.idempotencyKey ?? '' };
    expect(await findByKey(ledger.db, key)).not.toBeNull();
    await deleted(ledger, row);
    expect(await findByKey(ledger.db, key)).toBeNull();
    const { email, username } = row;
    const again = { ...key, username, ...(email !== null && { email }) };
    expect((await accept(ledger.db, ledger.input(again))).kind).toBe('accepted');
  });

  test('loses the reasons, keys and hashes of every change, others keep theirs', async ({
    ledger,
  }) => {
    const row = await ledger.at('completed', person());
    const other = await ledger.at('completed', person());
    const change = ({ id, userId }: Registration) => ({
      id: randomUUID(),
      kind: 'disable' as const,
      status: 'completed' as const,
      userId: userId ?? '',
      registrationId: id,
      personRoles: ['viewer'],
      requestedBy: 'alice',
      keyScope: 'alice POST /users',
      idempotencyKey: randomUUID(),
      requestHash: 'hash',
      reason: 'She asked',
      instructionReason: 'She called',
      acceptedAt: new Date(),
    });
    const [mine, theirs] = [change(row), change(other)];
    await ledger.db.insert(changes).values([mine, theirs]);
    await deleted(ledger, row);
    const read = async (id: string) =>
      (
        await ledger.db
          .select()
          .from(changes)
          .where(sql`id = ${id}::uuid`)
      )[0];
    expect(await read(mine.id)).toMatchObject({
      keyScope: null,
      idempotencyKey: null,
      requestHash: null,
      reason: null,
      instructionReason: null,
      requestedBy: 'alice',
      personRoles: ['viewer'],
    });
    expect(await read(theirs.id)).toMatchObject({ reason: 'She asked', requestHash: 'hash' });
  });

  test('takes the earlier closed registrations of the address along, and the trail says so', async ({
    ledger,
  }) => {
    const email = `${randomUUID()}@example.com`;
    const earlier = [await failed(ledger, email), await failed(ledger, email, 'cancelled')];
    const stranger = await failed(ledger, `x${email}`);
    const row = await ledger.at('completed', { email, ...person() });
    await deleted(ledger, row);
    for (const { id } of earlier) {
      expect(await ledger.row(id)).toMatchObject(ERASED);
      expect(await hidden(ledger, id)).toEqual(NOTHING_HIDDEN);
      const { items } = await listAuditEvents(ledger.db, { registrationId: id, limit: 1 });
      expect(items).toMatchObject([
        { event: 'personal_data.erased', actor: 'system', details: { by: 'deletion' } },
      ]);
    }
    expect((await ledger.row(stranger.id)).email).toBe(`x${email}`);
  });

  test('leaves the earlier registrations to whoever holds the address now', async ({ ledger }) => {
    const email = `${randomUUID()}@example.com`;
    const earlier = await failed(ledger, email);
    const row = await ledger.at('completed', { email, ...person() });
    await ledger.set(row.id, { replacedBy: randomUUID() });
    const holder = await ledger.at('running', { email });
    await deleted(ledger, row);
    expect(await ledger.row(row.id)).toMatchObject(ERASED);
    expect([await ledger.row(earlier.id), await ledger.row(holder.id)]).toMatchObject([
      { email },
      { email },
    ]);
  });

  test('is not in a list by e-mail, beginning of the e-mail or username', async ({ ledger }) => {
    const row = await ledger.at('completed', person());
    const visibleTo = { callerId: 'root', grants: '*' } as const;
    const filters = [
      { email: emailOf(row) },
      { emailPrefix: emailOf(row).slice(0, 20) },
      { username: row.username ?? '' },
    ];
    const found = () =>
      Promise.all(
        filters.map(async (filter) => {
          const page = await listRegistrations(ledger.db, { ...filter, visibleTo, limit: 5 });
          return page.items.length;
        }),
      );
    expect(await found()).toEqual([1, 1, 1]);
    await deleted(ledger, row);
    expect(await found()).toEqual([0, 0, 0]);
    const { items } = await listRegistrations(ledger.db, { visibleTo, limit: 200 });
    expect(items.find(({ id }) => id === row.id)).toMatchObject(ERASED);
  });
});

describe('what the outbox holds about a person who was deleted', () => {
  const allEvents = (ledger: Ledger) =>
    adoptEvents(ledger.db, ['webhook'], outboxFrom(new Date(0)), 1000);
  const toldOf = async (ledger: Ledger, id: string) =>
    (await dueEvents(ledger.db, 'webhook', 1000))
      .filter(({ registrationId }) => registrationId === id)
      .map(bodyOf);

  test('is the deletion alone, with the id alone, also where an event was never adopted', async ({
    ledger,
  }) => {
    const row = await ledger.at('completed', { ...person(), invite: true });
    await allEvents(ledger);
    await ledger.db.transaction((tx) => appendUserEvent(tx, row.id, 'user.password_changed'));
    expect(await toldOf(ledger, row.id)).toMatchObject([{ event_type: 'user.created' }]);
    await deleted(ledger, row);
    expect(await ledger.outbox(row.id)).toEqual(['user.deleted']);
    await allEvents(ledger);
    expect(await toldOf(ledger, row.id)).toEqual([
      expect.objectContaining({ event_type: 'user.deleted', user_data: { id: row.userId } }),
    ]);
  });

  test('gets no event that comes late, of somebody who read the row before', async ({ ledger }) => {
    const row = await ledger.at('completed', person());
    await deleted(ledger, row);
    await ledger.db.transaction((tx) => appendUserEvent(tx, row.id, 'user.password_changed'));
    expect(await ledger.outbox(row.id)).toEqual(['user.deleted']);
  });

  test('has no invitation, and none can be asked for any more', async ({ ledger }) => {
    const row = await ledger.at('completed', { ...person(), invite: true });
    const other = await ledger.at('completed', { ...person(), invite: true });
    await deleted(ledger, row);
    expect(await requestInvitation(ledger.db, row.id, { actor: 'alice' })).toEqual({
      kind: 'not_due',
    });
    const claimed: string[] = [];
    for (;;) {
      const due = await claimInvitation(ledger.db);
      if (!due) break;
      claimed.push(due.registrationId);
    }
    expect(claimed).not.toContain(row.id);
    expect(claimed).toContain(other.id);
  });

  test('has no promise by any name of the person, and those of others stay', async ({ ledger }) => {
    const row = await ledger.at('completed', person());
    const names = [emailOf(row), (row.username ?? '').toUpperCase(), row.cognitoUsername ?? ''];
    const sub = row.userId ?? '';
    for (const name of names) await requestRecovery(ledger.db, name);
    await promiseSignOut(ledger.db, sub, 60, 'password_change');
    const stranger = `${randomUUID()}@example.com`;
    await requestRecovery(ledger.db, stranger);
    await deleted(ledger, row);
    expect(await promisesOf(ledger, [...names, sub, stranger])).toEqual([stranger]);
  });

  test('keeps a promise by a name that somebody else has meanwhile', async ({ ledger }) => {
    const { username } = person();
    const email = `${randomUUID()}@example.com`;
    await failed(ledger, email);
    const old = await ledger.at('cancelled', { email, username });
    await ledger.at('completed', { ...person(), username });
    await requestRecovery(ledger.db, username);
    await requestRecovery(ledger.db, email);
    expect((await eraseAddress(ledger.db, email)).kind).toBe('erased');
    expect(await ledger.row(old.id)).toMatchObject(ERASED);
    expect(await promisesOf(ledger, [username, email])).toEqual([username]);
  });
});

test('a released registration is erased', async ({ ledger }) => {
  const row = await ledger.at('completed', person());
  await release(ledger.db, row.id);
  expect(await ledger.row(row.id)).toMatchObject({ ...ERASED, userId: row.userId });
  expect(await ledger.events(row.id)).toContain('registration.released');
  await release(ledger.db, row.id);
});

describe('the retention of failed and cancelled registrations', () => {
  const DAYS = 90;
  const aged = async (ledger: Ledger, row: Registration, days: number): Promise<Registration> => {
    await ledger.db.execute(sql`UPDATE registrations SET
        finished_at = now() - make_interval(days => ${days}) + interval '1 minute'
      WHERE id = ${row.id}::uuid`);
    return row;
  };

  test('erases those that finished long ago, the oldest first, and no others', async ({
    emptyLedger: ledger,
  }) => {
    const address = () => `${randomUUID()}@example.com`;
    const young = await aged(ledger, await failed(ledger, address()), DAYS);
    const old = await aged(ledger, await failed(ledger, address()), DAYS + 1);
    const older = await aged(ledger, await failed(ledger, address(), 'cancelled'), DAYS + 2);
    const living = await aged(ledger, await ledger.at('completed', person()), DAYS + 9);
    const parked = await ledger.at('roles_pending', person());
    expect(await eraseExpired(ledger.db, DAYS, 1)).toBe(1);
    expect([(await ledger.row(older.id)).email, (await ledger.row(old.id)).email]).toEqual([
      null,
      old.email,
    ]);
    expect(await eraseExpired(ledger.db, DAYS, 10)).toBe(1);
    expect(await eraseExpired(ledger.db, DAYS, 10)).toBe(0);
    expect(await ledger.row(old.id)).toMatchObject({ ...ERASED, status: 'failed' });
    expect(await hidden(ledger, old.id)).toEqual(NOTHING_HIDDEN);
    for (const { id, email } of [young, living, parked]) {
      expect((await ledger.row(id)).email).toBe(email);
    }
    const { items } = await listAuditEvents(ledger.db, { registrationId: old.id, limit: 1 });
    expect(items).toMatchObject([
      { event: 'personal_data.erased', actor: 'system', details: { by: 'retention' } },
    ]);
  });

  test('of two rounds at once each row is erased and recorded once', async ({
    emptyLedger: ledger,
  }) => {
    for (let made = 0; made < 10; made += 1) {
      await aged(ledger, await failed(ledger, `${randomUUID()}@example.com`), DAYS + 1);
    }
    const counts = await Promise.all([1, 2, 3, 4].map(() => eraseExpired(ledger.db, DAYS, 10)));
    const left = await eraseExpired(ledger.db, DAYS, 10);
    expect(counts.reduce((sum, count) => sum + count, left)).toBe(10);
    const { items } = await listAuditEvents(ledger.db, {
      event: 'personal_data.erased',
      limit: 100,
    });
    expect(items).toHaveLength(10);
  });

  test('keeps what the sweep still has to do for a row', async ({ ledger }) => {
    const row = await aged(ledger, await failed(ledger, `${randomUUID()}@example.com`), DAYS + 1);
    await ledger.set(row.id, {
      strayUsernames: ['stray'],
      unrecordedEvents: ['registration.resumed'],
    });
    await eraseExpired(ledger.db, DAYS, 100);
    expect(await ledger.row(row.id)).toMatchObject({ ...ERASED, strayUsernames: ['stray'] });
    await appendUnrecordedEvents(ledger.db, 500);
    expect(await ledger.events(row.id)).toContain('registration.resumed');
  });

  test('ends the memory of a sign-up for its key, whatever became of it, so that nothing is disclosed', async ({
    ledger,
  }) => {
    const signUp = (email: string) =>
      ledger.input({
        door: 'signup',
        requestedBy: 'door:signup',
        keyScope: `signup:${email}`,
        email,
        requestHash: 'same',
        idempotencyKey: 'key',
        roles: [],
      });
    const taken = emailOf(await ledger.at('completed', person()));
    const free = `${randomUUID()}@example.com`;
    for (const email of [taken, free]) {
      const send = () => acceptWithoutDisclosure(ledger.db, signUp(email), DAYS);
      const first = await send();
      expect(await send()).toEqual({ kind: 'replayed', id: 'id' in first ? first.id : '' });
      await ledger.db.execute(sql`UPDATE registrations
        SET accepted_at = now() - make_interval(days => ${DAYS}) WHERE email = ${email}`);
      expect(await send()).toMatchObject({ kind: 'accepted', starts: false });
    }
  });
});

describe('an erasure that somebody asked for', () => {
  test('erases every failed and cancelled registration of the address', async ({ ledger }) => {
    const email = `${randomUUID()}@example.com`;
    const rows = [await failed(ledger, email), await failed(ledger, email, 'cancelled')];
    const ids = rows.map(({ id }) => id);
    expect(await uncompletedOf(ledger.db, email)).toEqual({ kind: 'erased', ids });
    expect((await ledger.row(rows[0]?.id ?? '')).email).toBe(email);
    expect(await eraseAddress(ledger.db, email)).toEqual({ kind: 'erased', ids });
    for (const id of ids) {
      expect(await ledger.row(id)).toMatchObject(ERASED);
      const { items } = await listAuditEvents(ledger.db, { registrationId: id, limit: 1 });
      expect(items).toMatchObject([{ event: 'personal_data.erased', actor: 'operator' }]);
    }
    expect(await eraseAddress(ledger.db, email)).toEqual({ kind: 'erased', ids: [] });
  });

  test.for(['accepted', 'roles_pending', 'cleanup_required', 'completed'] as const)(
    'erases nothing while the registration of the address is %s',
    async (status, { ledger }) => {
      const email = `${randomUUID()}@example.com`;
      const past = await failed(ledger, email);
      const holder = await ledger.at(status, { email, ...person() });
      for (const erase of [uncompletedOf, eraseAddress]) {
        expect(await erase(ledger.db, email)).toMatchObject({
          kind: 'held',
          holder: { id: holder.id },
        });
      }
      expect((await ledger.row(past.id)).email).toBe(email);
    },
  );
});

test('an instruction to an erased registration changes nothing', async ({ ledger }) => {
  const row = await failed(ledger, `${randomUUID()}@example.com`);
  await eraseAddress(ledger.db, emailOf(row));
  const late = await requestCancel(ledger.db, row.id, { actor: 'alice', reason: 'Ada' });
  expect(late.kind).toBe('already_closed');
  expect(await hidden(ledger, row.id)).toEqual(NOTHING_HIDDEN);
});
