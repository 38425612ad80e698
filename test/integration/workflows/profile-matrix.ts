import type { Known } from '../../support/known.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import type { ProfileFault } from '../../support/profile-site.ts';
import {
  CANCELLED_BY_WISH,
  COMPLETED,
  crashing,
  failed,
  NO_ROLE,
  PARKED_AND_COMPLETED,
  PASSWORD,
  plan,
  RETRIED_CLEANUP,
  retryWhenParked,
  type Row,
  type Stage,
} from './matrix.ts';

const plans =
  (...faults: ProfileFault[]) =>
  async ({ saga }: Stage): Promise<void> =>
    (await saga.profileSite()).setFaults(...faults);

/** Of both: what goes wrong at the profile service, and what in the pool. */
const both =
  (...arrange: readonly Row['arrange'][]) =>
  async (stage: Stage): Promise<void> => {
    for (const one of arrange) await one(stage);
  };

/** Cancels, as the API does, once the profile service was asked. */
const cancelDuringProfile =
  (method: ProfileFault['method']) =>
  async ({ saga }: Stage, { id }: Known): Promise<void> => {
    const site = await saga.profileSite();
    await saga.eventually(() => Promise.resolve(site.asked(method, id) > 0));
    await requestCancel(saga.db, id, { actor: 'operator', reason: null });
    await saga.runs.cancel(id);
  };

async function retryProfileCleanup({ saga }: Stage, { id, email }: Known): Promise<void> {
  const stuck = await saga.untilStatus(id, 'cleanup_required');
  const site = await saga.profileSite();
  if (!(await site.of(id))) throw new Error('the profile should still be there');
  // The failure of one keeps the other from nothing.
  if ((await saga.world({ id, email })).mark !== null) throw new Error('the user is still there');
  const steps = stuck.compensationFailures.map(({ step }) => step);
  if (steps.join() !== 'deleteProfile') throw new Error(`it is stuck at ${steps.join()}`);
  await saga.untilAttempt(id, 'deleteProfile', 2);
  site.clear();
  await requestRetry(saga.db, id, { actor: 'operator', reason: null });
  await saga.runs.resume(id, 'operator');
}

const AWAY = { kind: 'status', status: 503 } as const;
const refusing = (failure: string, status: number, body: object = {}): Row => ({
  step: 'createProfile',
  fault: `definitive, ${failure}`,
  profile: true,
  arrange: plans({ method: 'PUT', fault: { kind: 'status', status, body } }),
  outcome: failed(failure),
});
/** Their registrations want a profile. */
export const PROFILE_MATRIX: readonly Row[] = [
  refusing('email_taken', 409, { field: 'email' }),
  refusing('username_taken', 409, { field: 'username' }),
  refusing('profile_rejected', 422),
  {
    step: 'createProfile',
    fault: 'transient, then fine',
    profile: true,
    password: PASSWORD,
    arrange: plans({ method: 'PUT', times: 3, fault: AWAY }),
    outcome: COMPLETED,
  },
  {
    step: 'createProfile',
    fault: 'budget spent',
    profile: true,
    arrange: plans({ method: 'PUT', fault: AWAY }),
    act: retryWhenParked,
    outcome: PARKED_AND_COMPLETED,
  },
  {
    step: 'createProfile',
    fault: 'cancelled',
    profile: true,
    arrange: plans({ method: 'PUT', fault: { kind: 'slow', ms: 250 } }),
    act: cancelDuringProfile('PUT'),
    outcome: CANCELLED_BY_WISH,
  },
  {
    step: 'createProfile',
    fault: 'crash after the effect',
    profile: true,
    arrange: both(
      crashing('createProfile'),
      plans({ method: 'PUT', times: 1, fault: { kind: 'lost', effect: 'before' } }),
    ),
    outcome: COMPLETED,
  },
  {
    step: 'createProfile',
    fault: 'the reply is lost before the effect',
    profile: true,
    arrange: plans({ method: 'PUT', times: 1, fault: { kind: 'lost', effect: 'never' } }),
    outcome: COMPLETED,
  },
  {
    step: 'createProfile',
    fault: 'no reply, then refused',
    profile: true,
    arrange: plans(
      { method: 'PUT', times: 1, fault: { kind: 'lost', effect: { lateMs: 700 } } },
      { method: 'PUT', after: 1, fault: { kind: 'status', status: 422 } },
    ),
    outcome: failed('profile_rejected'),
  },
  {
    step: 'assignRole',
    fault: 'definitive, with a profile',
    profile: true,
    arrange: plan({ ...NO_ROLE, match: { group: 'viewer' } }),
    outcome: failed('registration_failed'),
  },
  {
    step: 'complete',
    fault: 'definitive, with a profile',
    profile: true,
    arrange: ({ saga }) => saga.refuseAudit('user.registered', 'definitive'),
    outcome: failed('registration_failed'),
  },
  {
    step: 'deleteProfile',
    fault: 'transient, then fine',
    profile: true,
    arrange: both(plan(NO_ROLE), plans({ method: 'DELETE', times: 2, fault: AWAY })),
    outcome: failed('registration_failed'),
  },
  {
    step: 'deleteProfile',
    fault: 'budget spent',
    profile: true,
    arrange: both(plan(NO_ROLE), plans({ method: 'DELETE', fault: AWAY })),
    act: retryProfileCleanup,
    outcome: RETRIED_CLEANUP,
  },
  {
    step: 'deleteProfile',
    fault: 'cancelled',
    profile: true,
    arrange: both(plan(NO_ROLE), plans({ method: 'DELETE', fault: { kind: 'slow', ms: 250 } })),
    act: cancelDuringProfile('DELETE'),
    outcome: failed('registration_failed', 'registration.cancel_requested'),
  },
  {
    step: 'deleteProfile',
    fault: 'crash after the effect',
    profile: true,
    arrange: both(
      crashing('deleteProfile', NO_ROLE),
      plans({ method: 'DELETE', times: 1, fault: { kind: 'lost', effect: 'before' } }),
    ),
    outcome: failed('registration_failed'),
  },
];
