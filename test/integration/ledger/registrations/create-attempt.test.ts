import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCreateAt } from '../../../../src/domain/create-attempt.ts';
import type { Registration } from '../../../../src/domain/registration.ts';
import { STATUSES } from '../../../../src/domain/status.ts';
import {
  recordCreateAttempt,
  recordCreated,
  recordCreateOutcome,
} from '../../../../src/ledger/registrations/create-attempt.ts';
import { nowOf } from '../../../../src/ledger/registrations/row.ts';
import { beginSteps } from '../../../../src/ledger/registrations/transitions.ts';
import { requestCancel } from '../../../../src/ledger/registrations/instructions.ts';
import { ALICE, Ledger, times } from '../ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start();
});
afterAll(() => ledger.stop());

const USER = { username: 'u', sub: 's' };

async function running(): Promise<Registration> {
  const { id } = await ledger.accepted();
  return await beginSteps(ledger.db, id);
}

async function attempted(row: Registration): Promise<Registration> {
  const next = await recordCreateAttempt(ledger.db, row);
  if (!next) throw new Error('not recorded');
  return next;
}

/** As if the row's last attempt had been made so many seconds earlier. */
async function aged({ id }: Registration, seconds: number): Promise<Registration> {
  await ledger.db.execute(sql`UPDATE registrations
    SET create_attempted_at = create_attempted_at - make_interval(secs => ${seconds})
    WHERE id = ${id}::uuid`);
  return await ledger.row(id);
}

test.each(STATUSES)(
  'an attempt is recorded only while the row goes forward: %s',
  async (status) => {
    const row = await ledger.at(status);
    await ledger.db.execute(
      sql`UPDATE registrations SET create_outcome = 'refused' WHERE id = ${row.id}::uuid`,
    );
    const forward = ['accepted', 'running', 'roles_pending'].includes(status);
    expect((await recordCreateAttempt(ledger.db, row)) !== null).toBe(forward);
  },
);

test('no attempt is recorded once an operator has asked to cancel', async () => {
  const row = await running();
  await requestCancel(ledger.db, row.id, ALICE);
  expect(await recordCreateAttempt(ledger.db, row)).toBeNull();
});

test('of thirty callers that read one row, one records the attempt', async () => {
  const row = await running();
  const results = await times(30, () => recordCreateAttempt(ledger.db, row));
  expect(results.filter((result) => result !== null)).toHaveLength(1);
  expect((await ledger.row(row.id)).createAttempt).toBe(1);
});

test.each([null, 'errored'] as const)(
  'an attempt whose outcome is %s keeps the next one waiting for two seconds',
  async (outcome) => {
    const first = await attempted(await running());
    if (outcome) await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome });
    expect(await recordCreateAttempt(ledger.db, await aged(first, 1.5))).toBeNull();
    expect(await recordCreateAttempt(ledger.db, await aged(first, 1))).not.toBeNull();
  },
);

test.each(['refused', 'exists'] as const)(
  'an attempt that was answered (%s) does not',
  async (outcome) => {
    const first = await attempted(await running());
    const row = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome });
    expect(await recordCreateAttempt(ledger.db, row)).not.toBeNull();
  },
);

test.each(['created', 'taken'] as const)('no attempt is recorded over %s', async (outcome) => {
  const first = await attempted(await running());
  await (outcome === 'created'
    ? recordCreated(ledger.db, first.id, USER, 1, 1)
    : recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome }));
  expect(await recordCreateAttempt(ledger.db, await aged(first, 60))).toBeNull();
  // Nor by a caller that read the row before.
  expect(await recordCreateAttempt(ledger.db, first)).toBeNull();
  expect((await ledger.row(first.id)).createOutcome).toBe(outcome);
});

