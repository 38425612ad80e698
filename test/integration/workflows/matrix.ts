import type { Rule } from '../../../dev/cognito/fault-plan.ts';
import type { RegistrationStatus } from '../../../src/domain/status.ts';
import { requestCancel, requestRetry } from '../../../src/ledger/registrations/instructions.ts';
import type { Saga } from '../../support/saga.ts';
import type { ActivityName, Path, Script } from '../../support/script.ts';
import type { Known } from '../../support/known.ts';

/** What is to be seen of a registration and its user in the end. */
export interface Outcome {
  readonly status: RegistrationStatus;
  readonly ending: string;
  readonly failure: string | null;
  readonly events: readonly string[];
}

export interface Stage {
  readonly saga: Saga;
  readonly script: Script;
  readonly path: Path;
}

/** One cell of the matrix: what goes wrong at which step, and what comes of it. */
export interface Row {
  readonly step: 'createUser' | 'setPassword' | 'assignRole' | 'complete' | 'deleteUser';
  readonly fault: string;
  /** What somebody chose, where somebody did. */
  readonly password?: string;
  readonly arrange: (stage: Stage) => Promise<void> | void;
  /** What happens while the run is under way. */
  readonly act?: (stage: Stage, registration: Known) => Promise<void>;
  readonly outcome: Outcome;
}

const COMPLETED: Outcome = {
  status: 'completed',
  ending: 'completed',
  failure: null,
  events: ['registration.requested', 'user.registered'],
};
const PARKED_AND_COMPLETED: Outcome = {
  ...COMPLETED,
  events: [
    'registration.requested',
    'registration.parked',
    'registration.retry_requested',
    'registration.resumed',
    'user.registered',
  ],
};
const CANCELLED: Outcome = {
  status: 'cancelled',
  ending: 'CancelledFailure',
  failure: 'registration_cancelled',
  events: ['registration.requested', 'registration.compensating', 'registration.cancelled'],
};
const CANCELLED_BY_WISH: Outcome = {
  ...CANCELLED,
  events: [
    'registration.requested',
    'registration.cancel_requested',
    'registration.compensating',
    'registration.cancelled',
  ],
};
const failed = (code: string, ...between: string[]): Outcome => ({
  status: 'failed',
  ending: code,
  failure: code,
  events: [
    'registration.requested',
    'registration.compensating',
    ...between,
    'registration.failed',
  ],
});

const SERVER = { kind: 'server' } as const;
const REFUSED = { kind: 'refused' } as const;
const SLOW = { kind: 'latency', ms: 250 } as const;
const LOST = { kind: 'replyLost', effect: 'after' } as const;
const PASSWORD = 'chosen by a person';
const SET_PASSWORD = { operation: 'AdminSetUserPassword' };
const NO_ROLE: Rule = {
  operation: 'AdminAddUserToGroup',
  fault: { kind: 'error', error: 'ResourceNotFoundException', status: 400 },
};

const REJECTED = { kind: 'error', error: 'InvalidParameterException', status: 400 } as const;

const plan =
  (...rules: Rule[]) =>
  ({ saga }: Stage): Promise<void> =>
    saga.pool.setFaults(rules);

const crashing =
  (activity: ActivityName, ...rules: Rule[]) =>
  async ({ saga, script, path }: Stage): Promise<void> => {
    // On the fast path the whole of it is one activity.
    const inFast = path === 'fast' && activity === 'complete';
    script.crashAfter(inFast ? 'registerAtOnce' : activity);
    await saga.pool.setFaults(rules);
  };

/** Cancels, as the API does, once the sandbox has this call under way. */
const cancelDuring =
  (operation: string) =>
  async ({ saga }: Stage, { id }: Known): Promise<void> => {
    await saga.untilCalled(operation);
    await requestCancel(saga.db, id, { actor: 'operator', reason: null });
    await saga.runs.cancel(id);
  };

