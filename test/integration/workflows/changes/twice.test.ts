// oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures a function uses
import { expect } from 'vitest';
import type { ChangeActivities } from '../../../../activities/contract.ts';
import { Persons } from '../../../support/persons.ts';
import { Saga } from '../../../support/saga.ts';
import { test as base } from '../../../support/saga-test.ts';

type Twice = 'one after the other' | 'at once';

/** Every activity is performed twice, as after an answer that was lost. */
function twice(how: Twice) {
  const doubled =
    <Ref, R>(work: (ref: Ref) => Promise<R>) =>
    async (ref: Ref): Promise<R> => {
      if (how === 'one after the other') await work(ref);
      else void work(ref).catch(() => undefined);
      return await work(ref);
    };
  return (real: ChangeActivities): ChangeActivities => ({
    nextChange: doubled((ref) => real.nextChange(ref)),
    cancelChange: doubled((ref) => real.cancelChange(ref)),
    beginChange: doubled((ref) => real.beginChange(ref)),
    changeStep: doubled((ref) => real.changeStep(ref)),
    confirmChange: doubled((ref) => real.confirmChange(ref)),
    completeChange: doubled((ref) => real.completeChange(ref)),
    parkChange: doubled((ref) => real.parkChange(ref)),
    restoreChange: doubled((ref) => real.restoreChange(ref)),
    closeChange: doubled((ref) => real.closeChange(ref)),
  });
}

const test = base
  .extend('after', { scope: 'file' }, async ({}, { onCleanup }) => {
    const saga = await Saga.start({ wrapChanges: twice('one after the other') });
    onCleanup(() => saga.stop());
    return new Persons(saga);
  })
  .extend('atOnce', { scope: 'file' }, async ({}, { onCleanup }) => {
    const saga = await Saga.start({ wrapChanges: twice('at once') });
    onCleanup(() => saga.stop());
    return new Persons(saga);
  });

const DONE = {
  roles: 'user.roles_changed',
  disable: 'user.disabled',
  enable: 'user.enabled',
  sign_out: 'user.signed_out_everywhere',
  delete: 'user.deleted',
} as const;

const KINDS = ['roles', 'disable', 'enable', 'sign_out', 'delete'] as const;

const CASES = KINDS.flatMap((kind) => [
  { kind, how: 'one after the other' as const },
  { kind, how: 'at once' as const },
]);

test.afterEach(async ({ after, atOnce }) => {
  for (const { saga } of [after, atOnce]) await saga.pool.clearFaults();
});

test.for(CASES)(
  'a change of kind $kind whose activities are performed twice, $how, happens once',
  async ({ kind, how }, { after, atOnce }) => {
    const persons = how === 'at once' ? atOnce : after;
    const person = await persons.add();
    const change = await persons.change(person, kind, {
      roles: kind === 'roles' ? ['researcher'] : [],
    });
    expect((await persons.closed(change)).status).toBe('completed');
    await persons.runEnded(person);
    expect(await persons.events(change)).toEqual(['change.requested', DONE[kind]]);
    const roles = kind === 'roles' ? ['researcher'] : ['viewer'];
    const there = { enabled: kind !== 'disable', roles };
    expect(await persons.account(person)).toEqual(kind === 'delete' ? null : there);
  },
);

test.for(['one after the other', 'at once'] as const)(
  'a change whose activities are performed twice, %s, parks and is put back once',
  async (how, { after, atOnce }) => {
    const persons = how === 'at once' ? atOnce : after;
    const person = await persons.add();
    await persons.saga.pool.setFaults([
      { operation: 'AdminRemoveUserFromGroup', fault: { kind: 'server' } },
    ]);
    const change = await persons.changeRoles(person, ['researcher']);
    await persons.untilParked(change);
    await persons.saga.pool.clearFaults();
    await persons.cancel(change);
    expect((await persons.closed(change)).status).toBe('cancelled');
    await persons.runEnded(person);
    expect(await persons.events(change)).toEqual([
      'change.requested',
      'change.parked',
      'change.cancel_requested',
      'change.restoring',
      'change.cancelled',
    ]);
    expect((await persons.account(person))?.roles).toEqual(['viewer']);
  },
);
