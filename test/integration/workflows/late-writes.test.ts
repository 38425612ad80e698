import { expect } from 'vitest';
import { ListUsersCommand } from '@aws-sdk/client-cognito-identity-provider';
import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import type { Registration } from '../../../src/domain/registration.ts';
import { requestRoles } from '../../../src/ledger/registrations/instructions.ts';
import { Saga } from '../../support/saga.ts';
import type { Path } from '../../support/script.ts';
import { test as base } from '../../support/saga-test.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const PATHS: readonly Path[] = ['fast', 'ordinary'];
/** Between the first create, whose reply is lost, and the deletion of what the second one made. */
const UNTIL_DELETED_MS = 2500;
const GRACE_SECONDS = 30;

const test = base
  .override('sagaOptions', { propagationGraceSeconds: GRACE_SECONDS })
  .extend('quick', { scope: 'file' }, async ({ sagaOptions }, { onCleanup }) => {
    const saga = await Saga.start({ ...sagaOptions, propagationGraceSeconds: 5 });
    onCleanup(() => saga.stop());
    return saga;
  });

test.afterEach(async ({ sagas, quick }) => {
  for (const saga of [...Object.values(sagas), quick]) await saga.pool.clearFaults();
});

const LATE_SECONDS = [0.1, 1, 4, 20];

const lost = (email: string, lateMs: number): Rule => ({
  operation: 'AdminCreateUser',
  match: { email },
  times: 1,
  fault: { kind: 'replyLost', effect: 'after', lateMs },
});

/** Marks of all users whose address begins like that. */
async function marksOf(saga: Saga, prefix: string): Promise<string[]> {
  const { Users = [] } = await saga.pool.client.send(
    new ListUsersCommand({ UserPoolId: saga.pool.userPoolId }),
  );
  return Users.flatMap(({ Attributes = [] }) => {
    const value = (name: string) => Attributes.find(({ Name }) => Name === name)?.Value ?? '';
    return value('email').startsWith(prefix) ? [value('custom:registration_id')] : [];
  });
}

test.for(PATHS)(
  'a lost create that lands after the deletion leaves no user: %s path, failed and cancelled',
  async (path, { sagas }) => {
    const saga = sagas[path];
    const cases = LATE_SECONDS.flatMap((seconds) =>
      (['failed', 'cancelled'] as const).map((end) => ({
        end,
        lateMs: UNTIL_DELETED_MS + seconds * 1000,
        email: `late-${path}-${end}-${seconds * 10}@example.com`,
      })),
    );
    const kept = `kept-${path}@example.com`;
    await saga.pool.setFaults([
      ...cases.map(({ email, lateMs }) => lost(email, lateMs)),
      lost(kept, UNTIL_DELETED_MS + 1000),
      {
        operation: 'AdminAddUserToGroup',
        match: { email: 'late-*-failed-*' },
        fault: { kind: 'error', error: 'ResourceNotFoundException' },
      },
      {
        operation: 'AdminAddUserToGroup',
        match: { email: 'late-*-cancelled-*' },
        fault: { kind: 'server' },
      },
    ]);
    const completed = saga.register({ email: kept });
    const rows = await Promise.all(
      cases.map(async ({ email, end }) => {
        const { id } = await saga.register({ email });
        if (end === 'cancelled') {
          await saga.until(id, ({ createOutcome }) => createOutcome === 'created');
          await saga.handle(id).cancel();
        }
        // No answer says "undone" while a user may still come.
        const row = await saga.untilStatus(id, 'failed', 'cancelled', 'cleanup_required');
        expect(row).toMatchObject({ status: end, compensationFailures: [] });
        return row;
      }),
    );
    // One whose first create landed before the second was sent had nothing open any more.
    const tooSoon = rows.filter(({ createAttempt, createUnansweredAt, finishedAt }) => {
      const openFor = (finishedAt?.getTime() ?? 0) - (createUnansweredAt?.getTime() ?? 0);
      return createAttempt > 1 && openFor < GRACE_SECONDS * 1000;
    });
    expect(tooSoon).toEqual([]);
    expect(await marksOf(saga, `late-${path}`)).toEqual([]);
    const { id } = await completed;
    expect(await saga.ending(id)).toBe('completed');
    expect(await marksOf(saga, `kept-${path}`)).toEqual([id]);
    // Every late create that found the address free did land, and was deleted.
    const calls = await saga.pool.calls();
    expect(calls['AdminDeleteUser']?.done).toBeGreaterThanOrEqual(cases.length);
  },
);

