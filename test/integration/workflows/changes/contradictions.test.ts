import { expect } from 'vitest';
import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import { listAuditEvents } from '../../../../src/ledger/registrations/read.ts';
import { test as base } from '../../../support/saga-test.ts';

/** A write whose reply is lost lands within it. */
const GRACE_SECONDS = 2;
const LATE_MS = 1500;
const AT_ONCE = 20;

const test = base.override('sagaOptions', { propagationGraceSeconds: GRACE_SECONDS });

/** No two that follow each other want the same; the last wants what the first does not. */
const WANTED: readonly (readonly string[])[] = [
  ['manager'],
  ['viewer', 'researcher'],
  [],
  ['manager', 'viewer'],
  ['researcher'],
];

const times = (operation: string, after: number, fault: Rule['fault']): Rule => ({
  operation,
  after,
  times: 1,
  fault,
});

test('twenty role replacements at once, with errors and lost replies, end as the last one wants, and the trail tells the same', async ({
  persons,
}) => {
  const person = await persons.add(['viewer']);
  const operations = ['AdminAddUserToGroup', 'AdminRemoveUserFromGroup'];
  await persons.saga.pool.setFaults(
    operations.flatMap((operation) => [
      times(operation, 1, { kind: 'server' }),
      times(operation, 2, { kind: 'replyLost', effect: 'after', lateMs: LATE_MS }),
      times(operation, 4, { kind: 'replyLost', effect: 'before' }),
      times(operation, 6, { kind: 'server', lateMs: LATE_MS }),
      times(operation, 9, { kind: 'replyLost', effect: 'after', lateMs: LATE_MS }),
      times(operation, 12, { kind: 'throttle' }),
    ]),
  );
  const accepted = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, turn) =>
      persons.changeRoles(person, WANTED[turn % WANTED.length] ?? []),
    ),
  );
  const inOrder = accepted.toSorted((a, b) => a.position - b.position);
  const closed = await Promise.all(inOrder.map((change) => persons.closed(change)));
  expect(closed.map(({ status }) => status)).toEqual(closed.map(() => 'completed'));
  await persons.saga.eventually(async () => (await persons.saga.pool.late()) === 0);
  const wanted = closed.map(({ roles }) => roles.toSorted());
  expect((await persons.account(person))?.roles).toEqual(wanted.at(-1));

  const { items } = await listAuditEvents(persons.saga.db, {
    userId: person.userId,
    event: 'user.roles_changed',
    limit: 100,
  });
  let has: string[] = ['viewer'];
  const told = items.toReversed().map(({ details }) => {
    const { added, removed } = details as { added: string[]; removed: string[] };
    has = [...has.filter((role) => !removed.includes(role)), ...added].toSorted();
    return has;
  });
  expect(told).toEqual(wanted);
  const calls = await persons.saga.pool.calls();
  for (const operation of operations) expect(calls[operation]?.calls).toBeGreaterThan(12);
});
