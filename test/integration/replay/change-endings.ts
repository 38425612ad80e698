import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import type { Change } from '../../../src/domain/change.ts';
import type { Person, Persons } from '../../support/persons.ts';

const NO_ROLE: Rule = {
  operation: 'AdminAddUserToGroup',
  match: { group: 'researcher' },
  fault: { kind: 'error', error: 'ResourceNotFoundException', status: 400 },
};
const ILL: Rule = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } };

export interface ChangeEnding {
  /** Of the frozen history's file. */
  readonly name: string;
  /** How the last of its changes closes. */
  readonly status: Change['status'];
  readonly run: (persons: Persons, person: Person) => Promise<Change>;
}

async function parked(persons: Persons, person: Person): Promise<Change> {
  await persons.saga.pool.setFaults([ILL]);
  const change = await persons.changeRoles(person, ['researcher', 'manager']);
  await persons.untilParked(change);
  await persons.untilRunWaits(person);
  await persons.saga.pool.clearFaults();
  return change;
}

/** One history per ending of `changeUser`. */
export const CHANGE_ENDINGS: readonly ChangeEnding[] = [
  {
    name: 'change-of-roles-completed',
    status: 'completed',
    run: (persons, person) => persons.changeRoles(person, ['researcher', 'manager']),
  },
  {
    name: 'change-disabled',
    status: 'completed',
    run: (persons, person) => persons.change(person, 'disable'),
  },
  {
    name: 'change-enabled',
    status: 'completed',
    run: (persons, person) => persons.change(person, 'enable'),
  },
  {
    name: 'change-signed-out',
    status: 'completed',
    run: (persons, person) => persons.change(person, 'sign_out'),
  },
  {
    name: 'change-deleted',
    status: 'completed',
    run: (persons, person) => persons.change(person, 'delete'),
  },
  {
    name: 'change-failed-and-put-back',
    status: 'failed',
    run: async (persons, person) => {
      await persons.saga.pool.setFaults([NO_ROLE]);
      return await persons.changeRoles(person, ['researcher', 'manager']);
    },
  },
  {
    name: 'change-failed-before-it-began',
    status: 'failed',
    run: async (persons, person) => {
      await persons.closed(await persons.changeRoles(person, ['admin']));
      return await persons.change(person, 'disable');
    },
  },
  {
    name: 'change-parked-and-retried',
    status: 'completed',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.retry(change);
      return change;
    },
  },
  {
    name: 'change-parked-and-resumed-by-the-schedule',
    status: 'completed',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.saga.userRuns.wake(person.userId, 'schedule');
      return change;
    },
  },
  {
    name: 'change-parked-and-cancelled',
    status: 'cancelled',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.cancel(change);
      return change;
    },
  },
  {
    name: 'change-cancelled-in-temporal',
    status: 'cancelled',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.handle(person.userId).cancel();
      return change;
    },
  },
  {
    name: 'change-overtaken-by-a-deletion',
    status: 'cancelled',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.change(person, 'delete');
      return change;
    },
  },
  {
    name: 'change-confirmed-after-a-late-write',
    status: 'completed',
    run: async (persons, person) => {
      await persons.saga.pool.setFaults([
        {
          operation: 'AdminAddUserToGroup',
          match: { group: 'researcher' },
          times: 1,
          fault: { kind: 'replyLost', effect: 'after', lateMs: 500 },
        },
      ]);
      await persons.closed(await persons.changeRoles(person, ['researcher']));
      return await persons.changeRoles(person, ['viewer']);
    },
  },
  {
    name: 'change-restarted-by-the-sweep',
    status: 'completed',
    run: async (persons, person) => {
      const change = await parked(persons, person);
      await persons.handle(person.userId).terminate('test');
      await persons.saga.sweep();
      await persons.untilRunWaits(person);
      await persons.retry(change);
      return change;
    },
  },
];