async function parkedWith(
  quick: Saga,
  roles: readonly string[],
  faults: Rule[],
): Promise<Registration> {
  await quick.pool.setFaults(faults);
  const registration = await quick.register({ roles: [...roles] });
  await quick.untilStatus(registration.id, 'roles_pending');
  return registration;
}

async function replace(quick: Saga, { id }: Registration, roles: readonly string[]): Promise<void> {
  expect((await requestRoles(quick.db, id, { ...OPERATOR, roles })).kind).toBe('done');
  await quick.runs.resume(id, 'operator');
}

/** The write takes effect that much later; what follows it is answered with an error. */
const lostThenIll = (operation: string, group: string, lateMs: number): Rule[] => [
  {
    operation,
    match: { group },
    times: 1,
    fault: { kind: 'replyLost', effect: 'after', lateMs },
  },
  { operation, match: { group }, after: 1, fault: { kind: 'server' } },
];

test('a lost removal that lands after the role is wanted again does not take it away', async ({
  quick,
}) => {
  const registration = await parkedWith(
    quick,
    ['manager', 'viewer'],
    [{ operation: 'AdminAddUserToGroup', match: { group: 'viewer' }, fault: { kind: 'server' } }],
  );
  await quick.pool.setFaults(lostThenIll('AdminRemoveUserFromGroup', 'manager', 4000));
  await replace(quick, registration, ['viewer']);
  await quick.until(registration.id, ({ resumeAttempts, status }) => {
    return status === 'roles_pending' && resumeAttempts === 1;
  });
  await quick.pool.setFaults([]);
  await replace(quick, registration, ['viewer', 'manager']);
  expect(await quick.ending(registration.id)).toBe('completed');
  await landed(quick, 'AdminRemoveUserFromGroup');
  expect((await quick.world(registration)).roles).toEqual(['manager', 'viewer']);
});

test('a lost assignment that lands after the role was replaced does not stay', async ({
  quick,
}) => {
  await quick.pool.clearCalls();
  const registration = await parkedWith(
    quick,
    ['manager'],
    lostThenIll('AdminAddUserToGroup', 'manager', 4000),
  );
  await quick.pool.setFaults([]);
  await replace(quick, registration, ['viewer']);
  expect(await quick.ending(registration.id)).toBe('completed');
  await landed(quick, 'AdminAddUserToGroup', 2);
  expect((await quick.world(registration)).roles).toEqual(['viewer']);
  const row = await quick.row(registration.id);
  expect(row.rolesConfirmedAt).not.toBeNull();
});

test('a cancel while groups are to be confirmed ends the wait at once', async ({ sagas }) => {
  const saga = sagas.fast;
  await saga.pool.setFaults([
    { operation: 'AdminAddUserToGroup', match: { group: 'viewer' }, fault: { kind: 'server' } },
  ]);
  const { id } = await saga.register({ roles: ['viewer'] });
  await saga.untilStatus(id, 'roles_pending');
  await requestRoles(saga.db, id, { ...OPERATOR, roles: ['researcher'] });
  await saga.runs.resume(id, 'operator');
  await saga.until(id, ({ rolesAssigned }) => rolesAssigned.includes('researcher'));
  await saga.handle(id).cancel();
  expect(await saga.ending(id)).toBe('CancelledFailure');
  const row = await saga.row(id);
  expect(row.status).toBe('cancelled');
  expect((row.finishedAt?.getTime() ?? 0) - (row.rolesReplacedAt?.getTime() ?? 0)).toBeLessThan(
    GRACE_SECONDS * 1000,
  );
});

async function landed(quick: Saga, operation: string, times = 1): Promise<void> {
  await quick.eventually(async () => {
    const calls = await quick.pool.calls();
    return (calls[operation]?.done ?? 0) >= times;
  });
}
