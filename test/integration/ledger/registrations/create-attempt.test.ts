import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
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
import { ALICE, type Ledger, times } from '../ledger-under-test.ts';
import { test } from '../../../support/ledger-test.ts';

const USER = { username: 'u', sub: 's' };

async function running(ledger: Ledger): Promise<Registration> {
  const { id } = await ledger.accepted();
  return await beginSteps(ledger.db, id);
}

async function attempted(ledger: Ledger, row: Registration): Promise<Registration> {
  const next = await recordCreateAttempt(ledger.db, row);
  if (!next) throw new Error('not recorded');
  return next;
}

/** As if the row's last attempt had been made so many seconds earlier. */
async function aged(ledger: Ledger, { id }: Registration, seconds: number): Promise<Registration> {
  await ledger.db.execute(sql`UPDATE registrations
    SET create_attempted_at = create_attempted_at - make_interval(secs => ${seconds})
    WHERE id = ${id}::uuid`);
  return await ledger.row(id);
}

test.for(STATUSES)(
  'an attempt is recorded only while the row goes forward: %s',
  async (status, { ledger }) => {
    const row = await ledger.at(status);
    await ledger.db.execute(
      sql`UPDATE registrations SET create_outcome = 'refused' WHERE id = ${row.id}::uuid`,
    );
    const forward = ['accepted', 'running', 'roles_pending'].includes(status);
    expect((await recordCreateAttempt(ledger.db, row)) !== null).toBe(forward);
  },
);

test('no attempt is recorded once an operator has asked to cancel', async ({ ledger }) => {
  const row = await running(ledger);
  await requestCancel(ledger.db, row.id, ALICE);
  expect(await recordCreateAttempt(ledger.db, row)).toBeNull();
});

test('of thirty callers that read one row, one records the attempt', async ({ ledger }) => {
  const row = await running(ledger);
  const results = await times(30, () => recordCreateAttempt(ledger.db, row));
  expect(results.filter((result) => result !== null)).toHaveLength(1);
  expect((await ledger.row(row.id)).createAttempt).toBe(1);
});

test.for([null, 'errored'] as const)(
  'an attempt whose outcome is %s keeps the next one waiting for two seconds',
  async (outcome, { ledger }) => {
    const first = await attempted(ledger, await running(ledger));
    if (outcome) await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome });
    expect(await recordCreateAttempt(ledger.db, await aged(ledger, first, 1.5))).toBeNull();
    expect(await recordCreateAttempt(ledger.db, await aged(ledger, first, 1))).not.toBeNull();
  },
);

test.for(['refused', 'exists'] as const)(
  'an attempt that was answered (%s) does not delay the next one',
  async (outcome, { ledger }) => {
    const first = await attempted(ledger, await running(ledger));
    const row = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome });
    expect(await recordCreateAttempt(ledger.db, row)).not.toBeNull();
  },
);

test.for(['created', 'taken'] as const)(
  'no attempt is recorded over %s',
  async (outcome, { ledger }) => {
    const first = await attempted(ledger, await running(ledger));
    await (outcome === 'created'
      ? recordCreated(ledger.db, first.id, USER, 1, 1)
      : recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome }));
    expect(await recordCreateAttempt(ledger.db, await aged(ledger, first, 60))).toBeNull();
    // Nor by a caller that read the row before.
    expect(await recordCreateAttempt(ledger.db, first)).toBeNull();
    expect((await ledger.row(first.id)).createOutcome).toBe(outcome);
  },
);

test('an attempt without a reply stays open through answered ones, also when there is a user', async ({
  ledger,
}) => {
  const first = await attempted(ledger, await running(ledger));
  const second = await attempted(ledger, await aged(ledger, first, 5));
  const firstAt = second.createUnansweredAt;
  expect(firstAt).not.toBeNull();
  const refused = await recordCreateOutcome(ledger.db, first.id, {
    attempt: 2,
    outcome: 'refused',
  });
  expect(openCreateAt(refused)).toBe(firstAt?.getTime());
  const third = await attempted(ledger, refused);
  const created = await recordCreated(ledger.db, third.id, USER, 3, 3);
  expect(created).toMatchObject({ createOutcome: 'created', cognitoUsername: 'u', userId: 's' });
  expect(openCreateAt(created)).toBe(firstAt?.getTime());
});

