import type { Rule } from '../../../../dev/cognito/fault-plan.ts';
import type { Change, ChangeKind, ChangeStatus } from '../../../../src/domain/change.ts';
import type { Account, Persons } from '../../../support/persons.ts';
import type { ChangeScript } from '../../../support/script.ts';

export interface Stage {
  readonly persons: Persons;
  readonly script: ChangeScript;
}

/** What is to be seen of a change and the account in the end. */
export interface Outcome {
  readonly status: ChangeStatus;
  readonly failure: string | null;
  readonly events: readonly string[];
  readonly account: Account;
}

/** One cell of the matrix: what goes wrong at which step, and what comes of it. The person has `viewer`;
 * a change of roles leaves `researcher`. */
export interface Cell {
  readonly kind: ChangeKind;
  readonly step: string;
  readonly fault: string;
  readonly arrange: (stage: Stage) => Promise<void> | void;
  /** What happens while the run is under way. */
  readonly act?: (stage: Stage, change: Change) => Promise<void>;
  readonly outcome: Outcome;
}

const AS_BEFORE: Account = { enabled: true, roles: ['viewer'] };
const AFTER: Readonly<Record<ChangeKind, Account>> = {
  roles: { enabled: true, roles: ['researcher'] },
  disable: { enabled: false, roles: ['viewer'] },
  enable: AS_BEFORE,
  sign_out: AS_BEFORE,
  delete: null,
};
const BEFORE: Readonly<Record<ChangeKind, Account>> = {
  roles: AS_BEFORE,
  disable: AS_BEFORE,
  enable: { enabled: false, roles: ['viewer'] },
  sign_out: AS_BEFORE,
  delete: AS_BEFORE,
};
const DONE: Readonly<Record<ChangeKind, string>> = {
  roles: 'user.roles_changed',
  disable: 'user.disabled',
  enable: 'user.enabled',
  sign_out: 'user.signed_out_everywhere',
  delete: 'user.deleted',
};
const RETRIED = ['change.parked', 'change.retry_requested', 'change.resumed'];

const completed = (kind: ChangeKind, ...between: string[]): Outcome => ({
  status: 'completed',
  failure: null,
  events: ['change.requested', ...between, DONE[kind]],
  account: AFTER[kind],
});
const failed = (kind: ChangeKind, cause: string): Outcome => ({
  status: 'failed',
  failure: cause,
  events: ['change.requested', 'change.restoring', 'change.failed'],
  account: BEFORE[kind],
});
const cancelled = (kind: ChangeKind): Outcome => ({
  status: 'cancelled',
  failure: 'change_cancelled',
  events: ['change.requested', 'change.cancel_requested', 'change.restoring', 'change.cancelled'],
  account: BEFORE[kind],
});

const SERVER = { kind: 'server' } as const;
const LOST = { kind: 'replyLost', effect: 'after' } as const;

/** Each write: the kind of change that makes it first, Cognito's operation, and how it fails for good. */
const WRITES = [
  {
    kind: 'roles',
    step: 'assignRole:researcher',
    operation: 'AdminAddUserToGroup',
    definitive: {
      error: 'ResourceNotFoundException',
      cause: 'change_role_missing',
      forEver: false,
    },
  },
  {
    kind: 'roles',
    step: 'removeRole:viewer',
    operation: 'AdminRemoveUserFromGroup',
    definitive: { error: 'InvalidParameterException', cause: 'change_rejected', forEver: false },
  },
  {
    kind: 'disable',
    step: 'disableUser',
    operation: 'AdminDisableUser',
    definitive: { error: 'UserNotFoundException', cause: 'user_vanished', forEver: true },
  },
  { kind: 'disable', step: 'signOut', operation: 'AdminUserGlobalSignOut', definitive: null },
  {
    kind: 'enable',
    step: 'enableUser',
    operation: 'AdminEnableUser',
    definitive: { error: 'UserNotFoundException', cause: 'user_vanished', forEver: true },
  },
  { kind: 'sign_out', step: 'signOut', operation: 'AdminUserGlobalSignOut', definitive: null },
  { kind: 'delete', step: 'disableUser', operation: 'AdminDisableUser', definitive: null },
  { kind: 'delete', step: 'signOut', operation: 'AdminUserGlobalSignOut', definitive: null },
  { kind: 'delete', step: 'deleteUser', operation: 'AdminDeleteUser', definitive: null },
] as const;

const plan =
  (...rules: Rule[]) =>
  ({ persons }: Stage): Promise<void> =>
    persons.saga.pool.setFaults(rules);

async function retryWhenParked({ persons }: Stage, change: Change): Promise<void> {
  await persons.untilParked(change);
  await persons.saga.pool.clearFaults();
  await persons.retry(change);
}

/** Cancels, as the API does, once the pool has this call under way. */
const cancelDuring =
  (operation: string) =>
  async ({ persons }: Stage, change: Change): Promise<void> => {
    await persons.saga.untilCalled(operation);
    await persons.cancel(change);
  };

const isCancellable = (kind: ChangeKind): boolean => kind !== 'sign_out' && kind !== 'delete';

