import { expect, test } from 'vitest';
import type { Change } from '../../../src/domain/change.ts';
import {
  changeStepsLeft,
  plannedRoleSteps,
  rolesBeforeOf,
  stepsToRepeat,
  targetOf,
  upsets,
} from '../../../src/domain/change-progress.ts';
import type { StepRecord } from '../../../src/domain/step.ts';

type Progress = Parameters<typeof changeStepsLeft>[0];

const DONE: StepRecord = { status: 'done', attempts: 1, lastError: null };
const WAITING: StepRecord = { status: 'waiting', attempts: 0, lastError: null };

function change(kind: Change['kind'], more: Partial<Progress> = {}): Progress {
  return {
    kind,
    roles: [],
    rolesBefore: null,
    rolesTouched: [],
    enabledBefore: true,
    restoresAs: null,
    begunAt: new Date(0),
    steps: {},
    ...more,
  };
}

test.each([
  ['disable', [['disableUser'], ['signOut']]],
  ['enable', [['enableUser']]],
  ['sign_out', [['signOut']]],
  ['delete', [['disableUser'], ['signOut'], ['deleteUser']]],
] as const)('a %s that has begun has its steps left, one after the other', (kind, steps) => {
  expect(changeStepsLeft(change(kind))).toEqual(steps);
});

test('a change that has not begun has no steps left', () => {
  expect(changeStepsLeft(change('delete', { begunAt: null }))).toEqual([]);
});

test('steps that are done are not left', () => {
  const steps = { disableUser: DONE };
  expect(changeStepsLeft(change('delete', { steps }))).toEqual([['signOut'], ['deleteUser']]);
});

test('a change of roles adds all at once before it removes any', () => {
  const steps = Object.fromEntries(
    ['removeRole:viewer', 'assignRole:researcher', 'assignRole:manager'].map((step) => [
      step,
      WAITING,
    ]),
  );
  const of = change('roles', {
    roles: ['researcher', 'manager'],
    rolesBefore: ['viewer'],
    steps,
  });
  expect(changeStepsLeft(of)).toEqual([
    ['assignRole:researcher', 'assignRole:manager'],
    ['removeRole:viewer'],
  ]);
});

test('what is put back is what was touched and differs, and nothing else', () => {
  const of = change('roles', {
    roles: ['researcher', 'manager'],
    rolesBefore: ['viewer', 'manager'],
    rolesTouched: ['researcher', 'manager'],
    restoresAs: 'cancelled',
    steps: {
      'assignRole:researcher': { ...DONE, status: 'failed' },
      'assignRole:manager': DONE,
      'removeRole:viewer': WAITING,
    },
  });
  expect(changeStepsLeft(of)).toEqual([['removeRole:researcher']]);
  const steps = { ...of.steps, 'removeRole:researcher': DONE };
  expect(changeStepsLeft({ ...of, steps })).toEqual([]);
});

test.each([
  ['disable', true, [['enableUser']]],
  ['disable', false, []],
  ['enable', false, [['disableUser']]],
  ['enable', true, []],
  ['sign_out', true, []],
  ['delete', true, []],
] as const)('a %s of an account that was enabled: %s puts back %j', (kind, enabledBefore, left) => {
  const steps = kind === 'disable' ? { disableUser: DONE } : { enableUser: DONE };
  const of = change(kind, { enabledBefore, restoresAs: 'failed', steps });
  expect(changeStepsLeft(of)).toEqual(left);
});

test('a role that was written recently is written again, whatever the read says', () => {
  const read = { roles: ['viewer', 'manager'], recent: ['viewer', 'researcher'], settled: null };
  expect(plannedRoleSteps(['viewer', 'manager'], read)).toEqual([
    'assignRole:viewer',
    'removeRole:researcher',
  ]);
});

test('the roles before are those that were read, corrected by what was written last', () => {
  const read = { roles: ['manager', 'researcher'], recent: ['viewer', 'researcher'] };
  expect(rolesBeforeOf({ ...read, settled: ['viewer'] })).toEqual(['manager', 'viewer']);
  expect(rolesBeforeOf({ ...read, settled: null })).toEqual(['manager', 'researcher']);
});

test('a late write upsets a change that wants the opposite, in the direction it goes', () => {
  const roles = { roles: ['viewer'], rolesBefore: ['manager'] };
  const forward = targetOf(change('roles', roles));
  const back = targetOf(change('roles', { ...roles, restoresAs: 'cancelled' }));
  expect(upsets(forward, 'assignRole:manager')).toBe(true);
  expect(upsets(forward, 'assignRole:viewer')).toBe(false);
  expect(upsets(forward, 'removeRole:viewer')).toBe(true);
  expect(upsets(forward, 'removeRole:manager')).toBe(false);
  expect(upsets(back, 'assignRole:viewer')).toBe(true);
  expect(upsets(back, 'assignRole:manager')).toBe(false);
  expect(upsets(forward, 'disableUser')).toBe(false);
  expect(upsets(targetOf(change('enable')), 'disableUser')).toBe(true);
  expect(upsets(targetOf(change('disable')), 'enableUser')).toBe(true);
  expect(upsets(targetOf(change('disable')), 'disableUser')).toBe(false);
  expect(upsets(targetOf(change('delete')), 'enableUser')).toBe(false);
});

test('only steps whose effect is not to be seen are repeated, each once', () => {
  const target = { roles: ['viewer'], enabled: null };
  const late = ['assignRole:manager', 'assignRole:researcher', 'removeRole:viewer'];
  const now = { roles: ['manager', 'viewer'], enabled: true };
  expect(stepsToRepeat(target, [...late, ...late], now)).toEqual(['removeRole:manager']);
  const enabled = { roles: null, enabled: true };
  expect(stepsToRepeat(enabled, ['disableUser'], { roles: [], enabled: false })).toEqual([
    'enableUser',
  ]);
  expect(stepsToRepeat(enabled, ['disableUser'], { roles: [], enabled: true })).toEqual([]);
});

test('a step that is repeated while everything is put back is left', () => {
  const of = change('roles', {
    roles: ['viewer'],
    rolesBefore: ['viewer'],
    restoresAs: 'cancelled',
    steps: { 'assignRole:viewer': { ...DONE, status: 'waiting', attempts: 0 } },
  });
  expect(changeStepsLeft(of)).toEqual([['assignRole:viewer']]);
});
