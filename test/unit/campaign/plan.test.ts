import { expect, test } from 'vitest';
import { parseFaultPlan, type Rule } from '../../../dev/cognito/fault-plan.ts';
import { GRACE_SECONDS } from '../../campaign/faults.ts';
import { parseOptions } from '../../campaign/options.ts';
import { planOf } from '../../campaign/plan.ts';

const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1);
const plans = SEEDS.map((seed) => planOf(seed, 60));
const rules: Rule[] = plans.flatMap((plan) => plan.registrations.flatMap(({ faults }) => faults));

test('a seed determines the whole plan, and another seed makes another plan', () => {
  expect(planOf(7, 60)).toEqual(planOf(7, 60));
  expect(planOf(7, 60)).not.toEqual(planOf(8, 60));
});

test('the sandbox takes every fault that a plan has', () => {
  expect(parseFaultPlan(rules)).toEqual(rules);
});

test('no create passes the check of an address that a foreign user has', () => {
  for (const { foreign, registrations } of plans) {
    const addresses = new Set(foreign.map(({ email }) => email));
    const aimed = registrations.filter(({ email }) => addresses.has(email));
    expect(aimed.length).toBeGreaterThan(0);
    const kinds = aimed.flatMap(({ faults }) => faults.map(({ fault }) => fault.kind));
    expect(kinds).not.toContain('duplicate');
  }
});

test('what lands late lands within the grace', () => {
  const late = rules.flatMap(({ fault }) =>
    fault.kind === 'replyLost' || fault.kind === 'server' ? (fault.lateMs ?? []) : [],
  );
  expect(late.length).toBeGreaterThan(0);
  expect(Math.max(...late)).toBeLessThanOrEqual(GRACE_SECONDS * 1000 - 2000);
});

test('the five seeds of the command have every kind of fault, action, decision and disturbance', () => {
  const five = plans.slice(0, 5);
  const registrations = five.flatMap((plan) => plan.registrations);
  const kinds = (items: readonly { readonly kind: string }[]): string[] =>
    [...new Set(items.map(({ kind }) => kind))].toSorted();
  expect(kinds(registrations.flatMap(({ actions }) => actions))).toEqual([
    'cancel',
    'cancelInUi',
    'reset',
    'terminate',
  ]);
  expect(kinds(registrations.flatMap(({ decisions }) => decisions))).toEqual([
    'cancel',
    'leave',
    'retry',
    'roles',
  ]);
  const changes = registrations.flatMap((planned) => planned.changes);
  expect(kinds(changes)).toEqual(['delete', 'disable', 'enable', 'roles', 'sign_out']);
  expect(kinds(changes.flatMap(({ actions }) => actions))).toEqual([
    'cancel',
    'cancelInUi',
    'reset',
    'terminate',
  ]);
  expect(kinds(five.flatMap(({ disturbances }) => disturbances))).toEqual([
    'cutConnections',
    'killApi',
    'killWorker',
    'stopWorker',
  ]);
  expect(kinds(registrations.flatMap(({ faults }) => faults.map(({ fault }) => fault)))).toEqual([
    'duplicate',
    'error',
    'lag',
    'latency',
    'refused',
    'replyLost',
    'server',
    'throttle',
  ]);
});

test('options have defaults, and an invalid one is named', () => {
  expect(parseOptions([])).toEqual({
    seeds: [1, 2, 3, 4, 5],
    registrations: 60,
    atOnce: 2,
    verbose: false,
  });
  expect(parseOptions(['--seeds', '3,9', '--registrations', '5'])).toMatchObject({
    seeds: [3, 9],
    registrations: 5,
  });
  expect(() => parseOptions(['--seeds', '1,x'])).toThrow('--seeds: expected a whole number');
  expect(() => parseOptions(['--seeds', '1,1'])).toThrow('--seeds: a seed is there twice');
  expect(() => parseOptions(['--registrations', '0'])).toThrow('--registrations: expected');
  expect(() => parseOptions(['--at-once', '-1'])).toThrow('--at-once');
});

test('the first three seeds press Cancel, Terminate or Reset on more than 160 changes', () => {
  const registrations = plans.slice(0, 3).flatMap((plan) => plan.registrations);
  const changes = registrations.flatMap((planned) => planned.changes);
  expect(changes.filter(({ actions }) => actions.length > 0).length).toBeGreaterThan(160);
});
