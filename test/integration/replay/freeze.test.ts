import { afterAll, beforeAll, expect, test } from 'vitest';
import { Saga } from '../../support/saga.ts';
import { createScript, type Path } from '../../support/script.ts';
import { ENDINGS } from './endings.ts';
import { freezeHistory, frozenNames } from './history-files.ts';

// Frozen once: a history made by today's code proves nothing about yesterday's. `FREEZE=<name>`
// makes that one anew, `FREEZE=missing` those that are not there yet.
const wanted = process.env['FREEZE'];
const sagas = new Map<Path, Saga>();

beforeAll(async () => {
  for (const path of ['fast', 'ordinary'] as const) {
    sagas.set(path, await Saga.start({ wrap: createScript(path).wrap }));
  }
});
afterAll(async () => {
  for (const saga of sagas.values()) await saga.stop();
});

test.each(ENDINGS)('freezing $name', async ({ name, path, ending, run }) => {
  const there = (await frozenNames()).includes(name);
  if (wanted === 'missing' ? there : wanted !== name) return;
  const saga = sagas.get(path);
  if (!saga) throw new Error(`no saga for the ${path} path`);
  const { id } = await run(saga);
  expect(await saga.ending(id)).toBe(ending);
  await freezeHistory(name, await saga.handle(id).fetchHistory());
  await saga.pool.clearFaults();
});
