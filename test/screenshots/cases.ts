import type { Rule } from '../../dev/cognito/fault-plan.ts';

/** One page of the Temporal UI. */
export interface Picture {
  /** Of its file. */
  readonly name: string;
  /** Below the run's page in the UI, but for the list of runs. */
  readonly page: 'list' | 'history' | 'pending-activities' | 'user-metadata' | 'search-attributes';
  /** Text of the page that has to be there, or the picture would show nothing. */
  readonly shows: string;
}

/** A run of the runbook, as the Temporal UI shows it. */
export interface Case {
  /** The local part is the address that the fault plan meets. */
  readonly person: string;
  /** Of a later change, whose run is shown instead of that of the registration. */
  readonly changesRolesTo?: readonly string[];
  /** What the receipt says when the pictures are due; `status` or a step's. */
  readonly due: RegExp;
  /** An operator's request on the receipt, before the pictures. */
  readonly instruction?: 'cancel';
  /** What it says after the instruction. */
  readonly after?: RegExp;
  readonly pictures: readonly Picture[];
}

const SERVER = { kind: 'server', status: 503 } as const;
const ROLE = 'AdminAddUserToGroup';

export const PLAN: readonly Rule[] = [
  { operation: ROLE, match: { email: 'retrying@*' }, fault: SERVER },
  { operation: ROLE, match: { email: 'parked@*' }, fault: SERVER },
  { operation: ROLE, match: { email: 'cancelled@*' }, fault: SERVER },
  { operation: ROLE, match: { email: 'changed@*', group: 'researcher' }, fault: SERVER },
  {
    operation: ROLE,
    match: { email: 'cleanup@*' },
    fault: { kind: 'error', error: 'ResourceNotFoundException' },
  },
  { operation: 'AdminDeleteUser', match: { email: 'cleanup@*' }, fault: SERVER },
  {
    operation: ROLE,
    match: { email: 'failed@*' },
    fault: { kind: 'error', error: 'ResourceNotFoundException' },
  },
];

/** Each is made right before its pictures. */
export const CASES: readonly Case[] = [
  {
    person: 'ada',
    due: /"status":"completed"/,
    pictures: [{ name: 'completed', page: 'history', shows: 'Workflow Execution Completed' }],
  },
  {
    person: 'retrying',
    due: /"status":"retrying","attempts":[3-9]/,
    pictures: [{ name: 'retrying', page: 'pending-activities', shows: 'assignRole:viewer' }],
  },
  {
    person: 'parked',
    due: /"status":"roles_pending"/,
    pictures: [
      { name: 'parked', page: 'history', shows: 'assignRole:viewer' },
      { name: 'parked-details', page: 'user-metadata', shows: 'What to do:' },
    ],
  },
  {
    person: 'changed',
    changesRolesTo: ['researcher'],
    due: /"status":"parked"/,
    pictures: [
      { name: 'parked-change', page: 'history', shows: 'assignRole:researcher' },
      { name: 'parked-change-details', page: 'user-metadata', shows: 'What to do:' },
    ],
  },
  {
    person: 'cleanup',
    due: /"status":"cleanup_required"/,
    pictures: [{ name: 'cleanup-required', page: 'pending-activities', shows: 'deleteUser' }],
  },
  {
    person: 'failed',
    due: /"status":"failed"/,
    pictures: [
      { name: 'failed', page: 'history', shows: 'registration_failed' },
      { name: 'failed-attributes', page: 'search-attributes', shows: 'RegistrationFailure' },
    ],
  },
  {
    person: 'cancelled',
    due: /"status":"roles_pending"/,
    instruction: 'cancel',
    after: /"status":"cancelled"/,
    pictures: [{ name: 'cancelled', page: 'history', shows: 'Workflow Execution Canceled' }],
  },
];