test('a reply closes its own attempt; one that was found by a read closes the only open one', async ({
  ledger,
}) => {
  const answered = await attempted(ledger, await running(ledger));
  expect(openCreateAt(await recordCreated(ledger.db, answered.id, USER, 1, 1))).toBeNull();
  const lost = await attempted(ledger, await running(ledger));
  expect(openCreateAt(await recordCreated(ledger.db, lost.id, USER, null, 1))).toBeNull();
});

test('where two attempts are open, a user that was found leaves the later one open', async ({
  ledger,
}) => {
  const first = await attempted(ledger, await running(ledger));
  const second = await attempted(ledger, await aged(ledger, first, 5));
  const found = await recordCreated(ledger.db, second.id, USER, null, 2);
  expect(openCreateAt(found)).toBe(second.createAttemptedAt?.getTime());
});

test('a late reply to an earlier attempt leaves the attempt that followed it open', async ({
  ledger,
}) => {
  const first = await attempted(ledger, await running(ledger));
  const second = await attempted(ledger, await aged(ledger, first, 5));
  const created = await recordCreated(ledger.db, first.id, USER, 1, 1);
  expect(openCreateAt(created)).toBe(second.createAttemptedAt?.getTime());
});

test('an outcome is written only for its own attempt', async ({ ledger }) => {
  const first = await attempted(ledger, await running(ledger));
  const second = await attempted(ledger, await aged(ledger, first, 5));
  const late = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome: 'refused' });
  expect(late.createOutcome).toBeNull();
  expect(late.createAttempt).toBe(second.createAttempt);
});

test('"exists" and refused credentials count from the first of an unbroken series', async ({
  ledger,
}) => {
  const first = await attempted(ledger, await running(ledger));
  const once = await recordCreateOutcome(ledger.db, first.id, { attempt: 1, outcome: 'exists' });
  const second = await attempted(ledger, once);
  const twice = await recordCreateOutcome(ledger.db, first.id, { attempt: 2, outcome: 'exists' });
  expect(second.existsSince).toEqual(once.existsSince);
  expect(twice.existsSince).toEqual(once.existsSince);
  const third = await attempted(ledger, twice);
  const refused = { attempt: 3, outcome: 'refused', credentials: true } as const;
  const other = await recordCreateOutcome(ledger.db, third.id, refused);
  expect(other.existsSince).toBeNull();
  expect(other.credentialsRefusedSince).not.toBeNull();
});

test('a user that comes after the row has closed is a stray; so is a second one beside a completed row', async ({
  ledger,
}) => {
  for (const status of ['failed', 'cancelled', 'completed'] as const) {
    const { id, cognitoUsername } = await ledger.at(status);
    const row = await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(row).toMatchObject({ status, cognitoUsername, strayUsernames: ['late'] });
    const again = await recordCreated(ledger.db, id, { username: 'late', sub: 's' }, 1, 1);
    expect(again.strayUsernames).toEqual(['late']);
  }
});

test('the recorded user of a completed row is no stray when its reply comes again', async ({
  ledger,
}) => {
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

test('the grace counts from the first record of the user', async ({ ledger }) => {
  const { id, userCreatedAt, cognitoUsername } = await ledger.at('compensating');
  const user = { username: cognitoUsername ?? '', sub: 's' };
  const again = await recordCreated(ledger.db, id, user, 1, 1);
  expect(again.userCreatedAt).toEqual(userCreatedAt);
});

test('a row’s times come from the clock of PostgreSQL, whatever this machine’s clock says', async ({
  ledger,
}) => {
  const row = await running(ledger);
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
