import { isOpenChange } from '../../domain/change.ts';
import { isClosed, isOpenForward } from '../../domain/status.ts';
import { isCompensation } from '../../domain/step.ts';
import type { ChangeReceipt } from '../changes/schemas.ts';
import type { Receipt } from '../registrations/schemas.ts';
import type { Tone } from './icons.ts';

/** As much of a receipt as its picture shows. */
export type Saga =
  | Pick<Receipt, 'status' | 'steps'>
  | Pick<ChangeReceipt, 'status' | 'steps' | 'kind'>;

type ReceiptStep = Receipt['steps'][number];

/** A step as an operator sees it. */
export interface ShownStep extends ReceiptStep {
  /** `Create user`, or the name of the role. */
  readonly label: string;
  readonly role: string | null;
  readonly tone: Tone;
  /** One of done, running, failing, failed, next, waiting, put back, not run. */
  readonly state: string;
}

/** Steps that are performed at once: one step, or the roles that are assigned or removed. */
export interface Stage {
  /** Of several roles; null: the step has its own label. */
  readonly title: string | null;
  readonly steps: readonly ShownStep[];
}

export interface ShownSaga {
  readonly forward: readonly Stage[];
  /** What undoes it, in the order in which that runs. */
  readonly undo: readonly ShownStep[];
}

const LABELS: Readonly<Record<string, string>> = {
  createUser: 'Create user',
  setPassword: 'Set password',
  createProfile: 'Create profile',
  disableUser: 'Disable user',
  enableUser: 'Enable user',
  signOut: 'Sign out',
  deleteProfile: 'Delete profile',
  deleteUser: 'Delete user',
  complete: 'Complete',
};
const TITLES: Readonly<Record<string, string>> = {
  assignRole: 'Assign roles',
  removeRole: 'Remove roles',
};

export function shownSaga(saga: Saga): ShownSaga {
  // A change that deletes a person goes forward by the steps with which a registration is undone.
  const undoes = (name: string) => !('kind' in saga) && isCompensation(name);
  const forward = saga.steps.filter(({ name }) => !undoes(name));
  const stages = stagesOf(forward);
  const due = stages.find((stage) => stage.some(({ status }) => status !== 'done'));
  const isBegun = due?.some(({ status }) => status !== 'done' && status !== 'waiting') === true;
  const next = goesForward(saga) && !isBegun ? due : undefined;
  return {
    forward: stages.map((stage) => ({
      title: TITLES[prefixOf(stage[0]?.name ?? '')] ?? null,
      steps: stage.map((step) => shown(saga, step, next?.includes(step) === true)),
    })),
    undo: saga.steps.filter(({ name }) => undoes(name)).map((step) => shown(saga, step, false)),
  };
}

/** `Assign role viewer`, where no title stands above it. */
export function fullLabel({ name, label, role }: ShownStep): string {
  return role === null ? label : `${name.startsWith('assign') ? 'Assign' : 'Remove'} role ${role}`;
}

/** `failing, 3 attempts` */
export function stateWords({ state, attempts }: ShownStep): string {
  return attempts > 1 ? `${state}, ${attempts} attempts` : state;
}

function shown(saga: Saga, step: ReceiptStep, isNext: boolean): ShownStep {
  const prefix = prefixOf(step.name);
  const role = prefix in TITLES ? step.name.slice(prefix.length + 1) : null;
  const [tone, state] = stateOf(saga, step, isNext);
  return { ...step, label: role ?? LABELS[step.name] ?? step.name, role, tone, state };
}

function stateOf(saga: Saga, { name, status }: ReceiptStep, isNext: boolean): [Tone, string] {
  switch (status) {
    case 'done':
      return ['good', 'done'];
    case 'running':
      return ['busy', 'running'];
    case 'retrying':
      return ['attention', 'failing'];
    case 'failed':
      // What is parked, and an undo that fails, is tried again.
      return goesForward(saga) || (isCompensation(name) && isOpen(saga))
        ? ['attention', 'failing']
        : ['bad', 'failed'];
    case 'compensated':
      return ['undone', 'put back'];
    case 'waiting':
      if (isNext) return ['next', 'next'];
      return goesForward(saga) || (isCompensation(name) && isOpen(saga))
        ? ['waiting', 'waiting']
        : ['off', 'not run'];
  }
}

function goesForward(saga: Saga): boolean {
  return 'kind' in saga ? isOpenChange(saga.status) : isOpenForward(saga.status);
}

function isOpen(saga: Saga): boolean {
  return 'kind' in saga ? isOpenChange(saga.status) : !isClosed(saga.status);
}

/** Neighbours with the same prefix are one stage. */
function stagesOf(steps: readonly ReceiptStep[]): ReceiptStep[][] {
  const stages: ReceiptStep[][] = [];
  for (const step of steps) {
    const last = stages.at(-1);
    const prefix = prefixOf(step.name);
    if (last !== undefined && prefix in TITLES && prefixOf(last[0]?.name ?? '') === prefix) {
      last.push(step);
    } else stages.push([step]);
  }
  return stages;
}

function prefixOf(name: string): string {
  return name.split(':', 1)[0] ?? name;
}
