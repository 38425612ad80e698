import { roleOfStep, type Change, type ChangeKind, type ChangeStepName } from './change.ts';

/** A write to the account of a person: one activity of a change. */
type AccountWrite = Exclude<ChangeStepName, 'complete'>;

const ADD = 'assignRole:';
const REMOVE = 'removeRole:';

/** The steps of the kinds whose steps do not depend on the person, in their order. */
export const STEPS_OF_KIND: Readonly<
  Record<Exclude<ChangeKind, 'roles'>, readonly AccountWrite[]>
> = {
  disable: ['disableUser', 'signOut'],
  enable: ['enableUser'],
  sign_out: ['signOut'],
  delete: ['disableUser', 'signOut', 'deleteUser'],
};

/** What a change makes of the account; null: it is not about that. */
interface Target {
  readonly roles: readonly string[] | null;
  readonly enabled: boolean | null;
}

/** How the account is to be in the end: as the change wants it, or as it was before. */
export function targetOf(
  change: Pick<Change, 'kind' | 'roles' | 'rolesBefore' | 'enabledBefore' | 'restoresAs'>,
): Target {
  const { kind, restoresAs } = change;
  if (kind === 'roles') {
    return { roles: restoresAs === null ? change.roles : change.rolesBefore, enabled: null };
  }
  if (kind !== 'disable' && kind !== 'enable') return { roles: null, enabled: null };
  const enabled = restoresAs === null ? kind === 'enable' : change.enabledBefore;
  return { roles: null, enabled };
}

/** Whether a write that lands late would upset what the change makes of the account. */
export function upsets(target: Target, write: string): boolean {
  const role = roleOfStep(write);
  if (role !== null) {
    return target.roles !== null && target.roles.includes(role) !== write.startsWith(ADD);
  }
  if (write === 'disableUser') return target.enabled === true;
  return write === 'enableUser' && target.enabled === false;
}

/** The write that gives a role, or takes it away, as the target wants. */
function writeOf(wanted: readonly string[], role: string): AccountWrite {
  return wanted.includes(role) ? `${ADD}${role}` : `${REMOVE}${role}`;
}

/** What was read of an account before the first write. */
export interface AccountRead {
  readonly roles: readonly string[];
  /** Roles that were written so short a time ago that the read may not show it. */
  readonly recent: readonly string[];
  /** The roles that those writes left; null: the read counts. */
  readonly settled: readonly string[] | null;
}

/** The roles that a person has: as read, but recently written ones as those writes left them. */
export function rolesBeforeOf({ roles, recent, settled }: AccountRead): string[] {
  if (settled === null) return roles.toSorted();
  const read = roles.filter((role) => !recent.includes(role));
  return [...read, ...recent.filter((role) => settled.includes(role))].toSorted();
}

/**
 * The first plan of a change of roles: the difference against Cognito itself, and whatever was written
 * recently, since a read of it may be old.
 * @param roles what the person is to have in the end
 */
export function plannedRoleSteps(roles: readonly string[], read: AccountRead): AccountWrite[] {
  const added = roles.filter((role) => !read.roles.includes(role) || read.recent.includes(role));
  const known = [...new Set([...read.roles, ...read.recent])];
  const removed = known.filter((role) => !roles.includes(role));
  return [...added, ...removed].map((role) => writeOf(roles, role));
}

type Progress = Pick<
  Change,
  | 'kind'
  | 'roles'
  | 'rolesBefore'
  | 'rolesTouched'
  | 'enabledBefore'
  | 'restoresAs'
  | 'begunAt'
  | 'steps'
>;

/** The steps of a change that are left, in stages: those of a stage are performed at once. Adding comes
 * before removing, so that nobody is without roles in between. */
export function changeStepsLeft(change: Progress): AccountWrite[][] {
  if (change.begunAt === null) return [];
  if (change.kind === 'roles') return roleStepsLeft(change);
  const steps = change.restoresAs === null ? STEPS_OF_KIND[change.kind] : restoringSteps(change);
  return steps.filter((step) => isLeft(change, step)).map((step) => [step]);
}

function roleStepsLeft(change: Progress): AccountWrite[][] {
  const { roles } = targetOf(change);
  if (roles === null) return [];
  const named = Object.keys(change.steps).flatMap((step) => roleOfStep(step) ?? []);
  const known = [...new Set([...change.rolesTouched, ...named])];
  const left = known.flatMap((role) => {
    const step = writeOf(roles, role);
    const due = change.steps[step] !== undefined || isTakenBack(change, role);
    return due && isLeft(change, step) ? [step] : [];
  });
  const stages = [ADD, REMOVE].map((kind) => left.filter((step) => step.startsWith(kind)));
  return stages.filter((stage) => stage.length > 0);
}

/** Whether a change that is put back has, or may have, changed this role. */
function isTakenBack({ restoresAs, rolesBefore, roles, rolesTouched }: Progress, role: string) {
  const differs = (rolesBefore ?? []).includes(role) !== roles.includes(role);
  return restoresAs !== null && differs && rolesTouched.includes(role);
}

function restoringSteps(change: Progress): AccountWrite[] {
  const { enabled } = targetOf(change);
  if (enabled === null) return [];
  const step = enabled ? 'enableUser' : 'disableUser';
  const differs = enabled !== (change.kind === 'enable');
  return differs || change.steps[step] !== undefined ? [step] : [];
}

function isLeft({ steps }: Pick<Change, 'steps'>, step: string): boolean {
  return steps[step]?.status !== 'done';
}

/** What an account shows that was read again. */
export interface AccountNow {
  readonly roles: readonly string[];
  readonly enabled: boolean;
}

/** The steps to repeat after writes that may have landed late: those whose effect is not to be seen. */
export function stepsToRepeat(
  target: Target,
  late: readonly string[],
  now: AccountNow,
): AccountWrite[] {
  const steps = late.flatMap((write): AccountWrite[] => {
    const role = roleOfStep(write);
    if (role !== null && target.roles !== null) {
      const differs = target.roles.includes(role) !== now.roles.includes(role);
      return differs ? [writeOf(target.roles, role)] : [];
    }
    if (role !== null || target.enabled === null || target.enabled === now.enabled) return [];
    return [target.enabled ? 'enableUser' : 'disableUser'];
  });
  return [...new Set(steps)];
}