async function retryAfterCleanup({ saga }: Stage, { id, email }: Known): Promise<void> {
  const stuck = await saga.untilStatus(id, 'cleanup_required');
  const left = await saga.world({ id, email });
  if (left.mark !== id) throw new Error('the user should still be there');
  const [compensation] = stuck.compensationFailures;
  if (compensation?.step !== 'deleteUser') throw new Error('the receipt lacks the second failure');
  // The first slow attempt has failed: without the instruction the next one is a minute away.
  await saga.untilAttempt(id, 'deleteUser', 2);
  await saga.pool.clearFaults();
  await requestRetry(saga.db, id, { actor: 'operator', reason: null });
  await saga.runs.resume(id, 'operator');
}

async function retryWhenParked({ saga }: Stage, { id, email }: Known): Promise<void> {
  await saga.untilStatus(id, 'roles_pending');
  const kept = await saga.world({ id, email });
  if (kept.mark !== id) throw new Error('a parked run keeps its user');
  await saga.pool.clearFaults();
  await requestRetry(saga.db, id, { actor: 'operator', reason: null });
  await saga.runs.resume(id, 'operator');
}

/** Create never parks: a second, slow call goes on, and the row says running. */
async function cancelTheSlowCreate({ saga }: Stage, { id }: Known): Promise<void> {
  await saga.untilScheduled(id, 'createUser', 2);
  const { status } = await saga.row(id);
  if (status !== 'running') throw new Error(`create must not park: ${status}`);
  await saga.pool.clearFaults();
  await saga.handle(id).cancel();
}

const RETRIED_CLEANUP = failed(
  'registration_failed',
  'registration.cleanup_required',
  'registration.retry_requested',
  'registration.resumed',
);

