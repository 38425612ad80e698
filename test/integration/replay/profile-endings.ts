import { requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import type { ProfileFault } from '../../support/profile-site.ts';
import type { Saga } from '../../support/saga.ts';
import type { Ending } from './ending.ts';

const OPERATOR = { actor: 'operator', reason: null } as const;
const NO_ROLE = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException' },
} as const;
const AWAY = { kind: 'status', status: 503 } as const;

/** Registers with a profile. What goes wrong at the profile service is told first. */
async function registerWith(saga: Saga, ...faults: readonly ProfileFault[]) {
  (await saga.profileSite()).setFaults(...faults);
  return await saga.register({ wantsProfile: true, roles: ['viewer', 'researcher'] });
}

async function retry(saga: Saga, id: string): Promise<void> {
  (await saga.profileSite()).clear();
  await requestRetry(saga.db, id, OPERATOR);
  await saga.runs.resume(id, 'operator');
}

/** Of registrations that want a profile. */
export const PROFILE_ENDINGS: readonly Ending[] = [
  {
    name: 'completed-at-once-with-a-profile',
    path: 'fast',
    ending: 'completed',
    run: (saga) => registerWith(saga),
  },
  {
    name: 'completed-with-a-profile',
    path: 'ordinary',
    ending: 'completed',
    run: (saga) => registerWith(saga),
  },
  {
    name: 'profile-refused',
    path: 'fast',
    ending: 'email_taken',
    run: async (saga) => {
      const body = { field: 'email' };
      const registration = await registerWith(saga, {
        method: 'PUT',
        fault: { kind: 'status', status: 409, body },
      });
      await saga.ending(registration.id);
      (await saga.profileSite()).clear();
      return registration;
    },
  },
  {
    name: 'parked-without-a-profile-and-resumed',
    path: 'ordinary',
    ending: 'completed',
    run: async (saga) => {
      const registration = await registerWith(saga, { method: 'PUT', fault: AWAY });
      await saga.untilStatus(registration.id, 'roles_pending');
      await retry(saga, registration.id);
      return registration;
    },
  },
  {
    name: 'profile-taken-back',
    path: 'ordinary',
    ending: 'registration_failed',
    run: async (saga) => {
      await saga.pool.setFaults([NO_ROLE]);
      return await registerWith(saga);
    },
  },
  {
    name: 'profile-cleanup-required-and-retried',
    path: 'fast',
    ending: 'registration_failed',
    run: async (saga) => {
      await saga.pool.setFaults([NO_ROLE]);
      const registration = await registerWith(saga, { method: 'DELETE', fault: AWAY });
      await saga.untilStatus(registration.id, 'cleanup_required');
      await saga.untilAttempt(registration.id, 'deleteProfile', 2);
      await saga.pool.clearFaults();
      await retry(saga, registration.id);
      return registration;
    },
  },
];
