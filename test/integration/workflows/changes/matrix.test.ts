import { expect } from 'vitest';
import { test } from '../../../support/saga-test.ts';
import { MATRIX } from './matrix.ts';

test.afterEach(async ({ persons: { saga } }) => {
  await saga.pool.clearFaults();
  await saga.allowAudit();
});

test.for(MATRIX)(
  'a change of kind $kind, $step: $fault',
  async ({ kind, arrange, act, outcome }, { persons, changeScript: script }) => {
    const { pool } = persons.saga;
    const person = await persons.add();
    if (kind === 'enable') await persons.closed(await persons.change(person, 'disable'));
    await pool.clearCalls();
    await arrange({ persons, script });
    const change = await persons.change(person, kind, {
      roles: kind === 'roles' ? ['researcher'] : [],
    });
    await act?.({ persons, script }, change);
    const { status, failure } = await persons.closed(change);
    await persons.saga.allowAudit();
    await persons.runEnded(person);
    expect({
      status,
      failure: failure?.cause ?? null,
      events: await persons.events(change),
      account: await persons.account(person),
    }).toEqual(outcome);
    const deletes = (await pool.calls())['AdminDeleteUser']?.done ?? 0;
    expect(deletes === 0 || kind === 'delete', 'a person was deleted').toBe(true);
  },
);
