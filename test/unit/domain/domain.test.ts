import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { progressOf } from '../../../activities/registration/registration-progress.ts';
import { attemptsWithin } from '../../../activities/step-runner.ts';
import { maySee, notGrantable } from '../../../src/domain/grants.ts';
import { workflowIdOf, type Registration } from '../../../src/domain/registration.ts';
import {
  CLOSED,
  COMPENSATING,
  isClosed,
  isCompensating,
  isOpenForward,
  OPEN,
  OPEN_FORWARD,
  RegistrationStatus,
  STATUSES,
} from '../../../src/domain/status.ts';
import { stepsInOrder, type StepRecord } from '../../../src/domain/step.ts';

const DONE: StepRecord = { status: 'done', attempts: 1, lastError: null };

describe('status', () => {
  test('every status is exactly one of forward, compensating and closed', () => {
    for (const status of STATUSES) {
      const kinds = [isOpenForward(status), isCompensating(status), isClosed(status)];
      expect(kinds.filter(Boolean)).toHaveLength(1);
    }
    expect(STATUSES).toEqual([...OPEN_FORWARD, ...COMPENSATING, ...CLOSED]);
    expect(OPEN).toEqual([...OPEN_FORWARD, ...COMPENSATING]);
  });

  test('the status names are those of the contract', () => {
    expect([...STATUSES].toSorted()).toEqual(Object.values(RegistrationStatus).toSorted());
    expect(CLOSED).toEqual(['completed', 'failed', 'cancelled']);
    expect(COMPENSATING).toEqual(['compensating', 'cleanup_required']);
    expect(OPEN_FORWARD).toEqual(['accepted', 'running', 'roles_pending']);
  });
});

describe('grants', () => {
  const caller = (grants: '*' | string[], id = 'alice') => ({
    id,
    grants: grants === '*' ? grants : new Set(grants),
  });

  test('`*` grants every role, and otherwise each role must be granted by name', () => {
    expect(notGrantable('*', ['a', 'b'])).toEqual([]);
    expect(notGrantable(new Set(['a']), ['b', 'a', 'c'])).toEqual(['b', 'c']);
    expect(notGrantable(new Set(), [])).toEqual([]);
    // A role called * is a name like any other: only the grant itself is everything.
    expect(notGrantable(new Set(['*']), ['a'])).toEqual(['a']);
  });

  test.each([
    { grants: '*' as const, roles: [], requestedBy: 'bob', sees: true },
    { grants: '*' as const, roles: ['a'], requestedBy: 'bob', sees: true },
    { grants: [], roles: [], requestedBy: 'alice', sees: true },
    { grants: ['a'], roles: [], requestedBy: 'bob', sees: false },
    { grants: ['a', 'b'], roles: ['a'], requestedBy: 'bob', sees: true },
    { grants: ['a'], roles: ['a', 'b'], requestedBy: 'bob', sees: false },
    // One's own registration with roles that are no longer granted is not one's own any more.
    { grants: ['a'], roles: ['b'], requestedBy: 'alice', sees: false },
    { grants: [], roles: ['a'], requestedBy: 'alice', sees: false },
    { grants: ['A'], roles: ['a'], requestedBy: 'bob', sees: false },
  ])('$grants, roles $roles of $requestedBy: $sees', ({ grants, sees, ...registration }) => {
    expect(maySee(caller(grants), registration)).toBe(sees);
  });

  test('a caller who may not grant one of the roles does not see the registration', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', '*'));
    fc.assert(
      fc.property(names, names, (granted, roles) => {
        fc.pre(roles.length > 0);
        const sees = maySee(caller(granted), { roles, requestedBy: 'alice' });
        expect(sees).toBe(notGrantable(new Set(granted), roles).length === 0);
      }),
    );
  });
});