export const MATRIX: readonly Row[] = [
  {
    step: 'createUser',
    fault: 'definitive',
    arrange: plan({ operation: 'AdminCreateUser', fault: REFUSED }),
    outcome: failed('identity_provider_refused'),
  },
  {
    step: 'createUser',
    fault: 'a value is rejected',
    arrange: plan({ operation: 'AdminCreateUser', fault: REJECTED }),
    outcome: failed('registration_rejected'),
  },
  {
    step: 'createUser',
    fault: 'transient, then fine',
    arrange: plan({ operation: 'AdminCreateUser', times: 3, fault: SERVER }),
    outcome: COMPLETED,
  },
  {
    step: 'createUser',
    fault: 'budget spent',
    arrange: plan({ operation: 'AdminCreateUser', fault: SERVER }),
    act: cancelTheSlowCreate,
    outcome: CANCELLED,
  },
  {
    step: 'createUser',
    fault: 'cancelled',
    arrange: plan({ operation: 'AdminCreateUser', fault: SLOW }),
    act: cancelDuring('AdminCreateUser'),
    outcome: CANCELLED_BY_WISH,
  },
  {
    step: 'createUser',
    fault: 'crash after the effect',
    arrange: crashing('createUser', { operation: 'AdminCreateUser', times: 1, fault: LOST }),
    outcome: COMPLETED,
  },
  {
    step: 'setPassword',
    fault: 'definitive',
    password: PASSWORD,
    arrange: plan({ ...SET_PASSWORD, fault: { kind: 'error', error: 'InvalidPasswordException' } }),
    outcome: failed('password_rejected'),
  },
  {
    step: 'setPassword',
    fault: 'transient, then fine',
    password: PASSWORD,
    arrange: plan({ ...SET_PASSWORD, times: 3, fault: SERVER }),
    outcome: COMPLETED,
  },
  {
    step: 'setPassword',
    fault: 'budget spent',
    password: PASSWORD,
    arrange: plan({ ...SET_PASSWORD, fault: SERVER }),
    act: retryWhenParked,
    outcome: PARKED_AND_COMPLETED,
  },
  {
    step: 'setPassword',
    fault: 'cancelled',
    password: PASSWORD,
    arrange: plan({ ...SET_PASSWORD, fault: SLOW }),
    act: cancelDuring('AdminSetUserPassword'),
    outcome: CANCELLED_BY_WISH,
  },
  {
    step: 'setPassword',
    fault: 'crash after the effect',
    password: PASSWORD,
    arrange: crashing('setPassword', { ...SET_PASSWORD, times: 1, fault: LOST }),
    outcome: COMPLETED,
  },
  {
    step: 'assignRole',
    fault: 'definitive',
    arrange: plan({ ...NO_ROLE, match: { group: 'viewer' } }),
    outcome: failed('registration_failed'),
  },
  {
    step: 'assignRole',
    fault: 'the call is rejected',
    arrange: plan({
      operation: 'AdminAddUserToGroup',
      match: { group: 'viewer' },
      fault: REJECTED,
    }),
    outcome: failed('registration_failed'),
  },
  {
    step: 'assignRole',
    fault: 'transient, then fine',
    arrange: plan({
      operation: 'AdminAddUserToGroup',
      match: { group: 'viewer' },
      times: 3,
      fault: SERVER,
    }),
    outcome: COMPLETED,
  },
  {
    step: 'assignRole',
    fault: 'budget spent',
    arrange: plan({ operation: 'AdminAddUserToGroup', fault: SERVER }),
    act: retryWhenParked,
    outcome: PARKED_AND_COMPLETED,
  },
  {
    step: 'assignRole',
    fault: 'cancelled',
    arrange: plan({ operation: 'AdminAddUserToGroup', fault: SLOW }),
    act: cancelDuring('AdminAddUserToGroup'),
    outcome: CANCELLED_BY_WISH,
  },
  {
    step: 'assignRole',
    fault: 'crash after the effect',
    arrange: crashing('assignRole', { operation: 'AdminAddUserToGroup', times: 1, fault: LOST }),
    outcome: COMPLETED,
  },
  {
    step: 'complete',
    fault: 'definitive',
    arrange: ({ saga }) => saga.refuseAudit('user.registered', 'definitive'),
    outcome: failed('registration_failed'),
  },
  {
    step: 'complete',
    fault: 'transient, then fine',
    arrange: ({ saga }) => saga.refuseAudit('user.registered', { transientTimes: 3 }),
    outcome: COMPLETED,
  },
  {
    // Its budget has no end: the run stays `running` where another step would have parked.
    step: 'complete',
    fault: 'budget spent',
    arrange: ({ saga }) => saga.refuseAudit('user.registered', { transientTimes: 1_000_000 }),
    act: async ({ saga }, { id }) => {
      await saga.untilAttempt(id, 'complete', 4);
      const { status } = await saga.row(id);
      if (status !== 'running') throw new Error(`complete must not park: ${status}`);
      await saga.allowAudit();
    },
    outcome: COMPLETED,
  },
  {
    step: 'complete',
    fault: 'cancelled',
    arrange: ({ saga }) => saga.refuseAudit('user.registered', { transientTimes: 1_000_000 }),
    act: async ({ saga }, { id }) => {
      await saga.untilAttempt(id, 'complete', 2);
      await saga.handle(id).cancel();
    },
    outcome: CANCELLED,
  },
  {
    step: 'complete',
    fault: 'crash after the effect',
    arrange: crashing('complete'),
    outcome: COMPLETED,
  },
  {
    step: 'deleteUser',
    fault: 'definitive',
    arrange: plan(NO_ROLE, { operation: 'AdminDeleteUser', fault: REFUSED }),
    act: retryAfterCleanup,
    outcome: RETRIED_CLEANUP,
  },
  {
    step: 'deleteUser',
    fault: 'transient, then fine',
    arrange: plan(NO_ROLE, { operation: 'AdminDeleteUser', times: 2, fault: SERVER }),
    outcome: failed('registration_failed'),
  },
  {
    step: 'deleteUser',
    fault: 'budget spent',
    arrange: plan(NO_ROLE, { operation: 'AdminDeleteUser', fault: SERVER }),
    act: retryAfterCleanup,
    outcome: RETRIED_CLEANUP,
  },
  {
    // Compensation is shielded: a cancel meanwhile changes neither what happens nor its name.
    step: 'deleteUser',
    fault: 'cancelled',
    arrange: plan(NO_ROLE, { operation: 'AdminDeleteUser', fault: SLOW }),
    act: cancelDuring('AdminDeleteUser'),
    outcome: failed('registration_failed', 'registration.cancel_requested'),
  },
  {
    step: 'deleteUser',
    fault: 'crash after the effect',
    arrange: crashing('deleteUser', NO_ROLE, {
      operation: 'AdminDeleteUser',
      times: 1,
      fault: LOST,
    }),
    outcome: failed('registration_failed'),
  },
];