const ofWrites = WRITES.flatMap(({ kind, step, operation, definitive }): Cell[] => {
  const of = { kind, step };
  const fails: Cell[] = definitive
    ? [
        {
          ...of,
          fault: 'definitive',
          arrange: plan({
            operation,
            // Once is lag, where the user is new.
            ...(!definitive.forEver && { times: 1 }),
            fault: { kind: 'error', error: definitive.error, status: 400 },
          }),
          outcome: failed(kind, definitive.cause),
        },
      ]
    : [];
  return [
    ...fails,
    {
      ...of,
      fault: 'transient, then fine',
      arrange: plan({ operation, times: 2, fault: SERVER }),
      outcome: completed(kind),
    },
    {
      ...of,
      fault: 'budget spent',
      arrange: plan({ operation, fault: SERVER }),
      act: retryWhenParked,
      outcome: completed(kind, ...RETRIED),
    },
    {
      ...of,
      fault: 'refused',
      arrange: plan({ operation, fault: { kind: 'refused' } }),
      act: retryWhenParked,
      outcome: completed(kind, ...RETRIED),
    },
    {
      ...of,
      fault: 'cancelled',
      arrange: plan({ operation, fault: { kind: 'latency', ms: 250 } }),
      act: cancelDuring(operation),
      outcome: isCancellable(kind) ? cancelled(kind) : completed(kind),
    },
    {
      ...of,
      fault: 'crash after the effect',
      arrange: async (stage) => {
        stage.script.crashAfter(step);
        await plan({ operation, times: 1, fault: LOST })(stage);
      },
      outcome: completed(kind),
    },
  ];
});

const KINDS = ['roles', 'disable', 'enable', 'sign_out', 'delete'] as const;

const ofEnds = KINDS.flatMap((kind): Cell[] => [
  {
    kind,
    step: 'begin',
    fault: 'transient, then fine',
    arrange: plan({ operation: 'AdminGetUser', times: 2, fault: SERVER }),
    outcome: completed(kind),
  },
  {
    kind,
    step: 'begin',
    fault: 'crash after the effect',
    arrange: ({ script }) => script.crashAfter('beginChange'),
    outcome: completed(kind),
  },
  {
    kind,
    step: 'complete',
    fault: 'crash after the effect',
    arrange: ({ script }) => script.crashAfter('completeChange'),
    outcome: completed(kind),
  },
  {
    kind,
    step: 'complete',
    fault: 'transient, then fine',
    arrange: ({ persons }) => persons.saga.refuseAudit(DONE[kind], { transientTimes: 2 }),
    outcome: completed(kind),
  },
  {
    kind,
    step: 'complete',
    fault: 'cancelled',
    arrange: ({ persons }) => persons.saga.refuseAudit(DONE[kind], { transientTimes: 1_000_000 }),
    act: async ({ persons }, change) => {
      await persons.untilAttempt(change, 'complete', 2);
      await persons.cancel(change);
      if (!isCancellable(kind)) await persons.saga.allowAudit();
    },
    outcome: isCancellable(kind) ? cancelled(kind) : completed(kind),
  },
]);

/** Steps that put back: a change of roles fails at its removal, and the added role is to go again. */
const NO_REMOVAL: Rule = {
  operation: 'AdminRemoveUserFromGroup',
  match: { group: 'viewer' },
  times: 1,
  fault: { kind: 'error', error: 'InvalidParameterException', status: 400 },
};
const TAKEN_BACK: Rule = {
  operation: 'AdminRemoveUserFromGroup',
  match: { group: 'researcher' },
  fault: SERVER,
};
const FAILED = failed('roles', 'change_rejected');

const ofRestoring: Cell[] = [
  {
    kind: 'roles',
    step: 'removeRole:researcher',
    fault: 'transient, then fine',
    arrange: plan(NO_REMOVAL, { ...TAKEN_BACK, times: 2 }),
    outcome: FAILED,
  },
  {
    kind: 'roles',
    step: 'removeRole:researcher',
    fault: 'definitive, for a while',
    arrange: plan(NO_REMOVAL, {
      ...TAKEN_BACK,
      times: 2,
      fault: { kind: 'error', error: 'InvalidParameterException', status: 400 },
    }),
    outcome: FAILED,
  },
  {
    kind: 'roles',
    step: 'removeRole:researcher',
    fault: 'budget spent',
    arrange: plan(NO_REMOVAL, TAKEN_BACK),
    act: retryWhenParked,
    outcome: {
      ...FAILED,
      events: ['change.requested', 'change.restoring', ...RETRIED, 'change.failed'],
    },
  },
  {
    // It is put back already: a cancel meanwhile changes neither what happens nor its name.
    kind: 'roles',
    step: 'removeRole:researcher',
    fault: 'cancelled',
    arrange: plan(NO_REMOVAL, TAKEN_BACK),
    act: async (stage, change) => {
      await stage.persons.untilParked(change);
      await stage.persons.cancel(change);
      await retryWhenParked(stage, change);
    },
    outcome: {
      ...FAILED,
      events: [
        'change.requested',
        'change.restoring',
        'change.parked',
        'change.cancel_requested',
        'change.retry_requested',
        'change.resumed',
        'change.failed',
      ],
    },
  },
  {
    kind: 'roles',
    step: 'removeRole:researcher',
    fault: 'crash after the effect',
    arrange: async (stage) => {
      stage.script.crashAfter('removeRole:researcher');
      await plan(NO_REMOVAL, { ...TAKEN_BACK, times: 1, fault: LOST })(stage);
    },
    outcome: FAILED,
  },
  {
    kind: 'roles',
    step: 'close',
    fault: 'crash after the effect',
    arrange: async (stage) => {
      stage.script.crashAfter('closeChange');
      stage.script.crashAfter('restoreChange');
      await plan(NO_REMOVAL)(stage);
    },
    outcome: FAILED,
  },
];

export const MATRIX: readonly Cell[] = [...ofWrites, ...ofEnds, ...ofRestoring];