describe('steps', () => {
  const names = (roles: string[], records: Record<string, StepRecord>) =>
    stepsInOrder(roles, records).map(({ name }) => name);

  test('steps are listed in their order, and those not begun wait', () => {
    expect(stepsInOrder(['a', 'b'], { createUser: DONE })).toEqual([
      { name: 'createUser', ...DONE, nextRetryAt: null },
      ...['assignRole:a', 'assignRole:b', 'complete'].map((name) => ({
        name,
        status: 'waiting',
        attempts: 0,
        lastError: null,
        nextRetryAt: null,
      })),
    ]);
  });

  test('steps for password, removals and compensation are listed only when needed', () => {
    const records = {
      deleteUser: DONE,
      'removeRole:old': DONE,
      'assignRole:old': DONE,
      setPassword: DONE,
    };
    expect(names(['new'], records)).toEqual([
      'createUser',
      'setPassword',
      'removeRole:old',
      'assignRole:new',
      'complete',
      'deleteUser',
    ]);
    expect(names([], {})).toEqual(['createUser', 'complete']);
  });

  test('a step’s role may have any name', () => {
    expect(names(['__proto__', 'a:b'], {})).toContain('assignRole:__proto__');
  });
});

describe('attemptsWithin', () => {
  test.each([
    [0, 1],
    [0.1, 1],
    [0.2, 2],
    [0.6, 3],
    [1, 3],
    [1.4, 4],
    [5, 5],
    [12.6, 7],
    [22.6, 8],
    [120, 17],
  ])('%d s of waiting fit %d attempts', (seconds, attempts) => {
    expect(attemptsWithin(seconds)).toBe(attempts);
  });

  test('the number of attempts grows with the budget and is always finite', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400 }), (seconds) => {
        expect(attemptsWithin(seconds)).toBeGreaterThanOrEqual(1);
        expect(attemptsWithin(seconds + 1)).toBeGreaterThanOrEqual(attemptsWithin(seconds));
        expect(attemptsWithin(seconds + 10) - attemptsWithin(seconds)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('progressOf', () => {
  const row = {
    status: 'running',
    createOutcome: 'created',
    roles: ['a', 'b'],
    rolesAssigned: ['a', 'c'],
    rolesTouched: ['a', 'b', 'c', 'd'],
    rolesRemoved: ['d'],
    rolesReplacedAt: null,
    rolesConfirmedAt: null,
    sealedAt: null,
    passwordSetAt: null,
    instruction: null,
    failure: null,
  } as unknown as Registration;
  const retry = { attempts: 3, compensationAttempts: 2 };
  const instruction = (kind: string, acknowledgedAt: Date | null) =>
    progressOf({ ...row, instruction: { kind, acknowledgedAt } } as unknown as Registration, retry)
      .instruction;

  test('progress lists the roles to assign and to remove', () => {
    expect(progressOf(row, retry)).toEqual({
      status: 'running',
      userCreated: true,
      passwordToSet: false,
      roles: ['a', 'b'],
      rolesToAssign: ['b'],
      rolesToRemove: ['c'],
      rolesToConfirm: false,
      instruction: 'none',
      failure: null,
      retry,
    });
  });

  test('groups are to be confirmed after each replacement of the roles', () => {
    const replaced = { ...row, rolesReplacedAt: new Date(2) };
    expect(progressOf(replaced, retry).rolesToConfirm).toBe(true);
    const confirmed = (ms: number) =>
      progressOf({ ...replaced, rolesConfirmedAt: new Date(ms) }, retry).rolesToConfirm;
    expect([confirmed(1), confirmed(2), confirmed(3)]).toEqual([true, false, false]);
  });

  test('an instruction to cancel stands, taken or not; others are taken or not', () => {
    expect(instruction('cancel', null)).toBe('cancel');
    expect(instruction('cancel', new Date())).toBe('cancel');
    expect(instruction('retry', null)).toBe('pending');
    expect(instruction('roles', new Date())).toBe('acknowledged');
  });

  test.each([null, 'taken', 'refused', 'errored'])('outcome %s is no user', (createOutcome) => {
    const view = progressOf({ ...row, createOutcome } as unknown as Registration, retry);
    expect(view.userCreated).toBe(false);
  });

  test('a password is to be set from when it is sealed until it is set', () => {
    const sealed = { ...row, sealedAt: new Date() };
    expect(progressOf(sealed, retry).passwordToSet).toBe(true);
    expect(progressOf({ ...sealed, passwordSetAt: new Date() }, retry).passwordToSet).toBe(false);
  });

  test('progress holds no personal data, because it enters a workflow history', () => {
    const full = { ...row, email: 'ada@example.com', firstName: 'Ada', username: 'ada' };
    expect(JSON.stringify(progressOf(full, retry))).not.toMatch(/ada/i);
  });
});

test('the workflow id is made of the registration id', () => {
  expect(workflowIdOf('1')).toBe('register-user/1');
});
