import type { Rule } from '../../dev/cognito/fault-plan.ts';

/** A run of the runbook, as the Temporal UI shows it. */
export interface Case {
  /** Of the picture's file. */
  readonly name: string;
  /** Its local part is the address that the fault plan meets. */
  readonly person: string;
  /** What the receipt says when the picture is due; `status` or a step's. */
  readonly due: RegExp;
  /** An operator's request on the receipt, before the picture. */
  readonly instruction?: 'cancel';
  /** What it says after the instruction. */
  readonly after?: RegExp;
  /** Below the run's page in the UI. */
  readonly page: 'history' | 'pending-activities';
  /** Text of the page that has to be there, or the picture would show nothing. */
  readonly shows: string;
}

const SERVER = { kind: 'server', status: 503 } as const;
const ROLE = 'AdminAddUserToGroup';

export const PLAN: readonly Rule[] = [
  { operation: ROLE, match: { email: 'retrying@*' }, fault: SERVER },
  { operation: ROLE, match: { email: 'parked@*' }, fault: SERVER },
  { operation: ROLE, match: { email: 'cancelled@*' }, fault: SERVER },
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

/** Each is made right before its picture. */
export const CASES: readonly Case[] = [
  {
    name: 'completed',
    person: 'ada',
    due: /"status":"completed"/,
    page: 'history',
    shows: 'Workflow Execution Completed',
  },
  {
    name: 'retrying',
    person: 'retrying',
    due: /"status":"retrying","attempts":[3-9]/,
    page: 'pending-activities',
    shows: 'assignRole:viewer',
  },
  {
    name: 'parked',
    person: 'parked',
    due: /"status":"roles_pending"/,
    page: 'history',
    shows: 'roles_pending',
  },
  {
    name: 'cleanup-required',
    person: 'cleanup',
    due: /"status":"cleanup_required"/,
    page: 'pending-activities',
    shows: 'deleteUser',
  },
  {
    name: 'failed',
    person: 'failed',
    due: /"status":"failed"/,
    page: 'history',
    shows: 'registration_failed',
  },
  {
    name: 'cancelled',
    person: 'cancelled',
    due: /"status":"roles_pending"/,
    instruction: 'cancel',
    after: /"status":"cancelled"/,
    page: 'history',
    shows: 'Workflow Execution Canceled',
  },
];