test('an attempt without a reply stays open through answered ones, also when there is a user', async () => {
  const first = await attempted(await running());
  const second = await attempted(await aged(first, 5));
  const firstAt = second.createUnansweredAt;
  expect(firstAt).not.toBeNull();
  const refused = await recordCreateOutcome(ledger.db, first.id, {
    attempt: 2,
    outcome: 'refused',
  });
  expect(openCreateAt(refused)).toBe(firstAt?.getTime());
  const third = await attempted(refused);
  const created = await recordCreated(ledger.db, third.id, USER, 3, 3);
  expect(created).toMatchObject({ createOutcome: 'created', cognitoUsername: 'u', userId: 's' });
  expect(openCreateAt(created)).toBe(firstAt?.getTime());
});

test('a reply closes its own attempt; one that was found by a read closes the only open one', async () => {
  const answered = await attempted(await running());
  expect(openCreateAt(await recordCreated(ledger.db, answered.id, USER, 1, 1))).toBeNull();
  const lost = await attempted(await running());
  expect(openCreateAt(await recordCreated(ledger.db, lost.id, USER, null, 1))).toBeNull();
});

test('where two attempts are open, a user that was found leaves the later one open', async () => {
  const first = await attempted(await running());
  const second = await attempted(await aged(first, 5));
  const found = await recordCreated(ledger.db, second.id, USER, null, 2);
  expect(openCreateAt(found)).toBe(second.createAttemptedAt?.getTime());
});

test('a late reply to an earlier attempt leaves the attempt that followed it open', async () => {
  const first = await attempted(await running());
  const second = await attempted(await aged(first, 5));
  const created = await recordCreated(ledger.db, first.id, USER, 1, 1);
  expect(openCreateAt(created)).toBe(second.createAttemptedAt?.getTime());
});

test('an outcome is written only for its own attempt', async () => {
  const first = await attempted(await running());
  const second = await attempted(await aged(first, 5));
  const late = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome: 'refused' });
  expect(late.createOutcome).toBeNull();
  expect(late.createAttempt).toBe(second.createAttempt);
});

test('"exists" and refused credentials count from the first in a row', async () => {
  const first = await attempted(await running());
  const once = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome: 'exists' });
  const second = await attempted(once);
  const twice = await recordCreateOutcome(ledger.db, first.id, { attempt: 2, outcome: 'exists' });
  expect(second.existsSince).toEqual(once.existsSince);
  expect(twice.existsSince).toEqual(once.existsSince);
  const third = await attempted(twice);
  const refused = { attempt: 3, outcome: 'refused', credentials: true } as const;
  const other = await recordCreateOutcome(ledger.db, third.id, refused);
  expect(other.existsSince).toBeNull();
  expect(other.credentialsRefusedSince).not.toBeNull();
});

test('a user that comes after the row has closed is a stray; so is a second one beside a completed row', async () => {
  for (const status of ['failed', 'cancelled', 'completed'] as const) {
    const { id, cognitoUsername } = await ledger.at(status);
    const row = await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(row).toMatchObject({ status, cognitoUsername, strayUsernames: ['late'] });
    const again = await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(again.strayUsernames).toEqual(['late']);
  }
});

test('the recorded user of a completed row is no stray when its reply comes again', async () => {
  const { id, cognitoUsername } = await ledger.at('completed');
  const row = await recordCreated(
    ledger.db,
    id,
    { username: cognitoUsername ?? '', sub: 's' },
    1,
    1,
  );
  expect(row.strayUsernames).toEqual([]);
});

test('the grace counts from the first record of the user', async () => {
  const { id, userCreatedAt, cognitoUsername } = await ledger.at('compensating');
  const user = { username: cognitoUsername ?? '', sub: 's' };
  const again = await recordCreated(ledger.db, id, user, 1, 1);
  expect(again.userCreatedAt).toEqual(userCreatedAt);
});

test('a row knows the time by the clock of PostgreSQL, whatever this machine says', async () => {
  const row = await running();
  const real = Date.now;
  Date.now = () => real() + 7_200_000;
  try {
    const [clock] = await ledger.db.execute<{ ms: number }>(
      sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`,
    );
    expect(Math.abs(nowOf(row) - (clock?.ms ?? 0))).toBeLessThan(60_000);
  } finally {
    Date.now = real;
  }
});
