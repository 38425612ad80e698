import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { appendUserEvent } from '../../../../src/ledger/outbox/append-user-event.ts';
import { requestRecovery } from '../../../../src/ledger/outbox/account-deliveries.ts';
import { deliveriesOfPerson } from '../../../../src/ledger/outbox/deliveries-of-person.ts';
import {
  adoptEvents,
  dueEvents,
  outboxFrom,
  recordEventsDelivered,
  recordEventsFailed,
} from '../../../../src/ledger/outbox/event-deliveries.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import type { Ledger } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const LONG_AGO = outboxFrom(new Date('2020-01-01T00:00:00Z'));
const adopt = ({ db }: Ledger) => adoptEvents(db, ['amqp', 'webhook'], LONG_AGO, 100);
const told = async ({ db }: Ledger, person: Registration) =>
  (await deliveriesOfPerson(db, person)).map(({ kind, destination }) => `${kind} ${destination}`);

test.afterEach(({ ledger }) => ledger.db.execute(sql`DELETE FROM outbox`));

test('every event and mail of a person is there for each destination, newest first', async ({
  ledger,
}) => {
  const person = await ledger.at('completed', { invite: true });
  await ledger.at('completed');
  await adopt(ledger);
  await ledger.db.transaction((tx) => appendUserEvent(tx, person.id, 'user.disabled'));
  await requestRecovery(ledger.db, person.email.toUpperCase());
  const all = await told(ledger, person);
  expect(all.slice(0, 2)).toEqual(['password_recovery cognito-recovery', 'user.disabled null']);
  expect(all.toSorted()).toEqual([
    'invitation cognito-mail',
    'password_recovery cognito-recovery',
    'user.created amqp',
    'user.created webhook',
    'user.disabled null',
  ]);
});

test('a delivery says when it was made, what failed last and when it is tried again', async ({
  ledger,
}) => {
  const person = await ledger.at('completed', { invite: false });
  await adopt(ledger);
  const [event] = await dueEvents(ledger.db, 'amqp', 1);
  const outboxId = event?.id ?? '';
  await recordEventsDelivered(ledger.db, 'amqp', [outboxId]);
  await recordEventsFailed(ledger.db, 'webhook', [
    { outboxId, reason: '503 from the receiver', nextInMs: 60_000 },
  ]);
  const time = expect.any(Date);
  const common = { kind: 'user.created', occurredAt: time, attempts: 1, givenUpAt: null };
  expect(await deliveriesOfPerson(ledger.db, person)).toEqual([
    { ...common, destination: 'amqp', deliveredAt: time, nextAttemptAt: null, lastError: null },
    {
      ...common,
      destination: 'webhook',
      deliveredAt: null,
      nextAttemptAt: time,
      lastError: '503 from the receiver',
    },
  ]);
  await recordEventsFailed(ledger.db, 'webhook', [
    { outboxId, reason: '410 from the receiver', nextInMs: null },
  ]);
  expect((await deliveriesOfPerson(ledger.db, person))[1]).toMatchObject({
    givenUpAt: time,
    nextAttemptAt: null,
    lastError: '410 from the receiver',
  });
});

test('what was promised to the holder of an address is not shown of an earlier registration of it', async ({
  ledger,
}) => {
  const earlier = await ledger.at('failed');
  const holder = await ledger.at('completed', { email: earlier.email, invite: false });
  await requestRecovery(ledger.db, holder.email);
  expect(await told(ledger, holder)).toContain('password_recovery cognito-recovery');
  expect(await told(ledger, earlier)).toEqual([]);
});
