import { expect } from 'vitest';
import { test } from '../../support/saga-test.ts';
import { CHANGE_ENDINGS } from './change-endings.ts';
import { ENDINGS } from './endings.ts';
import { freezeHistory, frozenNames } from './history-files.ts';

// Frozen once: a history made by today's code proves nothing about yesterday's. `FREEZE=<name>`
// makes that one anew, `FREEZE=missing` those that are not there yet.
const wanted = process.env['FREEZE'];

async function isWanted(name: string): Promise<boolean> {
  if (wanted !== 'missing') return wanted === name;
  return !(await frozenNames()).includes(name);
}

test.for(CHANGE_ENDINGS)('freezing $name', async ({ name, status, run }, { persons }) => {
  if (!(await isWanted(name))) return;
  const person = await persons.add();
  const change = await run(persons, person);
  expect((await persons.closed(change)).status).toBe(status);
  await persons.runEnded(person);
  await freezeHistory(name, await persons.handle(person.userId).fetchHistory());
  await persons.saga.pool.clearFaults();
});

test.for(ENDINGS)('freezing $name', async ({ name, path, ending, run }, { sagas }) => {
  if (!(await isWanted(name))) return;
  const saga = sagas[path];
  const { id } = await run(saga);
  expect(await saga.ending(id)).toBe(ending);
  await freezeHistory(name, await saga.handle(id).fetchHistory());
  await saga.pool.clearFaults();
});
