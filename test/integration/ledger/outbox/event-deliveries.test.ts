import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import {
  adoptEvents,
  dueEvents,
  recordEventsDelivered,
  recordEventsFailed,
  outboxFrom,
} from '../../../../src/ledger/outbox/event-deliveries.ts';
import { countEvents, redeliver } from '../../../../src/ledger/outbox/redeliver.ts';
import { appendUserEvent } from '../../../../src/ledger/outbox/append-user-event.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import { erasePerson } from '../../../../src/ledger/erasure.ts';
import { bodyOf, type UserEventType } from '../../../../src/domain/user-event.ts';
import { type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const LONG_AGO = new Date('2020-01-01T00:00:00Z');
const BOTH = ['amqp', 'webhook'] as const;

test.afterEach(({ ledger }) => ledger.db.execute(sql`DELETE FROM outbox`));

/** Completed registrations; each has an event, and an invitation besides. */
const completed = (ledger: Ledger, count: number) => times(count, () => ledger.at('completed'));
const adopt = (ledger: Ledger, destinations: readonly ('amqp' | 'webhook')[] = BOTH, limit = 100) =>
  adoptEvents(ledger.db, destinations, outboxFrom(LONG_AGO), limit);
const due = (ledger: Ledger, destination: 'amqp' | 'webhook', limit = 100) =>
  dueEvents(ledger.db, destination, limit);

test('fifty simultaneous adoptions make one delivery for each event and destination', async ({
  ledger,
}) => {
  await completed(ledger, 3);
  const adopted = await times(50, () => adopt(ledger));
  expect(adopted.reduce((sum, { deliveries }) => sum + deliveries, 0)).toBe(6);
  expect(await due(ledger, 'amqp')).toHaveLength(3);
  expect(await due(ledger, 'webhook')).toHaveLength(3);
  expect((await due(ledger, 'amqp')).every(({ type }) => type === 'user.created')).toBe(true);
});

test('a destination that is configured later gets the events that it lacks', async ({ ledger }) => {
  await completed(ledger, 2);
  expect((await adopt(ledger, ['amqp'])).deliveries).toBe(2);
  await completed(ledger, 1);
  expect((await adopt(ledger)).deliveries).toBe(4);
  expect(await due(ledger, 'webhook')).toHaveLength(3);
});

test('pages of adopted events lose none, not even events of one moment', async ({ ledger }) => {
  await completed(ledger, 7);
  await ledger.db.execute(sql`UPDATE outbox SET occurred_at = '2026-01-01T00:00:00.123Z'`);
  let deliveries = 0;
  let pages = 0;
  let from: ReturnType<typeof outboxFrom> | null = outboxFrom(LONG_AGO);
  while (from) {
    const page = await adoptEvents(ledger.db, ['amqp'], from, 3);
    deliveries += page.deliveries;
    pages += 1;
    from = page.next;
  }
  expect([deliveries, pages]).toEqual([7, 3]);
  const later = outboxFrom(new Date('2026-01-01T00:00:00.124Z'));
  expect(await adoptEvents(ledger.db, ['webhook'], later, 10)).toEqual({
    deliveries: 0,
    next: null,
  });
  const exact = outboxFrom(new Date('2026-01-01T00:00:00.123Z'));
  const until = (time: string) =>
    adoptEvents(ledger.db, ['webhook'], outboxFrom(LONG_AGO), 10, new Date(time));
  expect((await until('2026-01-01T00:00:00.123Z')).deliveries).toBe(0);
  expect((await adoptEvents(ledger.db, ['webhook'], exact, 10)).deliveries).toBe(7);
});

test('an event that is recorded as delivered fifty times at once counts once, for its destination only', async ({
  ledger,
}) => {
  await completed(ledger, 1);
  await adopt(ledger);
  const [event] = await due(ledger, 'amqp');
  await times(50, () => recordEventsDelivered(ledger.db, 'amqp', [event?.id ?? '']));
  expect(await due(ledger, 'amqp')).toEqual([]);
  const [left] = await due(ledger, 'webhook');
  expect(left).toMatchObject({ id: event?.id, attempts: 0 });
  // An attempt that failed elsewhere meanwhile does not take it back.
  const failed = { outboxId: event?.id ?? '', reason: 'late', nextInMs: 0 };
  await recordEventsFailed(ledger.db, 'amqp', [failed]);
  expect(await due(ledger, 'amqp')).toEqual([]);
});

test('a deferred event is not due, and one given up is counted until it is requested again', async ({
  ledger,
}) => {
  await completed(ledger, 3);
  await adopt(ledger, ['webhook']);
  const [first, second] = await due(ledger, 'webhook');
  await recordEventsFailed(ledger.db, 'webhook', [
    { outboxId: first?.id ?? '', reason: 'HTTP 500', nextInMs: 60_000 },
    { outboxId: second?.id ?? '', reason: 'HTTP 404', nextInMs: null },
  ]);
  expect(await due(ledger, 'webhook')).toHaveLength(1);
  const counts = { waiting: 2, givenUp: 1, untold: 0 };
  expect(await countEvents(ledger.db, 'webhook', LONG_AGO)).toEqual(counts);
  expect(await countEvents(ledger.db, 'amqp', LONG_AGO)).toMatchObject({ untold: 3 });
  expect(await countEvents(ledger.db, 'amqp', null)).toMatchObject({ untold: 0 });

  const again = (since: Date | null, name: 'amqp' | 'webhook') =>
    redeliver(ledger.db, [name], { waiting: false, since });
  expect(await again(null, 'amqp')).toBe(0);
  expect(await again(new Date(Date.now() + 3_600_000), 'webhook')).toBe(0);
  expect(await again(null, 'webhook')).toBe(1);
  const revived = (await due(ledger, 'webhook')).find(({ id }) => id === second?.id);
  expect(revived).toMatchObject({ attempts: 0 });
});

const append = (
  ledger: Ledger,
  id: string,
  kind: Exclude<UserEventType, 'user.created'>,
  roles?: readonly string[],
) => ledger.db.transaction((tx) => appendUserEvent(tx, id, kind, roles));
/** As a deletion completes. */
const deleteUser = (ledger: Ledger, { id, userId }: Registration) =>
  ledger.db.transaction(async (tx) => {
    await tx.execute(sql`UPDATE registrations SET user_deleted_at = now() WHERE id = ${id}::uuid`);
    await erasePerson(tx, { registrationId: id, userId });
    await appendUserEvent(tx, id, 'user.deleted');
  });

test('each event of roles has the roles of its time, and the sequence rises', async ({
  ledger,
}) => {
  const { id, userId } = await ledger.at('completed', { roles: ['viewer'] });
  await append(ledger, id, 'user.roles_changed', ['manager', 'viewer']);
  await append(ledger, id, 'user.disabled');
  await append(ledger, id, 'user.enabled');
  await append(ledger, id, 'user.roles_changed', []);
  await adopt(ledger, ['amqp']);
  const told = await due(ledger, 'amqp');
  const bodies = told.map(bodyOf).toSorted((a, b) => a.sequence - b.sequence);
  expect(
    bodies.map(({ event_type, sequence, user_data }) => [event_type, sequence, user_data.roles]),
  ).toEqual([
    ['user.created', 1, undefined],
    ['user.roles_changed', 2, ['manager', 'viewer']],
    ['user.disabled', 3, undefined],
    ['user.enabled', 4, undefined],
    ['user.roles_changed', 5, []],
  ]);
  expect(bodies[1]?.user_data).toMatchObject({ id: userId, email_verified: true });
  const refused = { cause: { constraint_name: 'outbox_roles' } };
  await expect(append(ledger, id, 'user.roles_changed')).rejects.toMatchObject(refused);
  await expect(append(ledger, id, 'user.disabled', ['viewer'])).rejects.toMatchObject(refused);
});

test('of a deleted person only the deletion is told, with the id alone, also to a destination that comes later', async ({
  ledger,
}) => {
  const person = await ledger.at('completed');
  const { id, userId } = person;
  const [other] = await completed(ledger, 1);
  await append(ledger, id, 'user.roles_changed', ['viewer']);
  await adopt(ledger, ['amqp']);
  await deleteUser(ledger, person);
  // Nobody is told of roles after that either.
  await append(ledger, id, 'user.roles_changed', ['manager']);
  await adopt(ledger);
  for (const destination of BOTH) {
    const told = await due(ledger, destination);
    expect(told.map(({ type, registrationId }) => [type, registrationId])).toEqual(
      expect.arrayContaining([
        ['user.deleted', id],
        ['user.created', other?.id],
      ]),
    );
    expect(told).toHaveLength(2);
    const deleted = told.find(({ type }) => type === 'user.deleted');
    expect(deleted && bodyOf(deleted)).toEqual({
      event_type: 'user.deleted',
      user_data: { id: userId },
      registration_id: id,
      occurred_at: expect.any(String) as unknown,
      sequence: 3,
    });
    expect(await countEvents(ledger.db, destination, LONG_AGO)).toMatchObject({ waiting: 2 });
  }
});

test('an event of a deleted person that was given up cannot be requested again', async ({
  ledger,
}) => {
  const person = await ledger.at('completed');
  await adopt(ledger, ['webhook']);
  const [event] = await due(ledger, 'webhook');
  await recordEventsFailed(ledger.db, 'webhook', [
    { outboxId: event?.id ?? '', reason: 'HTTP 404', nextInMs: null },
  ]);
  await deleteUser(ledger, person);
  expect(await redeliver(ledger.db, ['webhook'], { waiting: false, since: null })).toBe(0);
  await adopt(ledger);
  expect((await due(ledger, 'webhook')).map(({ type }) => type)).toEqual(['user.deleted']);
});

test('an adoption skips the events that a deletion under way takes, and does not fail', async ({
  ledger,
}) => {
  const person = await ledger.at('completed');
  const [other] = await completed(ledger, 1);
  const held = Promise.withResolvers<void>();
  const erased = Promise.withResolvers<void>();
  const deletion = ledger.db.transaction(async (tx) => {
    await tx.execute(
      sql`UPDATE registrations SET user_deleted_at = now() WHERE id = ${person.id}::uuid`,
    );
    await erasePerson(tx, { registrationId: person.id, userId: person.userId });
    erased.resolve();
    await held.promise;
  });
  await erased.promise;
  expect((await adopt(ledger, ['amqp'])).deliveries).toBe(1);
  held.resolve();
  await deletion;
  expect((await due(ledger, 'amqp')).map(({ registrationId }) => registrationId)).toEqual([
    other?.id,
  ]);
});
