import { wipeOldSeals } from '../../../src/ledger/registrations/password.ts';
import {
  requestCancel,
  requestRetry,
  requestRoles,
} from '../../../src/ledger/registrations/instructions.ts';
import { removeUser } from '../../support/pool-user.ts';
import type { Saga } from '../../support/saga.ts';
import type { Path } from '../../support/script.ts';
import type { Known } from '../../support/known.ts';

const PASSWORD = 'chosen by a person';
const OPERATOR = { actor: 'operator', reason: null } as const;
const ILL = { operation: 'AdminAddUserToGroup', fault: { kind: 'server' } } as const;
const NO_ROLE = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
} as const;

export interface Ending {
  /** Of the frozen history's file. */
  readonly name: string;
  readonly path: Path;
  /** How the run closes, as Saga.ending says it. */
  readonly ending: string;
  readonly run: (saga: Saga) => Promise<Known>;
}

async function parked(saga: Saga): Promise<Known> {
  await saga.pool.setFaults([{ ...ILL, match: { group: 'viewer' } }]);
  const registration = await saga.register({ roles: ['viewer', 'researcher'] });
  await saga.untilStatus(registration.id, 'roles_pending');
  await saga.pool.clearFaults();
  return registration;
}

/** One history per ending, as far as they are reached so far. */
export const ENDINGS: readonly Ending[] = [
  {
    name: 'completed-at-once',
    path: 'fast',
    ending: 'completed',
    run: (saga) => saga.register({ roles: ['viewer', 'researcher'] }),
  },
  {
    name: 'completed-by-activities',
    path: 'ordinary',
    ending: 'completed',
    run: (saga) => saga.register({ roles: ['viewer', 'researcher'] }),
  },
  {
    name: 'compensated',
    path: 'ordinary',
    ending: 'registration_failed',
    run: async (saga) => {
      await saga.pool.setFaults([NO_ROLE]);
      return await saga.register();
    },
  },
  {
    name: 'compensated-after-at-once',
    path: 'fast',
    ending: 'registration_failed',
    run: async (saga) => {
      await saga.pool.setFaults([NO_ROLE]);
      return await saga.register();
    },
  },
  {
    name: 'refused',
    path: 'fast',
    ending: 'identity_provider_refused',
    run: async (saga) => {
      await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault: { kind: 'refused' } }]);
      return await saga.register();
    },
  },
  {
    name: 'registration-rejected',
    path: 'fast',
    ending: 'registration_rejected',
    run: async (saga) => {
      const fault = { kind: 'error', error: 'InvalidParameterException' } as const;
      await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault }]);
      return await saga.register();
    },
  },
  {
    name: 'completed-with-a-password',
    path: 'ordinary',
    ending: 'completed',
    run: (saga) => saga.register({ password: PASSWORD }),
  },
  {
    name: 'password-rejected',
    path: 'fast',
    ending: 'password_rejected',
    run: async (saga) => {
      const fault = { kind: 'error', error: 'InvalidPasswordException' } as const;
      await saga.pool.setFaults([{ operation: 'AdminSetUserPassword', fault }]);
      return await saga.register({ password: PASSWORD });
    },
  },
  {
    name: 'seal-lost-while-parked',
    path: 'fast',
    ending: 'seal_lost',
    run: async (saga) => {
      const fault = { kind: 'server' } as const;
      await saga.pool.setFaults([{ operation: 'AdminSetUserPassword', fault }]);
      const registration = await saga.register({ password: PASSWORD });
      await saga.untilStatus(registration.id, 'roles_pending');
      await saga.pool.clearFaults();
      await wipeOldSeals(saga.db, 0, 100);
      await saga.runs.resume(registration.id, 'schedule');
      return registration;
    },
  },
  {
    name: 'parked-and-resumed',
    path: 'fast',
    ending: 'completed',
    run: async (saga) => {
      const registration = await parked(saga);
      await requestRetry(saga.db, registration.id, OPERATOR);
      await saga.runs.resume(registration.id, 'operator');
      return registration;
    },
  },
  {
    name: 'parked-and-resumed-by-the-schedule',
    path: 'ordinary',
    ending: 'completed',
    run: async (saga) => {
      const registration = await parked(saga);
      await saga.runs.resume(registration.id, 'schedule');
      return registration;
    },
  },
  {
    name: 'parked-and-given-other-roles',
    path: 'ordinary',
    ending: 'completed',
    run: async (saga) => {
      const registration = await parked(saga);
      await requestRoles(saga.db, registration.id, { ...OPERATOR, roles: ['manager'] });
      await saga.runs.resume(registration.id, 'operator');
      return registration;
    },
  },
  {
    name: 'parked-and-cancelled',
    path: 'fast',
    ending: 'CancelledFailure',
    run: async (saga) => {
      const registration = await parked(saga);
      await requestCancel(saga.db, registration.id, OPERATOR);
      await saga.runs.cancel(registration.id);
      return registration;
    },
  },
  {
    name: 'cancelled-in-the-slow-create',
    path: 'fast',
    ending: 'CancelledFailure',
    run: async (saga) => {
      await saga.pool.setFaults([{ operation: 'AdminCreateUser', fault: { kind: 'server' } }]);
      const registration = await saga.register();
      await saga.untilScheduled(registration.id, 'createUser', 2);
      await saga.handle(registration.id).cancel();
      return registration;
    },
  },
  {
    name: 'cleanup-required-and-retried',
    path: 'fast',
    ending: 'registration_failed',
    run: async (saga) => {
      await saga.pool.setFaults([
        NO_ROLE,
        { operation: 'AdminDeleteUser', fault: { kind: 'server' } },
      ]);
      const registration = await saga.register();
      await saga.untilStatus(registration.id, 'cleanup_required');
      await saga.untilAttempt(registration.id, 'deleteUser', 2);
      await saga.pool.clearFaults();
      await requestRetry(saga.db, registration.id, OPERATOR);
      await saga.runs.resume(registration.id, 'operator');
      return registration;
    },
  },
  {
    name: 'user-vanished-while-parked',
    path: 'fast',
    ending: 'user_vanished',
    run: async (saga) => {
      const registration = await parked(saga);
      await removeUser(saga.pool, registration.email);
      await requestRetry(saga.db, registration.id, OPERATOR);
      await saga.runs.resume(registration.id, 'operator');
      return registration;
    },
  },
  {
    name: 'terminated-and-taken-back',
    path: 'ordinary',
    ending: 'terminated',
    run: async (saga) => {
      const registration = await parked(saga);
      await saga.handle(registration.id).terminate('test');
      await saga.sweep();
      return registration;
    },
  },
  {
    name: 'started-again-and-already-closed',
    path: 'ordinary',
    ending: 'already_closed',
    run: async (saga) => {
      await saga.pool.setFaults([NO_ROLE]);
      const registration = await saga.register();
      await saga.ending(registration.id);
      await saga.runs.start(registration.id, 'repair');
      return registration;
    },
  },
];
