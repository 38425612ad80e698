import { expect } from 'vitest';
import { test } from '../../support/saga-test.ts';
import { ENDINGS } from './endings.ts';
import { freezeHistory, frozenNames } from './history-files.ts';

// Frozen once: a history made by today's code proves nothing about yesterday's. `FREEZE=<name>`
// makes that one anew, `FREEZE=missing` those that are not there yet.
const wanted = process.env['FREEZE'];

test.for(ENDINGS)('freezing $name', async ({ name, path, ending, run }, { sagas }) => {
  const there = (await frozenNames()).includes(name);
  if (wanted === 'missing' ? there : wanted !== name) return;
  const saga = sagas[path];
  const { id } = await run(saga);
  expect(await saga.ending(id)).toBe(ending);
  await freezeHistory(name, await saga.handle(id).fetchHistory());
  await saga.pool.clearFaults();
});
