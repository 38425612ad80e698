import type { FailureName } from './failure.ts';

/** waiting: not begun · running: in its first attempt · retrying: between attempts ·
 * done · failed · compensated: taken back. */
export const STEP_STATUSES = [
  'waiting',
  'running',
  'retrying',
  'done',
  'failed',
  'compensated',
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

export type StepName =
  | 'createUser'
  | 'setPassword'
  | 'createProfile'
  | `assignRole:${string}`
  | `removeRole:${string}`
  | 'complete'
  | 'deleteProfile'
  | 'deleteUser';

/** Whether a step undoes what the others did, rather than being undone. */
export function isCompensation(step: string): boolean {
  return step === 'deleteProfile' || step === 'deleteUser';
}

/** What a step waits for whose reply is lost. */
export function lostReplyOf(step: string): FailureName {
  const asksProfileService = step === 'createProfile' || step === 'deleteProfile';
  return asksProfileService ? 'profile_unavailable' : 'reply_lost';
}

/** What the row remembers of one step. `lastError` is a code of FAILURES. */
export interface StepRecord {
  readonly status: StepStatus;
  readonly attempts: number;
  readonly lastError: string | null;
}

/** Attempts of a step in all: those that its record knows of, and `more`. One that was done before
 * begins anew. */
export function attemptsWith(record: StepRecord | undefined, more: number): number {
  return (record && record.status !== 'done' ? record.attempts : 0) + more;
}

export interface Step extends StepRecord {
  readonly name: StepName;
  /** RFC 3339 UTC; only while retrying and only as far as Temporal knows. */
  readonly nextRetryAt: string | null;
}

export const WAITING: StepRecord = { status: 'waiting', attempts: 0, lastError: null };

/** The steps of a registration in the order they run, from what the row remembers of each. */
export function stepsInOrder(
  roles: readonly string[],
  records: Readonly<Record<string, StepRecord>>,
): Step[] {
  const names: StepName[] = ['createUser'];
  for (const name of ['setPassword', 'createProfile'] as const) {
    if (records[name]) names.push(name);
  }
  for (const name of Object.keys(records)) {
    if (isRemoveRole(name)) names.push(name);
  }
  names.push(...roles.map((role) => `assignRole:${role}` as const), 'complete');
  for (const name of ['deleteProfile', 'deleteUser'] as const) {
    if (records[name]) names.push(name);
  }
  return names.map((name) => ({ name, ...(records[name] ?? WAITING), nextRetryAt: null }));
}

function isRemoveRole(name: string): name is `removeRole:${string}` {
  return name.startsWith('removeRole:');
}
